// Endpoints that refused this isolate a connection: nobody listens there. Each is closed for a moment, twice as long every time in a
// row; then requests find out. Pure.
import { SECOND_MS } from "#shared/units.ts";

const CLOSED_MS_FIRST = SECOND_MS;
const CLOSED_MS_MAX = 8 * SECOND_MS;

interface Closed {
  readonly forMs: number;
  /** Infinity: it may be tried again. */
  readonly untilMs: number;
}

export class RefusedLanes {
  readonly #lanes = new Map<string, Closed>();
  #opensAtMs = Infinity;

  isClosed(lane: string): boolean {
    return (this.#lanes.get(lane)?.untilMs ?? Infinity) < Infinity;
  }

  refuse(lane: string, nowMs: number): void {
    const before = this.#lanes.get(lane);
    // What was on its way when it was closed says nothing new.
    if (before !== undefined && before.untilMs < Infinity) return;
    const forMs = before === undefined ? CLOSED_MS_FIRST : Math.min(CLOSED_MS_MAX, 2 * before.forMs);
    this.#lanes.set(lane, { forMs, untilMs: nowMs + forMs });
    this.#opensAtMs = Math.min(this.#opensAtMs, nowMs + forMs);
  }

  /** It accepts connections. */
  answered(lane: string): void {
    this.#lanes.delete(lane);
  }

  /** Whether there are lanes to be opened. Also where the clock was set back: too early costs one request. */
  isDue(nowMs: number): boolean {
    return this.#opensAtMs < Infinity && (nowMs >= this.#opensAtMs || nowMs < this.#opensAtMs - CLOSED_MS_MAX);
  }

  /** Lanes that may be tried again from now on. */
  takeOpen(nowMs: number): readonly string[] {
    const open: string[] = [];
    this.#opensAtMs = Infinity;
    for (const [lane, { forMs, untilMs }] of this.#lanes) {
      if (untilMs <= nowMs || untilMs - nowMs > CLOSED_MS_MAX) {
        if (untilMs < Infinity) open.push(lane);
        this.#lanes.set(lane, { forMs, untilMs: Infinity });
      } else this.#opensAtMs = Math.min(this.#opensAtMs, untilMs);
    }
    return open;
  }

  /** Those that are not among them are forgotten. */
  keep(lanes: readonly string[]): void {
    for (const lane of this.#lanes.keys()) if (!lanes.includes(lane)) this.#lanes.delete(lane);
  }
}
