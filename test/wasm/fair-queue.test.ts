import { describe, expect, it } from "vitest";
import { FairQueue, QUEUE_REFUSAL, type FairQueueOptions } from "#wasm/binding/fair-queue.ts";
import { ReferenceFairQueue } from "#wasm/reference/fair-queue.ts";
import { kernels } from "../support/kernels.ts";

type AnyQueue = FairQueue | ReferenceFairQueue;

const IMPLEMENTATIONS = [
  { name: "kernel", make: (options: FairQueueOptions): AnyQueue => new FairQueue(kernels(), options) },
  { name: "twin", make: (options: FairQueueOptions): AnyQueue => new ReferenceFairQueue(options) },
];

const SMALL: FairQueueOptions = { itemCapacity: 12, flowCapacity: 5, classCapacity: 3, ageStepMs: 100 };
const ITEM = { flowIndex: 0, urgency: 3, cost: 1, arrivalMs: 0, deadlineMs: Infinity };

/** A queue of one class and one flow. */
function lone(make: (options: FairQueueOptions) => AnyQueue, lengthMax = 8): AnyQueue {
  const queue = make(SMALL);
  queue.setClassWeight(0, 1);
  queue.openFlow({ classIndex: 0, weight: 1, lengthMax });
  return queue;
}

function drain(queue: AnyQueue): number[] {
  return Array.from({ length: queue.length }, () => queue.pop(0));
}

