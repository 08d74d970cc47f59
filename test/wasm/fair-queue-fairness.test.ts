import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue } from "#wasm/binding/fair-queue.ts";
import { fluidService } from "../support/fluid.ts";
import { kernels } from "../support/kernels.ts";

const ITEM = { urgency: 3, arrivalMs: 0, deadlineMs: Infinity };
const COST_MAX = 20;
const FEW = { itemCapacity: 64, flowCapacity: 32, classCapacity: 4, ageStepMs: 1_000 };

interface Flow {
  readonly classIndex: number;
  readonly weight: number;
}

interface Scene {
  readonly classWeights: readonly number[];
  readonly flows: readonly Flow[];
  /** Costs of items, taken in turn. */
  readonly costs: readonly number[];
  /** Which flows send in each phase; the others have nothing waiting. */
  readonly phases: readonly (readonly boolean[])[];
}

const POPS_PER_PHASE = 150;

/** Serves phase after phase and yields after each item what each flow has got in this phase. */
function* play(queue: FairQueue, scene: Scene): Generator<{ senders: readonly boolean[]; served: number[] }> {
  const flowIndices = scene.flows.map(({ classIndex, weight }) => queue.openFlow({ classIndex, weight, lengthMax: 8 }));
  const waiting = new Map<number, { flow: number; cost: number }>();
  let turn = 0;
  const push = (flow: number): void => {
    turn += 1;
    const cost = scene.costs[turn % scene.costs.length] ?? 1;
    waiting.set(queue.push({ ...ITEM, flowIndex: flowIndices[flow] ?? -1, cost }), { flow, cost });
  };
  for (const senders of scene.phases) {
    for (const [handle, { flow }] of waiting) if (senders[flow] !== true && queue.remove(handle)) waiting.delete(handle);
    for (const [flow, sends] of senders.entries()) while (sends && queue.flowLength(flowIndices[flow] ?? -1) < 3) push(flow);
    const served = senders.map(() => 0);
    for (let count = 0; count < POPS_PER_PHASE && queue.length > 0; count += 1) {
      const handle = queue.pop(0);
      const { flow = -1, cost = 0 } = waiting.get(handle) ?? {};
      waiting.delete(handle);
      served[flow] = (served[flow] ?? 0) + cost;
      push(flow);
      yield { senders, served: [...served] };
    }
  }
}

/**
 * The largest distance between what a flow of share s may get and what the fluid gives it: for n that compete with
 * |W_f / w_f - W_m / w_m| ≤ c / w_f + c / w_m, summed over the others, |W_f - s × W| ≤ (1 - s) × c + s × (n - 1) × c.
 */
function distanceMax(share: number, count: number): number {
  return (1 - share) * COST_MAX + share * (count - 1) * COST_MAX;
}

/** Whether every flow is within the bound of the fluid, above and below, after every item of every phase. */
function isFair(queue: FairQueue, scene: Scene): boolean {
  for (const { senders, served } of play(queue, scene)) {
    const total = served.reduce((sum, cost) => sum + cost, 0);
    const fluid = scene.flows.map((flow, index) => ({ ...flow, backlog: senders[index] === true ? Infinity : 0 }));
    const ideal = fluidService(fluid, scene.classWeights, total);
    for (const [index, flow] of scene.flows.entries()) {
      if (senders[index] !== true) continue;
      const peers = scene.flows.filter((other, at) => senders[at] === true && other.classIndex === flow.classIndex);
      const classes = new Set(scene.flows.filter((_, at) => senders[at] === true).map(({ classIndex }) => classIndex));
      const shareInClass = flow.weight / peers.reduce((sum, { weight }) => sum + weight, 0);
      const classShare =
        (scene.classWeights[flow.classIndex] ?? 0) / [...classes].reduce((sum, at) => sum + (scene.classWeights[at] ?? 0), 0);
      const bound = distanceMax(shareInClass, peers.length) + shareInClass * distanceMax(classShare, classes.size);
      if (Math.abs((served[index] ?? 0) - (ideal[index] ?? 0)) > bound + 0.1) return false;
    }
  }
  return true;
}

function weighted(classWeights: readonly number[]): FairQueue {
  const queue = new FairQueue(kernels(), FEW);
  for (const [classIndex, weight] of classWeights.entries()) queue.setClassWeight(classIndex, weight);
  return queue;
}

const SCENE: fc.Arbitrary<Scene> = fc
  .array(fc.record({ classIndex: fc.nat(2), weight: fc.integer({ min: 1, max: 12 }) }), { minLength: 2, maxLength: 8 })
  .chain((flows) =>
    fc.record({
      classWeights: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 3, maxLength: 3 }),
      flows: fc.constant(flows),
      costs: fc.array(fc.integer({ min: 1, max: COST_MAX }), { minLength: 1, maxLength: 13 }),
      phases: fc.array(fc.array(fc.boolean(), { minLength: flows.length, maxLength: flows.length }), { minLength: 1, maxLength: 4 }),
    }),
  );

