// How many tokens of a rate a holder asks for: what it will spend until its next renewal, from what it spent and lacked.

/** A holder renews at least so often while nothing is short. */
const HORIZON_MS = 3_500;
/** Above the mean by so much, so that chance does not end in a call. */
const HEADROOM = 1.25;
/** Of a smaller bucket nothing is lent: what lay idle at one holder would be missed at another. */
export const LENT_BURST_MIN = 32;
/** What a want is enough for, at the rate that was measured. */
export const TOKEN_WANT_MS = HORIZON_MS * HEADROOM;
/** From a shorter time no rate is told: two requests at once would look like many. */
const ELAPSED_MS_MIN = 1_000;
/** So many since the last renewal, which may be a moment ago, are wanted again so many times over. */
const BEGIN_COUNT_MIN = 4;
const BEGIN_FACTOR = 4;
/** Fewer are not worth holding: they would lie here while another needs them. The object is asked for each instead. */
const TOKENS_MIN = 4;
/** How much an interval counts in the average. */
const GAIN = 0.5;

export class TokenMeter {
  #spent = 0;
  #lacked = 0;
  #perMs = 0;
  #elapsedMs = 0;

  spend(count: number): void {
    this.#spent += count;
  }

  /** Asked of the object, or waited for, because there were none here. */
  lack(count: number): void {
    this.#lacked += count;
  }

  /** Until the renewal after the next, from what happened since the last time it was asked. */
  want(elapsedMs: number): number {
    this.#elapsedMs += elapsedMs;
    const count = this.#spent + this.#lacked;
    if (this.#elapsedMs >= ELAPSED_MS_MIN) {
      const perMs = count / this.#elapsedMs;
      this.#spent = 0;
      this.#lacked = 0;
      this.#elapsedMs = 0;
      this.#perMs = Math.max(perMs, this.#perMs + GAIN * (perMs - this.#perMs));
    }
    const want = Math.ceil(this.#perMs * TOKEN_WANT_MS);
    // A flow that begins is many requests before it is a rate.
    if (want < count * BEGIN_FACTOR && count >= BEGIN_COUNT_MIN) return count * BEGIN_FACTOR;
    return want < TOKENS_MIN ? 0 : want;
  }
}