describe.for(IMPLEMENTATIONS)("fair queue, $name", ({ make }) => {
  it("serves a flow by urgency, then by deadline, then by arrival", () => {
    const queue = lone(make);
    const push = (item: Partial<typeof ITEM>): number => queue.push({ ...ITEM, ...item });
    const [never, late, soon, again, urgent] = [
      push({}),
      push({ deadlineMs: 90 }),
      push({ deadlineMs: 50 }),
      push({ deadlineMs: 50 }),
      push({ urgency: 2 }),
    ];
    expect(drain(queue)).toEqual([urgent, soon, again, late, never]);
  });

  it("lets one ageing step of waiting make up for one step of urgency, and no less", () => {
    const queue = lone(make);
    const old = queue.push({ ...ITEM, urgency: 5, arrivalMs: 0 });
    const before = queue.push({ ...ITEM, urgency: 4, arrivalMs: 99 });
    const after = queue.push({ ...ITEM, urgency: 4, arrivalMs: 100 });
    expect(drain(queue)).toEqual([before, old, after]);
  });

  it("keeps the order of arrival among equals", () => {
    const queue = lone(make);
    const handles = Array.from({ length: 8 }, () => queue.push(ITEM));
    expect(drain(queue)).toEqual(handles);
  });

  it("gives up the newest of the least urgent items for a more urgent one, and says which", () => {
    const queue = lone(make, 3);
    const [first, second] = [queue.push({ ...ITEM, urgency: 6 }), queue.push({ ...ITEM, urgency: 6 })];
    queue.push({ ...ITEM, urgency: 5 });
    expect(queue.push({ ...ITEM, urgency: 6 })).toBe(QUEUE_REFUSAL.flowFull);
    expect(queue.evictedHandle).toBe(-1);
    expect(queue.push({ ...ITEM, urgency: 5 })).toBeGreaterThanOrEqual(0);
    expect(queue.evictedHandle).toBe(second);
    queue.push({ ...ITEM, urgency: 0 });
    expect(queue.evictedHandle).toBe(first);
    expect(queue.push({ ...ITEM, urgency: 5 })).toBe(QUEUE_REFUSAL.flowFull);
    expect(queue.flowLength(0)).toBe(3);
  });

  it("refuses where the queue is full, even the most urgent", () => {
    const queue = make(SMALL);
    queue.setClassWeight(0, 1);
    for (let flow = 0; flow < 2; flow += 1) queue.openFlow({ classIndex: 0, weight: 1, lengthMax: 12 });
    for (let count = 0; count < 12; count += 1) expect(queue.push({ ...ITEM, flowIndex: count % 2 })).toBeGreaterThanOrEqual(0);
    expect(queue.push({ ...ITEM, urgency: 0 })).toBe(QUEUE_REFUSAL.queueFull);
    queue.pop(0);
    expect(queue.push({ ...ITEM, urgency: 0 })).toBeGreaterThanOrEqual(0);
  });

  it("opens as many flows as it has places, and one more when one closes", () => {
    const queue = make(SMALL);
    queue.setClassWeight(2, 1);
    const open = (): number => queue.openFlow({ classIndex: 2, weight: 1, lengthMax: 1 });
    expect(Array.from({ length: 6 }, open)).toEqual([0, 1, 2, 3, 4, QUEUE_REFUSAL.queueFull]);
    expect(queue.closeFlow(3)).toBe(true);
    expect(open()).toBe(3);
  });

  it("closes no flow that is not empty, nor one that would come back without its debt", () => {
    const queue = make(SMALL);
    queue.setClassWeight(0, 1);
    const [served, other] = [0, 1].map(() => queue.openFlow({ classIndex: 0, weight: 1, lengthMax: 9 }));
    queue.push({ ...ITEM, flowIndex: served ?? -1, cost: 10 });
    queue.push({ ...ITEM, flowIndex: other ?? -1, cost: 10 });
    expect(queue.closeFlow(0)).toBe(false);
    queue.pop(0);
    expect(queue.closeFlow(0)).toBe(false);
    queue.pop(0);
    expect(queue.closeFlow(0)).toBe(true);
  });

  it("serves nothing whose deadline has come, and hands it over when asked, soonest first", () => {
    const queue = lone(make);
    const [late, soon, sooner] = [30, 20, 10].map((deadlineMs) => queue.push({ ...ITEM, deadlineMs }));
    const never = queue.push(ITEM);
    expect(queue.pop(20)).toBe(QUEUE_REFUSAL.expired);
    expect(queue.expire(20, 1)).toEqual([sooner]);
    expect(queue.pop(20)).toBe(QUEUE_REFUSAL.expired);
    expect(queue.expire(20)).toEqual([soon]);
    expect([queue.pop(20), queue.pop(20), queue.pop(20)]).toEqual([late, never, QUEUE_REFUSAL.none]);
  });

  it("expires at most 64 at a time", () => {
    const queue = make({ ...SMALL, itemCapacity: 100 });
    queue.setClassWeight(0, 1);
    queue.openFlow({ classIndex: 0, weight: 1, lengthMax: 100 });
    for (let count = 0; count < 100; count += 1) queue.push({ ...ITEM, deadlineMs: 5 });
    expect([queue.expire(5, 1_000).length, queue.expire(5).length, queue.expire(5).length]).toEqual([64, 36, 0]);
  });

  it("removes an item once, wherever it waits, and nothing by a handle whose item has left", () => {
    const queue = lone(make);
    const [first, second, third] = [queue.push(ITEM), queue.push({ ...ITEM, deadlineMs: 9 }), queue.push(ITEM)];
    expect([queue.remove(second), queue.remove(second)]).toEqual([true, false]);
    expect(queue.pop(0)).toBe(first);
    expect(queue.remove(first)).toBe(false);
    const next = queue.push(ITEM);
    expect(next).not.toBe(first);
    expect([queue.remove(first), queue.remove(second), queue.length]).toEqual([false, false, 2]);
    expect(drain(queue)).toEqual([third, next]);
  });

  it("owes an idle flow nothing, and forgives nothing while others wait", () => {
    const queue = make({ ...SMALL, itemCapacity: 40 });
    queue.setClassWeight(0, 1);
    for (let flow = 0; flow < 2; flow += 1) queue.openFlow({ classIndex: 0, weight: 1, lengthMax: 20 });
    for (let count = 0; count < 20; count += 1) queue.push(ITEM);
    for (let count = 0; count < 10; count += 1) queue.pop(0);
    const late = new Set(Array.from({ length: 10 }, () => queue.push({ ...ITEM, flowIndex: 1 })));
    expect(drain(queue).map((handle) => (late.has(handle) ? 1 : 0))).toEqual(Array.from({ length: 20 }, (_, index) => (index + 1) % 2));
  });
});

describe("fair queue", () => {
  it("says of the item that left last what it was, however it left", () => {
    const queue = new FairQueue(kernels(), SMALL);
    queue.setClassWeight(1, 1);
    queue.openFlow({ classIndex: 1, weight: 1, lengthMax: 2 });
    queue.push({ ...ITEM, urgency: 6, cost: 2 ** 28, deadlineMs: 2 ** 53 - 1, arrivalMs: 2 ** 53 - 1 });
    queue.pop(0);
    expect(queue.taken).toEqual({ flowIndex: 0, urgency: 6, cost: 2 ** 28, deadlineMs: 2 ** 53 - 1 });
    queue.remove(queue.push(ITEM));
    expect(queue.taken).toEqual({ flowIndex: 0, urgency: 3, cost: 1, deadlineMs: Infinity });
    for (const urgency of [5, 7, 0]) queue.push({ ...ITEM, urgency });
    expect(queue.taken.urgency).toBe(7);
    queue.push({ ...ITEM, urgency: 4, deadlineMs: 5 });
    queue.expire(5);
    expect(queue.taken).toEqual({ flowIndex: 0, urgency: 4, cost: 1, deadlineMs: 5 });
  });
});
