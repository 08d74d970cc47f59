// Who waits in a pool for a slot, in which order: tickets over the fair queue's handles. A flow whose share is used up is
// held back in the queue, so the order among those that may go is the queue's alone.
import { countBy } from "#durable/lease/count-by.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { LIMITS, URGENCY_FIRST, URGENCY_LAST } from "#shared/limits.ts";
import { SECOND_MS } from "#shared/units.ts";
import { FairQueue, QUEUE_REFUSAL } from "#wasm/binding/fair-queue.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";

const QUEUE_LENGTH_MAX = 4_096;
/** Of one flow: beyond it the newest of the least urgent gives way. */
const FLOW_QUEUE_LENGTH_MAX = 1_024;
const FLOW_COUNT_MAX = 1_024;
/** Waiting so long is worth one step of urgency. */
const AGE_STEP_MS = SECOND_MS;
/** What the queue takes of an instance's memory, and some room. */
export const QUEUE_MEMORY_BYTES = 768 * 1_024;

export interface Ticket {
  readonly request: AcquireRequest;
  readonly arrivedAtMs: number;
  /** The ledger's time. */
  readonly arrivedAtLedgerMs: number;
}

interface WaitingFlow {
  readonly index: number;
  readonly className: string;
  isHeld: boolean;
  /** Waiting by urgency. */
  readonly byUrgency: Uint32Array;
  count: number;
}

export class WaitingLine {
  readonly #queue: FairQueue;
  readonly #flows = new Map<string, WaitingFlow>();
  readonly #tickets = new Map<number, Ticket>();
  readonly #handles = new Map<string, number>();
  /** As configured, highest first. */
  #weights: ReadonlyMap<string, number> = new Map();
  readonly #classIndex = new Map<string, number>();
  /** Waiting by class. */
  readonly #byClass = new Map<string, number>();

