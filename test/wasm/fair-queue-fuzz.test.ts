// Hostile calls to the fair queue's binding, and the same calls to its twin where they are accepted. An operation is
// one call; after each, refused or not, both say the same of themselves.
import { expect, it } from "vitest";
import { FairQueue, type FairQueueOptions } from "#wasm/binding/fair-queue.ts";
import { ReferenceFairQueue } from "#wasm/reference/fair-queue.ts";
import { HOSTILE, guarded, isAccepted } from "./hostile.ts";
import { seededRandom } from "./seeded-random.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEED = 20261121;
const OPERATION_COUNT = IS_LONG ? 1_000_000 : 100_000;
const CALLS_PER_QUEUE = 500;
const SMALL: FairQueueOptions = { itemCapacity: 12, flowCapacity: 5, classCapacity: 3, ageStepMs: 100 };

const { below } = seededRandom(SEED);
/** One in eight is a value that no caller should pass. */
const number = (useful: number): number => (below(8) === 0 ? (HOSTILE[below(HOSTILE.length)] ?? 0) : useful);

type AnyQueue = FairQueue | ReferenceFairQueue;
type Call = (queue: AnyQueue, handleOf: (nth: number) => number) => number | boolean | readonly number[] | void;

/** Answers that are handles are told apart from the rest: each queue has its own. */
const HANDLES = new Set(["push", "pop", "expire"]);

/** Each draws its arguments once, for both queues. */
const CALLS: Readonly<Record<string, (nowMs: number) => Call>> = {
  push(nowMs) {
    const [flowIndex, urgency, cost] = [number(below(5)), number(below(8)), number(1 + below(9))];
    const [arrivalMs, deadlineMs] = [number(nowMs), number(below(2) === 0 ? Infinity : nowMs + below(400))];
    return (queue) => queue.push({ flowIndex, urgency, cost, arrivalMs, deadlineMs });
  },
  pop(nowMs) {
    const time = number(nowMs);
    return (queue) => queue.pop(time);
  },
  expire(nowMs) {
    const [time, countMax] = [number(nowMs), number(below(5))];
    return (queue) => queue.expire(time, countMax);
  },
  remove() {
    const [nth, foreign, isForeign] = [below(60), HOSTILE[below(HOSTILE.length)] ?? 0, below(8) === 0];
    // Whole numbers are left to handles that were given: the twin's are other numbers.
    return (queue, handleOf) => queue.remove(isForeign && !(foreign >= 0 && Number.isInteger(foreign)) ? foreign : handleOf(nth));
  },
  openFlow() {
    const options = { classIndex: number(below(3)), weight: number(1 + below(7)), lengthMax: number(1 + below(5)) };
    return (queue) => queue.openFlow(options);
  },
  closeFlow() {
    const flow = number(below(5));
    return (queue) => queue.closeFlow(flow);
  },
  setFlowWeight() {
    const [flow, weight] = [number(below(5)), number(1 + below(9))];
    return (queue) => queue.setFlowWeight(flow, weight);
  },
  setClassWeight() {
    const [classIndex, weight] = [number(below(3)), number(1 + below(9))];
    return (queue) => queue.setClassWeight(classIndex, weight);
  },
  flowLength() {
    const flow = number(below(5));
    return (queue) => queue.flowLength(flow);
  },
  classLength() {
    const classIndex = number(below(3));
    return (queue) => queue.classLength(classIndex);
  },
};
/** What makes states comes more often. */
const NAMES = [...Object.keys(CALLS), "push", "push", "push", "push", "push", "push", "pop", "pop", "pop"];

it(`is its twin after each of ${OPERATION_COUNT} hostile calls, and never leaves its place, seed ${SEED}`, { timeout: 120_000 }, () => {
  const counts = new Map<string, { accepted: number; refused: number }>(
    Object.keys(CALLS).map((name) => [name, { accepted: 0, refused: 0 }]),
  );
  for (let made = 0; made < OPERATION_COUNT; made += CALLS_PER_QUEUE) playOne(counts);
  const total = [...counts.values()].reduce((sum, { accepted, refused }) => sum + accepted + refused, 0);
  expect(total).toBeGreaterThanOrEqual(100_000);
  // Both sides of every call were seen, so that neither can shrink unseen; `remove` answers false instead of refusing.
  for (const [name, { accepted, refused }] of counts) {
    expect(accepted, `${name} accepted`).toBeGreaterThan(1_000);
    if (name !== "remove") expect(refused, `${name} refused`).toBeGreaterThan(250);
  }
});

function playOne(counts: ReadonlyMap<string, { accepted: number; refused: number }>): void {
  const { table: kernel, areGuardsWhole } = guarded((instance) => new FairQueue(instance, SMALL));
  const twin = new ReferenceFairQueue(SMALL);
  for (const queue of [kernel, twin]) {
    for (const classIndex of [0, 1, 2]) queue.setClassWeight(classIndex, classIndex + 1);
    for (const classIndex of [0, 0, 1]) queue.openFlow({ classIndex, weight: 1 + classIndex, lengthMax: 4 });
  }
  const handles = { kernel: [] as number[], twin: [] as number[] };
  let nowMs = 1_000;
  for (let run = 0; run < CALLS_PER_QUEUE; run += 1) {
    nowMs += below(4) === 0 ? below(100) : 0;
    const name = NAMES[below(NAMES.length)] ?? expect.unreachable();
    const call = CALLS[name]?.(nowMs) ?? expect.unreachable();
    const count = counts.get(name) ?? expect.unreachable();
    let answer: unknown;
    if (isAccepted(() => (answer = call(kernel, (nth) => handles.kernel[nth] ?? 12_345_678)))) {
      const want = call(twin, (nth) => handles.twin[nth] ?? 12_345_678);
      if (name === "push" && (answer as number) >= 0) {
        handles.kernel.push(answer as number);
        handles.twin.push(want as number);
      }
      const named = HANDLES.has(name);
      expect(named ? ordinals(answer, handles.kernel) : answer).toEqual(named ? ordinals(want, handles.twin) : unsigned(want));
      if (name === "push") expect(ordinals(kernel.evictedHandle, handles.kernel)).toEqual(ordinals(twin.evictedHandle, handles.twin));
      count.accepted += 1;
    } else count.refused += 1;
    expect(kernel.length).toBe(twin.length);
    expect(ordinals(kernel.peek(), handles.kernel)).toEqual(ordinals(twin.peek(), handles.twin));
  }
  expect(areGuardsWhole()).toBe(true);
}

/** The twin gives a flow back as it was named: -0, where the kernel has 0. */
function unsigned(answer: unknown): unknown {
  return typeof answer === "number" ? answer + 0 : answer;
}

/** Handles as how many were given before, refusals as they are. */
function ordinals(answer: unknown, handles: readonly number[]): readonly number[] {
  return [answer as number | number[]].flat().map((handle) => (handle < 0 ? handle : handles.lastIndexOf(handle)));
}
