/**
 * At most so many messages per second in the mean, and so many at once: the generic cell rate algorithm (ITU-T I.371), which keeps one
 * number. Lost with the instance, which sleeps only where nothing came for seconds.
 */
export class MessageRate {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  /** When the next message would be due if all came evenly. */
  #dueAtMs = 0;

  /** `burst` ≥ 1. */
  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#intervalMs = 1_000 / perSecond;
    this.#toleranceMs = (burst - 1) * this.#intervalMs;
  }

  /** False: that was one too many, and is not counted. */
  take(nowMs: number): boolean {
    const dueAtMs = Math.max(this.#dueAtMs, nowMs);
    if (dueAtMs - nowMs > this.#toleranceMs) return false;
    this.#dueAtMs = dueAtMs + this.#intervalMs;
    return true;
  }
}