  constructor(kernels: Kernels) {
    this.#queue = new FairQueue(kernels, {
      itemCapacity: QUEUE_LENGTH_MAX,
      flowCapacity: FLOW_COUNT_MAX,
      classCapacity: LIMITS.classCountMax,
      ageStepMs: AGE_STEP_MS,
    });
  }

  get length(): number {
    return this.#tickets.size;
  }

  /** Flows in which somebody waits. */
  get flows(): Iterable<string> {
    return this.#flows.keys();
  }

  /** Whether it is so of some class in which somebody waits. */
  someClass(isSo: (className: string) => boolean): boolean {
    for (const className of this.#byClass.keys()) if (isSo(className)) return true;
    return false;
  }

  lengthOf(flow: string): number {
    return this.#flows.get(flow)?.count ?? 0;
  }

  /** Of those who wait now. */
  longestWaitMs(nowMs: number): number {
    let arrivedAtMs = nowMs;
    for (const ticket of this.#tickets.values()) arrivedAtMs = Math.min(arrivedAtMs, ticket.arrivedAtMs);
    return nowMs - arrivedAtMs;
  }

  has(slotId: string): boolean {
    return this.#handles.has(slotId);
  }

  ticket(slotId: string): Ticket | undefined {
    return this.#tickets.get(this.#handles.get(slotId) ?? -1);
  }

  /** Classes in their order; one that is gone keeps its place and its weight for those that still wait, until another one needs it. */
  configure(classes: readonly { readonly className: string; readonly weight: number }[]): void {
    this.#weights = new Map(classes.map(({ className, weight }) => [className, weight]));
    for (const { className, weight } of classes) {
      const index = this.#indexOf(className);
      if (index !== undefined) this.#queue.setClassWeight(index, weight);
    }
  }

  /** Null: it waits. Else why not, or whom it displaced. */
  push(
    ticket: Ticket,
    { className, weight }: { className: string; weight: number },
  ): { refused: "full" | "flow-full" } | { displaced: Ticket } | null {
    const { flow, urgency, slotId, waitMsMax } = ticket.request;
    const waiting = this.#open(flow, className, weight);
    if (waiting === null) return { refused: "full" };
    const item = { flowIndex: waiting.index, urgency, cost: 1, arrivalMs: ticket.arrivedAtMs, deadlineMs: ticket.arrivedAtMs + waitMsMax };
    const handle = this.#queue.push(item);
    if (handle < 0) {
      this.#closeIfEmpty(flow, waiting);
      return { refused: handle === QUEUE_REFUSAL.flowFull ? "flow-full" : "full" };
    }
    const displaced = this.#queue.evictedHandle < 0 ? undefined : this.#left(this.#queue.evictedHandle);
    this.#tickets.set(handle, ticket);
    this.#handles.set(slotId, handle);
    waiting.count += 1;
    countBy(this.#byClass, className, 1);
    waiting.byUrgency[urgency] = (waiting.byUrgency[urgency] ?? 0) + 1;
    return displaced === undefined ? null : { displaced };
  }

  remove(slotId: string): Ticket | undefined {
    const handle = this.#handles.get(slotId);
    if (handle === undefined || !this.#queue.remove(handle)) return undefined;
    return this.#left(handle);
  }

  /** Those whose deadline has come. */
  expire(nowMs: number): readonly Ticket[] {
    const expired: Ticket[] = [];
    for (let handles = this.#queue.expire(nowMs); handles.length > 0; handles = this.#queue.expire(nowMs)) {
      for (const handle of handles) {
        const ticket = this.#left(handle);
        if (ticket !== undefined) expired.push(ticket);
      }
    }
    return expired;
  }

  hold(flow: string, isHeld: boolean): void {
    const waiting = this.#flows.get(flow);
    if (waiting === undefined || waiting.isHeld === isHeld) return;
    waiting.isHeld = isHeld;
    this.#queue.hold(waiting.index, isHeld);
  }

  /** Takes out who goes next among the flows that are not held; undefined: nobody. What has expired is taken out first. */
  next(nowMs: number): Ticket | undefined {
    const handle = this.#queue.pop(nowMs);
    return handle < 0 ? undefined : this.#left(handle);
  }

  /** From which urgency on a newcomer finds no place: it is not more urgent than anybody in a full queue. Beyond the last: none. */
  refusedFrom(flow: string): number {
    const waiting = this.#flows.get(flow);
    if (waiting === undefined || waiting.count < FLOW_QUEUE_LENGTH_MAX) return URGENCY_LAST + 1;
    let last = URGENCY_LAST;
    while (last > URGENCY_FIRST && waiting.byUrgency[last] === 0) last -= 1;
    return last;
  }

  /** At most so many are served before a newcomer of this urgency, if nobody else comes; null: nobody waits in its flow. */
  aheadMax(flow: string, urgency: number): number | null {
    const waiting = this.#flows.get(flow);
    if (waiting === undefined) return null;
    let own = 0;
    for (let first = 0; first <= Math.min(urgency, URGENCY_LAST); first += 1) own += waiting.byUrgency[first] ?? 0;
    // The queue's bound is for the last of the flow; whoever is more urgent has that part of it before itself.
    return Math.ceil((this.#queue.costAhead(waiting.index) * (own + 1)) / (waiting.count + 1));
  }

  #open(flow: string, className: string, weight: number): WaitingFlow | null {
    const known = this.#flows.get(flow);
    if (known !== undefined) return known;
    const classIndex = this.#indexOf(className);
    if (classIndex === undefined) return null;
    if (this.#flows.size >= FLOW_COUNT_MAX) for (const [name, other] of this.#flows) this.#closeIfEmpty(name, other);
    const index = this.#queue.openFlow({ classIndex, weight, lengthMax: FLOW_QUEUE_LENGTH_MAX });
    if (index < 0) return null;
    const waiting = { index, className, isHeld: false, byUrgency: new Uint32Array(URGENCY_LAST + 1), count: 0 };
    this.#flows.set(flow, waiting);
    return waiting;
  }

  /** Undefined: it is none of the configuration's, or classes that are gone have all places, and somebody waits in each. */
  #indexOf(className: string): number | undefined {
    const known = this.#classIndex.get(className);
    const weight = this.#weights.get(className);
    if (known !== undefined || weight === undefined) return known;
    let index: number | undefined = this.#classIndex.size;
    if (index >= LIMITS.classCountMax) index = this.#takeGone();
    if (index === undefined) return undefined;
    this.#classIndex.set(className, index);
    this.#queue.setClassWeight(index, weight);
    return index;
  }

  #takeGone(): number | undefined {
    for (const [name, flow] of this.#flows) this.#closeIfEmpty(name, flow);
    const inUse = new Set([...this.#flows.values()].map(({ className }) => className));
    for (const [className, index] of this.#classIndex) {
      if (this.#weights.has(className) || inUse.has(className)) continue;
      this.#classIndex.delete(className);
      return index;
    }
    return undefined;
  }

  #left(handle: number): Ticket | undefined {
    const ticket = this.#tickets.get(handle);
    if (ticket === undefined) return undefined;
    const { flow, urgency, slotId } = ticket.request;
    this.#tickets.delete(handle);
    this.#handles.delete(slotId);
    const waiting = this.#flows.get(flow);
    if (waiting === undefined) return ticket;
    waiting.count -= 1;
    countBy(this.#byClass, waiting.className, -1);
    waiting.byUrgency[urgency] = (waiting.byUrgency[urgency] ?? 1) - 1;
    this.#closeIfEmpty(flow, waiting);
    return ticket;
  }

  /** A flow in debt keeps its place in the queue until others were served: its index is taken up again. */
  #closeIfEmpty(flow: string, waiting: WaitingFlow): void {
    if (waiting.count === 0 && this.#queue.closeFlow(waiting.index)) this.#flows.delete(flow);
  }
}
