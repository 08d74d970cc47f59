import type { FairQueueExports, Offset } from "./kernel-exports.ts";
import type { Kernels } from "./kernels.ts";

export interface FairQueueOptions {
  /** 1 to 2²⁰. */
  readonly itemCapacity: number;
  /** 1 to 16,384. */
  readonly flowCapacity: number;
  /** 1 to 16. */
  readonly classCapacity: number;
  /** Waiting this long is worth one step of urgency. */
  readonly ageStepMs: number;
}

export interface FlowOptions {
  readonly classIndex: number;
  /** 1 to 65,535. */
  readonly weight: number;
  /** Items that may wait in the flow, 1 to the queue's capacity. */
  readonly lengthMax: number;
}

export interface QueueItem {
  readonly flowIndex: number;
  /** 0: first, to 7: last. */
  readonly urgency: number;
  /** 1 to 2²⁸, in the host's unit. */
  readonly cost: number;
  /** Whole milliseconds, as all times. */
  readonly arrivalMs: number;
  /** From here on the item is not served any more; Infinity: never. */
  readonly deadlineMs: number;
}

/** What a call answers instead of a handle. */
export const QUEUE_REFUSAL = { none: -1, flowFull: -2, queueFull: -3, expired: -4 } as const;

const REFUSED_FLOW = -5;
const REFUSED_BUSY = -7;
const EXPIRED_COUNT_MAX = 64;
// Places of the queue's record that the host reads (wasm/assembly/schedule/fair-queue/layout.ts).
const OUT_OFFSET = 84;
const EVICTED_OFFSET = 96;

/**
 * A fair queue (wasm/assembly/schedule/fair-queue/fair-queue.ts): by class weight, then by flow weight, then by
 * urgency with ageing, deadline and arrival. A flow is one tenant's items of one class. Items are handles, which are
 * safe integers ≥ 0; a handle names nothing any more once its item has left. Handles do not know their queue.
 */
export class FairQueue {
  readonly #exports: FairQueueExports;
  readonly #base: Offset;
  readonly #out: Uint32Array;
  readonly #outFloat: Float64Array;

  /** Throws RangeError for a capacity out of range, or where the memory has no room. */
  constructor(kernels: Kernels, options: FairQueueOptions) {
    const { itemCapacity, flowCapacity, classCapacity, ageStepMs } = options;
    this.#exports = kernels.exports;
    const whole = isWord(itemCapacity) && isWord(flowCapacity) && isWord(classCapacity) && Number.isSafeInteger(ageStepMs) && ageStepMs > 0;
    const bytes = whole ? this.#exports.fairQueueBytes(itemCapacity, flowCapacity, classCapacity) : 0;
    if (bytes === 0)
      throw new RangeError(
        `Cannot make a fair queue of ${itemCapacity} items, ${flowCapacity} flows, ${classCapacity} classes, ageing by ${ageStepMs} ms: ` +
          "expected 1 to 1,048,576, 1 to 16,384, 1 to 16, and a whole number ≥ 1",
      );
    this.#base = kernels.arena.allocate(bytes, "a fair queue").offset;
    this.#exports.fairQueueInit(this.#base, itemCapacity, flowCapacity, classCapacity, ageStepMs);
    this.#out = new Uint32Array(kernels.memory, this.#base + OUT_OFFSET, 3);
    this.#outFloat = new Float64Array(kernels.memory, this.#base + EVICTED_OFFSET, 2 + EXPIRED_COUNT_MAX);
  }

  /** Items that wait. */
  get length(): number {
    return this.#exports.fairQueueLength(this.#base);
  }

  /** The item that the last push displaced, or -1. */
  get evictedHandle(): number {
    return this.#outFloat[1] ?? -1;
  }

