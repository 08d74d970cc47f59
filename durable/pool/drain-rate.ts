// How fast a queue is served, and so how long so many will take: requests per millisecond, as an average over seconds
// that forgets. Pure; an estimate for Retry-After and for refusing early, never a promise.

/** Shorter says nothing. */
const PERIOD_MS = 200;
/** A new period counts so much. */
const GAIN = 0.3;
/** After so many periods in which nobody was served nothing is known any more. */
const EMPTY_PERIODS_MAX = 50;
/** Of a queue that began less than this ago: slots that lie idle at isolates, or in another region, are still on their way back to it. */
const BEGUN_MS = 1_000;

export class DrainRate {
  #perMs: number | null = null;
  #count = 0;
  #sinceMs: number | null = null;
  #emptyPeriods = 0;
  /** Since when somebody waits, at `#nowMs`; null: nobody does. */
  #waitingSinceMs: number | null = null;
  #nowMs = 0;

  served(): void {
    this.#count += 1;
  }

  /** Time in which nobody waits says nothing about how fast those are served who do. */
  tick(nowMs: number, isWaiting: boolean): void {
    this.#nowMs = nowMs;
    if (!isWaiting || this.#sinceMs === null || nowMs < this.#sinceMs) {
      this.#waitingSinceMs = isWaiting ? nowMs : null;
      this.#sinceMs = isWaiting ? nowMs : null;
      this.#count = 0;
      return;
    }
    if (nowMs - this.#sinceMs < PERIOD_MS) return;
    const perMs = this.#count / (nowMs - this.#sinceMs);
    this.#emptyPeriods = this.#count === 0 ? this.#emptyPeriods + 1 : 0;
    if (this.#emptyPeriods > EMPTY_PERIODS_MAX) this.#perMs = null;
    else this.#perMs = this.#perMs === null ? perMs : this.#perMs + GAIN * (perMs - this.#perMs);
    this.#count = 0;
    this.#sinceMs = nowMs;
  }

  /** The queue stands long enough for its pace to be the one that stays. */
  get isSettled(): boolean {
    return this.#waitingSinceMs !== null && this.#nowMs - this.#waitingSinceMs >= BEGUN_MS;
  }

  /** Null: unknown. */
  msFor(count: number): number | null {
    return this.#perMs === null || this.#perMs === 0 ? null : count / this.#perMs;
  }
}
