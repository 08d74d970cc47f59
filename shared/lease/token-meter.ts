// How many tokens of a rate a holder asks for: what it will spend until its next renewal, from what it spent and lacked.

/** Above the mean by so much, so that chance does not end in a call. */
const HEADROOM = 1.25;
/** Fewer are not worth holding: they would lie here while another needs them. The object is asked for each instead. */
const TOKENS_MIN = 4;
/** How much an interval counts in the average. */
const GAIN = 0.5;

export class TokenMeter {
  #spent = 0;
  #lacked = 0;
  #perMs = 0;

  spend(count: number): void {
    this.#spent += count;
  }

  /** Asked of the object, or waited for, because there were none here. */
  lack(count: number): void {
    this.#lacked += count;
  }

  /** For the next `horizonMs`, from the last `elapsedMs`. */
  want({ elapsedMs, horizonMs }: { elapsedMs: number; horizonMs: number }): number {
    const perMs = (this.#spent + this.#lacked) / Math.max(1, elapsedMs);
    this.#spent = 0;
    this.#lacked = 0;
    this.#perMs += GAIN * (perMs - this.#perMs);
    const want = Math.ceil(Math.max(perMs, this.#perMs) * horizonMs * HEADROOM);
    return want < TOKENS_MIN ? 0 : want;
  }
}
