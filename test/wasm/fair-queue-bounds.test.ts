import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue, QUEUE_REFUSAL } from "#wasm/binding/fair-queue.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { kernels } from "../support/kernels.ts";

const OPTIONS = { itemCapacity: 64, flowCapacity: 8, classCapacity: 4, ageStepMs: 50 };
const LENGTH_MAX = 8;
const COST = 10;

/** Three classes of weights 1, 5, 20, each with a light flow of weight 1 and a heavy one of weight 9: flows 0 to 5. */
const CLASS_WEIGHTS = [1, 5, 20];
const FLOW_WEIGHTS = [1, 9];

function busyQueue(instance = kernels()): FairQueue {
  const queue = new FairQueue(instance, OPTIONS);
  for (const [classIndex, weight] of CLASS_WEIGHTS.entries()) {
    queue.setClassWeight(classIndex, weight);
    for (const flowWeight of FLOW_WEIGHTS) queue.openFlow({ classIndex, weight: flowWeight, lengthMax: LENGTH_MAX });
  }
  return queue;
}

describe("fair queue, ageing", () => {
  // From docs/design/fair-queue.md: cost served before the lightest flow has served `own`, everything else waiting.
  const own = (LENGTH_MAX - 1) * COST;
  const ofClass = own + (own + COST) * 9 + COST;
  const all = ofClass + (ofClass + COST) * 25 + 2 * COST;

  it.for([0, 1, 3, 5, 7].flatMap((urgency) => [1, 5, 40].map((costPerMs) => ({ urgency, costPerMs }))))(
    "serves urgency $urgency of the lightest flow within the stated wait, however urgent all others are, at $costPerMs/ms",
    ({ urgency, costPerMs }) => {
      const queue = busyQueue();
      let nowMs = 1_000_049; // The last moment of a step: the largest bound.
      const fill = (): void => {
        for (let flowIndex = 0; flowIndex < 6; flowIndex += 1)
          while (queue.flowLength(flowIndex) < LENGTH_MAX)
            queue.push({ flowIndex, urgency: 0, cost: COST, arrivalMs: Math.floor(nowMs), deadlineMs: Infinity });
      };
      fill();
      while (queue.flowLength(0) === LENGTH_MAX) queue.pop(0);
      const handle = queue.push({ flowIndex: 0, urgency, cost: COST, arrivalMs: nowMs, deadlineMs: Infinity });
      const arrivedMs = nowMs;
      for (;;) {
        fill();
        expect(queue.evictedHandle).toBe(-1);
        if (queue.pop(0) === handle) break;
        nowMs += COST / costPerMs;
        expect(nowMs - arrivedMs).toBeLessThanOrEqual((urgency + 1) * OPTIONS.ageStepMs + (all * (1 + 2 ** -14)) / costPerMs);
      }
      // It does wait for its urgency: everything that came in the steps before its turn went first.
      expect(nowMs - arrivedMs).toBeGreaterThan((urgency - 1) * OPTIONS.ageStepMs);
    },
  );

  it("keeps urgency 7 waiting behind urgency 0 that keeps coming, until it has aged", () => {
    const queue = busyQueue();
    const push = (urgency: number, arrivalMs: number): number =>
      queue.push({ flowIndex: 0, urgency, cost: 1, arrivalMs, deadlineMs: urgency === 0 ? 1_000 : Infinity });
    const old = push(7, 0);
    const passed = [0, 100, 349, 399].map((arrivalMs) => push(0, arrivalMs)); // 8 steps of 50 ms, and no longer.
    const later = push(0, 400);
    expect([...passed, old, later].map(() => queue.pop(0))).toEqual([...passed, old, later]);
  });
});

