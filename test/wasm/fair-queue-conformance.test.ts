import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue, type FairQueueOptions } from "#wasm/binding/fair-queue.ts";
import { ReferenceFairQueue } from "#wasm/reference/fair-queue.ts";
import { kernels } from "../support/kernels.ts";

type AnyQueue = FairQueue | ReferenceFairQueue;

const SMALL: FairQueueOptions = { itemCapacity: 12, flowCapacity: 5, classCapacity: 3, ageStepMs: 100 };
const HUNDRED: FairQueueOptions = { ...SMALL, itemCapacity: 100 };

const PUSH = fc.record({
  kind: fc.constant("push" as const),
  flow: fc.nat(5),
  urgency: fc.nat(7),
  cost: fc.integer({ min: 1, max: 9 }),
  aheadMs: fc.oneof(fc.constant(Infinity), fc.nat(400)),
});

const OPERATION = fc.oneof(
  {
    weight: 8,
    arbitrary: PUSH,
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
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("hold" as const), flow: fc.nat(5), isHeld: fc.boolean() }) },
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

  constructor(queue: AnyQueue, lengthMax = 4) {
    this.#queue = queue;
    for (const classIndex of [0, 1, 2]) queue.setClassWeight(classIndex, classIndex + 1);
    for (const classIndex of [0, 0, 1]) this.#open.add(queue.openFlow({ classIndex, weight: 1 + this.#open.size, lengthMax }));
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
      case "hold":
        if (this.#open.has(operation.flow)) queue.hold(operation.flow, operation.isHeld);
        return null;
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
    const [kernel, twin] = [new FairQueue(kernels(), HUNDRED), new ReferenceFairQueue(HUNDRED)].map((queue) => {
      for (const classIndex of [0, 1]) queue.setClassWeight(classIndex, classIndex + 1);
      for (const classIndex of [0, 0, 1]) queue.openFlow({ classIndex, weight: 1 + classIndex, lengthMax: 30 });
      const ordinals = new Map<number, number>();
      const order: (number | undefined)[] = [];
      for (let round = 0; round < 100; round += 1) {
        for (const flowIndex of [0, 0, 1, 2])
          ordinals.set(
            queue.push({ flowIndex, urgency: 3, cost: 2 ** 28 - round * flowIndex, arrivalMs: 0, deadlineMs: Infinity }),
            ordinals.size,
          );
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

  it("is the same in the kernel and its twin while hundreds wait", () => {
    const large = { ...SMALL, itemCapacity: 300 };
    const pushes = fc.array(PUSH, { minLength: 300, maxLength: 400 });
    const operations = fc.array(OPERATION, { minLength: 200, maxLength: 400 });
    fc.assert(
      fc.property(pushes, operations, (first, then) => {
        const [kernel, twin] = [new Player(new FairQueue(kernels(), large), 120), new Player(new ReferenceFairQueue(large), 120)];
        for (const operation of first) expect(kernel.play(operation)).toEqual(twin.play(operation));
        expect(kernel.play({ kind: "wait", ms: 0 })[1]).toBeGreaterThan(100);
        for (const operation of then) expect(kernel.play(operation)).toEqual(twin.play(operation));
      }),
      { numRuns: 5 },
    );
  });
});