describe("hierarchical fluid", () => {
  it.for([
    { name: "one flow gets all", flows: [[0, 3, 9]], classWeights: [5], cost: 4, want: [4] },
    {
      name: "two flows share by weight",
      flows: [
        [0, 1, 9],
        [0, 2, 9],
      ],
      classWeights: [1],
      cost: 6,
      want: [2, 4],
    },
    {
      name: "classes share before flows",
      flows: [
        [0, 1, 9],
        [0, 1, 9],
        [1, 9, 9],
      ],
      classWeights: [1, 1],
      cost: 8,
      want: [2, 2, 4],
    },
    {
      name: "what a flow leaves goes to its class first",
      flows: [
        [0, 1, 1],
        [0, 1, 9],
        [1, 1, 9],
      ],
      classWeights: [1, 1],
      cost: 8,
      want: [1, 3, 4],
    },
    {
      name: "what a class leaves goes to the others",
      flows: [
        [0, 1, 1],
        [1, 1, 9],
        [1, 3, 90],
      ],
      classWeights: [1, 1],
      cost: 10,
      want: [1, 2.25, 6.75],
    },
    {
      name: "no more than there is",
      flows: [
        [0, 1, 1],
        [1, 1, 2],
      ],
      classWeights: [1, 1],
      cost: 10,
      want: [1, 2],
    },
  ])("$name", ({ flows, classWeights, cost, want }) => {
    const fluid = flows.map(([classIndex = 0, weight = 0, backlog = 0]) => ({ classIndex, weight, backlog }));
    const served = fluidService(fluid, classWeights, cost);
    for (const [index, wanted] of want.entries()) expect(served[index]).toBeCloseTo(wanted, 9);
  });
});

describe("fair queue", () => {
  it("stays within the stated distance of the fluid, above and below, after every item, while flows come and go", () => {
    fc.assert(
      fc.property(SCENE, (scene) => isFair(weighted(scene.classWeights), scene)),
      { numRuns: 150 },
    );
  });

  const CANARY: Scene = {
    classWeights: [1, 4, 1],
    flows: [1, 2, 8].flatMap((weight) => [0, 1].map((classIndex) => ({ classIndex, weight }))),
    costs: [3, 20, 7, 1],
    phases: [[true, true, true, true, true, true]],
  };

  it("passes the canary's scene", () => {
    expect(isFair(weighted(CANARY.classWeights), CANARY)).toBe(true);
  });

  it.for([
    { name: "class weights", make: () => weighted([1, 1, 1]) },
    {
      name: "flow weights",
      make: () => {
        const queue = weighted(CANARY.classWeights);
        const { openFlow } = queue;
        queue.openFlow = (options) => openFlow.call(queue, { ...options, weight: 1 });
        return queue;
      },
    },
  ])("would be caught if it ignored $name", ({ make }) => {
    expect(isFair(make(), CANARY)).toBe(false);
  });

  it("keeps any two flows of a class that both wait, and any two classes, within one item each, over any interval", () => {
    fc.assert(
      fc.property(SCENE, (scene) => {
        for (const spread of spreads(scene)) expect(spread).toBeLessThanOrEqual(1 + 1e-3);
      }),
      { numRuns: 100 },
    );
  });
});

// Per phase and pair: how far W_f / w_f - W_m / w_m moves between any two moments, as a part of the bound.
function spreads(scene: Scene): number[] {
  const result: number[] = [];
  let range = new Map<string, { low: number; high: number }>();
  let phase: readonly boolean[] = [];
  for (const { senders, served } of play(weighted(scene.classWeights), scene)) {
    if (senders !== phase) range = new Map();
    phase = senders;
    for (const { name, difference, bound } of pairs(scene, senders, served)) {
      const { low, high } = range.get(name) ?? { low: 0, high: 0 };
      const now = { low: Math.min(low, difference), high: Math.max(high, difference) };
      range.set(name, now);
      result.push((now.high - now.low) / bound);
    }
  }
  return result;
}

function pairs(
  scene: Scene,
  senders: readonly boolean[],
  served: readonly number[],
): { name: string; difference: number; bound: number }[] {
  const flows = scene.flows
    .map((flow, index) => ({ group: `class ${flow.classIndex}`, index, weight: flow.weight, served: served[index] ?? 0 }))
    .filter(({ index }) => senders[index] === true);
  const classes = scene.classWeights
    .map((weight, index) => ({ group: "classes", index, weight, served: sumOf(scene, served, index) }))
    .filter(({ index }) => scene.flows.some(({ classIndex }, flow) => classIndex === index && senders[flow] === true));
  const nodes = [...flows, ...classes];
  return nodes.flatMap((a, at) =>
    nodes
      .slice(at + 1)
      .filter((b) => a.group === b.group)
      .map((b) => ({
        name: `${a.group}: ${a.index}, ${b.index}`,
        difference: a.served / a.weight - b.served / b.weight,
        bound: COST_MAX / a.weight + COST_MAX / b.weight,
      })),
  );
}

function sumOf(scene: Scene, served: readonly number[], classIndex: number): number {
  return scene.flows.reduce((sum, flow, index) => sum + (flow.classIndex === classIndex ? (served[index] ?? 0) : 0), 0);
}