describe("fair queue, cost ahead", () => {
  const PUSHES = fc.array(fc.record({ flowIndex: fc.nat(5), cost: fc.integer({ min: 1, max: 30 }) }), { maxLength: 60, size: "max" });

  it("is never below what is served before an item that goes last in its flow, and never above all that waits", () => {
    fc.assert(
      fc.property(PUSHES, fc.nat(5), fc.nat(20), (pushes, flowIndex, popCount) => {
        const queue = busyQueue();
        const costs = new Map<number, number>();
        for (const push of pushes) costs.set(queue.push({ ...push, urgency: 0, arrivalMs: 0, deadlineMs: Infinity }), push.cost);
        for (let count = 0; count < popCount; count += 1) costs.delete(queue.pop(0));
        costs.delete(QUEUE_REFUSAL.flowFull);
        const estimate = queue.costAhead(flowIndex);
        expect(estimate).toBeLessThanOrEqual([...costs.values()].reduce((sum, cost) => sum + cost, 0));
        const handle = queue.push({ flowIndex, urgency: 7, cost: 1, arrivalMs: 0, deadlineMs: Infinity });
        if (handle < 0) return;
        let ahead = 0;
        for (let next = queue.pop(0); next !== handle; next = queue.pop(0)) ahead += costs.get(next) ?? Infinity;
        expect(ahead).toBeLessThanOrEqual(estimate);
      }),
      { numRuns: 500 },
    );
  });

  it("sees weights: a heavy flow has less ahead than a light one behind the same queue", () => {
    const queue = busyQueue();
    for (let count = 0; count < 48; count += 1)
      queue.push({ flowIndex: count % 6, urgency: 0, cost: 30, arrivalMs: 0, deadlineMs: Infinity });
    expect(queue.costAhead(5)).toBeLessThan(queue.costAhead(0) / 2);
  });
});

const HOSTILE = fc.oneof(
  fc.constantFrom(
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
    -1,
    0.5,
    2 ** 31,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53,
    2 ** 53 - 1,
    -(2 ** 31),
    1e308,
    5e-324,
  ),
  fc.constantFrom<unknown>(undefined, null, "1", {}, [], true) as fc.Arbitrary<number>,
  fc.integer({ min: -2, max: 70 }),
  fc.double(),
);

const CALLS: Record<string, (queue: FairQueue, args: readonly number[]) => unknown> = {
  setClassWeight: (queue, [a = 0, b = 0]) => queue.setClassWeight(a, b),
  openFlow: (queue, [classIndex = 0, weight = 0, lengthMax = 0]) => queue.openFlow({ classIndex, weight, lengthMax }),
  setFlowWeight: (queue, [a = 0, b = 0]) => queue.setFlowWeight(a, b),
  closeFlow: (queue, [a = 0]) => queue.closeFlow(a),
  push: (queue, [flowIndex = 0, urgency = 0, cost = 0, arrivalMs = 0, deadlineMs = 0]) =>
    queue.push({ flowIndex, urgency, cost, arrivalMs, deadlineMs }),
  pop: (queue, [a = 0]) => queue.pop(a),
  remove: (queue, [a = 0]) => queue.remove(a),
  expire: (queue, [a = 0, b = 0]) => queue.expire(a, b),
  flowLength: (queue, [a = 0]) => queue.flowLength(a),
  classLength: (queue, [a = 0]) => queue.classLength(a),
  costAhead: (queue, [a = 0]) => queue.costAhead(a),
};

/** Structures side by side, so that a write beyond the queue shows. */
function betweenMarks<T>(instance: Kernels, make: () => T): { made: T; marksIntact: () => boolean } {
  const mark = (): Uint8Array => {
    const { offset, bytes } = instance.arena.allocate(256, "a mark");
    return new Uint8Array(instance.memory, offset, bytes).fill(0xaa);
  };
  const before = mark();
  const made = make();
  const after = mark();
  return { made, marksIntact: () => [before, after].every((bytes) => bytes.every((byte) => byte === 0xaa)) };
}

