import { BinaryHeap } from "#shared/binary-heap.ts";

interface PlannedEvent {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Events in virtual time, soonest first, those of one time in the order they were planned. */
export class EventClock {
  readonly #events = new BinaryHeap<PlannedEvent>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
  #order = 0;
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Whole milliseconds, as the clocks of the parts under test have them. */
  get wallMs(): number {
    return Math.floor(this.#nowMs);
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run });
  }

  /** Runs what is planned until then. */
  until(endMs: number): void {
    for (let next = this.#events.first; next !== undefined && next.atMs <= endMs; next = this.#events.first) {
      this.#events.pop();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Nothing runs for so long, as in a process that collects its garbage: what was due meanwhile runs afterwards, in its order. */
  stall(forMs: number): void {
    this.#nowMs += forMs;
  }
}