  /** Flow, urgency, cost and deadline of the item that left last. */
  get taken(): Omit<QueueItem, "arrivalMs"> {
    const out = this.#out;
    return { flowIndex: out[0] ?? 0, urgency: out[1] ?? 0, cost: out[2] ?? 0, deadlineMs: this.#outFloat[0] ?? Infinity };
  }

  /** Gives a class its weight, 1 to 65,535; without one it has no flows. */
  setClassWeight(classIndex: number, weight: number): void {
    const done = isWord(classIndex) && isWord(weight) && this.#exports.fairQueueSetClass(this.#base, classIndex, weight) === 0;
    if (!done) throw new RangeError(`Cannot weigh class ${classIndex}: ${weight}, expected a class of the queue and 1 to 65,535`);
  }

  /** Index of a new flow, or QUEUE_REFUSAL.queueFull. */
  openFlow({ classIndex, weight, lengthMax }: FlowOptions): number {
    const whole = isWord(classIndex) && isWord(weight) && isWord(lengthMax);
    const answer = whole ? this.#exports.fairQueueOpenFlow(this.#base, classIndex, weight, lengthMax) : REFUSED_FLOW;
    if (answer >= 0 || answer === QUEUE_REFUSAL.queueFull) return answer;
    throw new RangeError(
      `Cannot open a flow of class ${classIndex}, weight ${weight}, at most ${lengthMax} long: ` +
        "expected a class that has a weight, 1 to 65,535, and 1 to the queue's capacity",
    );
  }

  setFlowWeight(flowIndex: number, weight: number): void {
    const done = isWord(flowIndex) && isWord(weight) && this.#exports.fairQueueSetFlowWeight(this.#base, flowIndex, weight) === 0;
    if (!done) throw new RangeError(`Cannot weigh flow ${flowIndex}: ${weight}, expected an open flow and 1 to 65,535`);
  }

  /** Holds a flow back, or lets it compete again. What waits in a held flow expires and can be removed, but is not served. */
  hold(flowIndex: number, isHeld: boolean): void {
    const done = isWord(flowIndex) && this.#exports.fairQueueHold(this.#base, flowIndex, isHeld ? 1 : 0) === 0;
    if (!done) throw new RangeError(`Cannot hold flow ${flowIndex} back: it is not open, expected an open flow`);
  }

  /** False where items wait in it, or where it must still wait for what it got: its debt would be forgiven. */
  closeFlow(flowIndex: number): boolean {
    const answer = isWord(flowIndex) ? this.#exports.fairQueueCloseFlow(this.#base, flowIndex) : REFUSED_FLOW;
    if (answer === 0 || answer === REFUSED_BUSY) return answer === 0;
    throw new RangeError(`Cannot close flow ${flowIndex}: it is not open, expected an open flow`);
  }

  /** A handle; or flowFull, where nothing in the flow is less urgent; or queueFull. See `evictedHandle`. */
  push(item: QueueItem): number {
    const { flowIndex, urgency, cost, arrivalMs, deadlineMs } = item;
    const whole = isWord(flowIndex) && isWord(urgency) && isWord(cost);
    const answer = whole ? this.#exports.fairQueuePush(this.#base, flowIndex, urgency, cost, arrivalMs, deadlineMs) : REFUSED_FLOW;
    if (answer > REFUSED_FLOW) return answer;
    throw new RangeError(
      `Cannot push urgency ${urgency}, cost ${cost}, arrival ${arrivalMs} ms, deadline ${deadlineMs} ms to flow ${flowIndex}: ` +
        "expected 0 to 7, 1 to 2²⁸, whole times ≥ 0 or no deadline, and an open flow",
    );
  }

  /** The handle of the item that goes next; or none, where nothing waits but in flows that are held; or expired, where a deadline has come: `expire` takes it out. */
  pop(nowMs: number): number {
    const answer = this.#exports.fairQueuePop(this.#base, nowMs);
    return answer > REFUSED_FLOW ? answer : refuseTime(nowMs);
  }

  /** The handle of the item that would go next if no deadline came, or none. */
  peek(): number {
    return this.#exports.fairQueuePeek(this.#base);
  }

  /** Takes an item out wherever it waits; false for a handle that names nothing. */
  remove(handle: number): boolean {
    return this.#exports.fairQueueRemove(this.#base, handle) === 0;
  }

  /** Takes out what has expired, soonest first, at most `countMax` and at most 64 at a time. */
  expire(nowMs: number, countMax = EXPIRED_COUNT_MAX): number[] {
    if (!isWord(countMax)) throw new RangeError(`Cannot expire ${countMax} items: expected a whole number ≥ 0`);
    const count = this.#exports.fairQueueExpire(this.#base, nowMs, countMax);
    if (count < 0) refuseTime(nowMs);
    return [...this.#outFloat.subarray(2, 2 + count)];
  }

  flowLength(flowIndex: number): number {
    const length = isWord(flowIndex) ? this.#exports.fairQueueFlowLength(this.#base, flowIndex) : REFUSED_FLOW;
    return length >= 0 ? length : refuseFlow(flowIndex);
  }

  classLength(classIndex: number): number {
    const length = isWord(classIndex) ? this.#exports.fairQueueClassLength(this.#base, classIndex) : -1;
    if (length < 0) throw new RangeError(`Cannot measure class ${classIndex}: it is none, expected a class of the queue`);
    return length;
  }

  /** The cost that is served at most before an item pushed now to the end of this flow, if nothing else is pushed. */
  costAhead(flowIndex: number): number {
    const cost = isWord(flowIndex) ? this.#exports.fairQueueCostAhead(this.#base, flowIndex) : REFUSED_FLOW;
    return cost >= 0 ? cost : refuseFlow(flowIndex);
  }
}

// The kernel takes 32 bits; what JavaScript would silently fold into them is refused here.
function isWord(value: number): boolean {
  return value >>> 0 === value;
}

function refuseTime(nowMs: number): never {
  throw new RangeError(`Cannot take items at ${nowMs} ms: expected a whole number from 0 to 2⁵³ - 1`);
}

function refuseFlow(flowIndex: number): never {
  throw new RangeError(`Cannot measure flow ${flowIndex}: it is not open, expected an open flow`);
}