describe("fair queue, hostile callers", () => {
  const CALL = fc.record({ name: fc.constantFrom(...Object.keys(CALLS)), args: fc.array(HOSTILE, { minLength: 5, maxLength: 5 }) });

  it("answers or throws RangeError, never traps, never writes outside its region", () => {
    fc.assert(
      fc.property(fc.array(CALL, { maxLength: 60, size: "max" }), (calls) => {
        const instance = kernels();
        const { made: queue, marksIntact } = betweenMarks(instance, () => busyQueue(instance));
        for (const { name, args } of calls) {
          try {
            CALLS[name]?.(queue, args);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
            expect(String(error)).toMatch(/^RangeError: Cannot /);
          }
        }
        expect(marksIntact()).toBe(true);
        expect(queue.length).toBe([0, 1, 2, 3].reduce((sum, classIndex) => sum + queue.classLength(classIndex), 0));
      }),
      { numRuns: 300 },
    );
  });

  it("answers any words and numbers at its raw exports too", () => {
    const instance = kernels();
    const { made: base, marksIntact } = betweenMarks(instance, () => {
      const { offset } = instance.arena.allocate(instance.exports.fairQueueBytes(8, 4, 2), "a fair queue");
      instance.exports.fairQueueInit(offset, 8, 4, 2, 10);
      instance.exports.fairQueueSetClass(offset, 0, 1);
      instance.exports.fairQueueOpenFlow(offset, 0, 1, 8);
      return offset;
    });
    const { exports } = instance;
    fc.assert(
      fc.property(fc.tuple(HOSTILE, HOSTILE, HOSTILE, HOSTILE), ([a, b, c, d]) => {
        const answers = [
          exports.fairQueueBytes(a, b, c),
          exports.fairQueueSetClass(base, a, b),
          exports.fairQueueOpenFlow(base, a, b, c),
          exports.fairQueueSetFlowWeight(base, a, b),
          exports.fairQueuePush(base, a, b, c, d, a),
          exports.fairQueuePush(base, 0, a, 1, b, c),
          exports.fairQueueExpire(base, a, b),
          exports.fairQueuePop(base, a),
          exports.fairQueueRemove(base, a),
          exports.fairQueueCloseFlow(base, a),
          exports.fairQueueCostAhead(base, a),
        ];
        for (const answer of answers) expect(Number.isNaN(answer)).toBe(false);
        return marksIntact();
      }),
      { numRuns: 3_000 },
    );
  });

  it.for([
    { name: "no items", change: { itemCapacity: 0 } },
    { name: "more items than a handle can name", change: { itemCapacity: 2 ** 20 + 1 } },
    { name: "more flows than it may have", change: { flowCapacity: 16_385 } },
    { name: "more classes than it may have", change: { classCapacity: 17 } },
    { name: "half a class", change: { classCapacity: 1.5 } },
    { name: "no ageing step", change: { ageStepMs: 0 } },
    { name: "a queue that the memory has no room for", change: { itemCapacity: 100_000 } },
  ])("makes no queue: $name", ({ change }) => {
    expect(() => new FairQueue(kernels(), { ...OPTIONS, ...change })).toThrow(RangeError);
  });

  it.for([
    { name: "urgency 8", item: { urgency: 8 } },
    { name: "cost 0", item: { cost: 0 } },
    { name: "cost beyond 2²⁸", item: { cost: 2 ** 28 + 1 } },
    { name: "half a millisecond", item: { arrivalMs: 0.5 } },
    { name: "a deadline that is none", item: { deadlineMs: Number.NaN } },
    { name: "a flow that is not open", item: { flowIndex: 6 } },
  ])("pushes nothing: $name", ({ item }) => {
    const queue = busyQueue();
    expect(() => queue.push({ flowIndex: 0, urgency: 0, cost: 1, arrivalMs: 0, deadlineMs: Infinity, ...item })).toThrow(RangeError);
    expect(queue.length).toBe(0);
  });

  it("takes weights from 1 to 65,535 and no others", () => {
    const queue = busyQueue();
    for (const weight of [0, 65_536, -1, 1.5]) {
      expect(() => queue.setClassWeight(0, weight)).toThrow(RangeError);
      expect(() => queue.setFlowWeight(0, weight)).toThrow(RangeError);
    }
    queue.setClassWeight(3, 65_535);
    expect(queue.openFlow({ classIndex: 3, weight: 65_535, lengthMax: 1 })).toBe(6);
  });

  it("holds as many items as it was made for, at the largest size, and all leave again", () => {
    const { exports } = kernels();
    const memoryBytes = exports.fairQueueBytes(60_000, 16_384, 1) + 65_536;
    const queue = new FairQueue(kernels({ memoryBytes }), { itemCapacity: 60_000, flowCapacity: 16_384, classCapacity: 1, ageStepMs: 1 });
    queue.setClassWeight(0, 1);
    for (let flow = 0; flow < 16_384; flow += 1) queue.openFlow({ classIndex: 0, weight: 1 + (flow % 100), lengthMax: 10 });
    for (let count = 0; count < 60_000; count += 1)
      expect(
        queue.push({ flowIndex: count % 16_384, urgency: 0, cost: 1 + (count % 7), arrivalMs: count, deadlineMs: Infinity }) >= 0,
      ).toBe(true);
    const seen = new Set(Array.from({ length: 60_000 }, () => queue.pop(0)));
    expect([seen.size, queue.length, queue.pop(0)]).toEqual([60_000, 0, -1]);
  });
});
