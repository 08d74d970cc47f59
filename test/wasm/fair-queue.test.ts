import * as fc from "fast-check";
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

const OPERATION = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("push" as const),
      flow: fc.nat(5),
      urgency: fc.nat(7),
      cost: fc.integer({ min: 1, max: 9 }),
      aheadMs: fc.oneof(fc.constant(Infinity), fc.nat(400)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("push" as const),
      flow: fc.nat(5),
      urgency: fc.nat(7),
      cost: fc.constant(2 ** 28),
      aheadMs: fc.nat(40),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pop" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), nth: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("expire" as const), countMax: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(300) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      classIndex: fc.nat(2),
      weight: fc.integer({ min: 1, max: 7 }),
      lengthMax: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), flow: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("weigh" as const), flow: fc.nat(5), weight: fc.integer({ min: 1, max: 65_535 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("weigh class" as const), classIndex: fc.nat(2), weight: fc.integer({ min: 1, max: 9 }) }),
  },
);

type Operation = typeof OPERATION extends fc.Arbitrary<infer T> ? T : never;

/** Plays operations and writes down all that can be seen, with items named by how many were pushed before. */
class Player {
  readonly #queue: AnyQueue;
  readonly #handles: number[] = [];
  readonly #open = new Set<number>();
  #nowMs = 1_000;

  constructor(queue: AnyQueue) {
    this.#queue = queue;
    for (const classIndex of [0, 1, 2]) queue.setClassWeight(classIndex, classIndex + 1);
    for (const classIndex of [0, 0, 1]) this.#open.add(queue.openFlow({ classIndex, weight: 1 + this.#open.size, lengthMax: 4 }));
  }

  play(operation: Operation): unknown[] {
    const queue = this.#queue;
    const seen = [this.#act(operation), queue.length, this.#name(queue.peek()), [0, 1, 2].map((index) => queue.classLength(index))];
    return [...seen, ...[...this.#open].map((flow) => queue.flowLength(flow))];
  }

  #act(operation: Operation): unknown {
    const queue = this.#queue;
    switch (operation.kind) {
      case "push":
        return this.#push(operation);
      case "pop":
        return this.#name(queue.pop(this.#nowMs));
      case "remove":
        return queue.remove(this.#handles[operation.nth] ?? 12_345);
      case "expire":
        return queue.expire(this.#nowMs, operation.countMax).map((handle) => this.#name(handle));
      case "wait":
        return (this.#nowMs += operation.ms);
      case "open": {
        const flow = queue.openFlow(operation);
        if (flow >= 0) this.#open.add(flow);
        return flow;
      }
      case "close":
        return this.#open.has(operation.flow) && queue.closeFlow(operation.flow) && this.#open.delete(operation.flow);
      case "weigh":
        if (this.#open.has(operation.flow)) queue.setFlowWeight(operation.flow, operation.weight);
        return null;
      case "weigh class":
        return queue.setClassWeight(operation.classIndex, operation.weight);
    }
  }

  #push({ flow, urgency, cost, aheadMs }: Extract<Operation, { kind: "push" }>): unknown {
    if (!this.#open.has(flow)) return null;
    const handle = this.#queue.push({ flowIndex: flow, urgency, cost, arrivalMs: this.#nowMs, deadlineMs: this.#nowMs + aheadMs });
    if (handle >= 0) this.#handles.push(handle);
    return [handle >= 0 || handle, this.#name(this.#queue.evictedHandle)];
  }

  #name(handle: number): number {
    return handle < 0 ? handle : this.#handles.lastIndexOf(handle);
  }
}

describe("fair queue", () => {
  it("is the same in the kernel and its twin where tags pass 2⁶² again and again", () => {
    const [kernel, twin] = IMPLEMENTATIONS.map(({ make }) => {
      const queue = make({ ...SMALL, itemCapacity: 100 });
      for (const classIndex of [0, 1]) queue.setClassWeight(classIndex, classIndex + 1);
      for (const classIndex of [0, 0, 1]) queue.openFlow({ classIndex, weight: 1 + classIndex, lengthMax: 30 });
      const ordinals = new Map<number, number>();
      const order: (number | undefined)[] = [];
      for (let round = 0; round < 100; round += 1) {
        for (const flowIndex of [0, 0, 1, 2])
          ordinals.set(queue.push({ ...ITEM, flowIndex, cost: 2 ** 28 - round * flowIndex }), ordinals.size);
        for (let count = 0; count < (round % 20 === 19 ? queue.length : 3); count += 1) order.push(ordinals.get(queue.pop(0)));
      }
      return order;
    });
    expect(kernel).toEqual(twin);
    expect(kernel).not.toContain(undefined);
  });

  it("is the same in the kernel and its twin, after each of any operations", () => {
    fc.assert(
      fc.property(fc.array(OPERATION, { maxLength: 200, size: "max" }), (operations) => {
        const [kernel, twin] = [new Player(new FairQueue(kernels(), SMALL)), new Player(new ReferenceFairQueue(SMALL))];
        for (const operation of operations) expect(kernel.play(operation)).toEqual(twin.play(operation));
      }),
      { numRuns: 300 },
    );
  });
});
