// The flows of a Shard object of which something waits, is held, or is to be told. Pure. What a call costs is what has changed since the last
// one, or is due, not what is here: each flow is known by what it was when it last changed. Time alone changes nothing but what is due.
import { DueTimes } from "#durable/lease/due-times.ts";
import type { Lane } from "./lane.ts";
import type { PacedFlow } from "./paced-flow.ts";

/** Something waits for credit, or soon will. */
const HUNGRY = 1;
const TIMED = 2;
const WAITING = 4;

export class ActiveFlows implements Iterable<PacedFlow> {
  /** And which of the above each was when it was last looked at, as bits. */
  readonly #flows = new Map<PacedFlow, number>();
  /** Since the last step. */
  readonly #changed = new Set<PacedFlow>();
  /** How many are so, by bit. */
  readonly #counts = { [HUNGRY]: 0, [TIMED]: 0, [WAITING]: 0 };
  readonly #blocked = new DueTimes<PacedFlow>();
  readonly #ending = new DueTimes<Lane>();

  get size(): number {
    return this.#flows.size;
  }

  [Symbol.iterator](): Iterator<PacedFlow> {
    return this.#flows.keys();
  }

  add(flow: PacedFlow): void {
    if (!this.#flows.has(flow)) this.#flows.set(flow, 0);
    this.#changed.add(flow);
  }

  /** It comes last when they take turns. */
  requeue(flow: PacedFlow): void {
    const bits = this.#flows.get(flow);
    if (bits === undefined) return;
    this.#flows.delete(flow);
    this.#flows.set(flow, bits);
  }

  delete(flow: PacedFlow): void {
    this.#mark(flow, 0);
    this.#flows.delete(flow);
    this.#changed.delete(flow);
    this.#blocked.delete(flow);
  }

  /** What it is by now is another. */
  touch(flow: PacedFlow): void {
    if (this.#flows.has(flow)) this.#changed.add(flow);
  }

  /** From then on what waits in the lane is not waited for any more; Infinity: it is. */
  endAt(lane: Lane, atMs: number): void {
    this.#ending.put(lane, atMs);
  }

  /** The clock was set back by so long: what is to end then is to end by the new one. */
  setBack(ms: number): void {
    for (const lane of this.#ending.take(Infinity)) lane.setBack(ms);
  }

  /** What may go of those that have changed, or are due, goes. */
  step(nowMs: number): void {
    if (this.#ending.nextMs <= nowMs) for (const lane of this.#ending.take(nowMs)) lane.end();
    if (this.#blocked.nextMs <= nowMs) for (const flow of this.#blocked.take(nowMs)) this.#changed.add(flow);
    if (this.#changed.size === 0) return;
    const flows = [...this.#changed];
    for (const flow of flows) {
      flow.pump(nowMs);
      // What others that go bring about here from now on is the next step's.
      this.#changed.delete(flow);
    }
    for (const flow of flows) this.#learn(flow, nowMs);
  }

  /** What may go of any goes. */
  stepAll(nowMs: number): void {
    for (const flow of this) this.#changed.add(flow);
    this.step(nowMs);
  }

  /** All of them are others. */
  learnAll(nowMs: number): void {
    for (const flow of this) this.#learn(flow, nowMs);
  }

  /** When the next step has something to do of itself; Infinity: never. */
  dueAtMs(nowMs: number): number {
    this.#learnChanged(nowMs);
    return Math.min(this.#ending.nextMs, this.#blocked.nextMs);
  }

  /** Any of them is. */
  isHungry(nowMs: number): boolean {
    this.#learnChanged(nowMs);
    return this.#counts[HUNGRY] > 0;
  }

  isTimed(nowMs: number): boolean {
    this.#learnChanged(nowMs);
    return this.#counts[TIMED] > 0;
  }

  isWaiting(nowMs: number): boolean {
    this.#learnChanged(nowMs);
    return this.#counts[WAITING] > 0;
  }

  #learnChanged(nowMs: number): void {
    if (this.#changed.size === 0) return;
    for (const flow of this.#changed) this.#learn(flow, nowMs);
  }

  #learn(flow: PacedFlow, nowMs: number): void {
    this.#mark(flow, (flow.isShort || flow.isLow ? HUNGRY : 0) | (flow.pace.isTimed ? TIMED : 0) | (flow.isWaiting ? WAITING : 0));
    if (this.#flows.has(flow)) this.#blocked.put(flow, flow.blockedUntilMs(nowMs) ?? Infinity);
  }

  #mark(flow: PacedFlow, bits: number): void {
    const before = this.#flows.get(flow);
    if (before === undefined || before === bits) return;
    this.#flows.set(flow, bits);
    for (const bit of [HUNGRY, TIMED, WAITING] as const) this.#counts[bit] += Math.sign(bits & bit) - Math.sign(before & bit);
  }
}
