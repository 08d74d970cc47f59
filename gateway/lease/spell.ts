/** What holds for a while from a moment on, by an isolate's clock: where that is set back it is over, and does not last for as long as the step. */
export class Spell {
  #fromMs = Infinity;
  #untilMs = -Infinity;

  begin(forMs: number, nowMs: number): void {
    this.#fromMs = nowMs;
    this.#untilMs = nowMs + forMs;
  }

  /** 0: it is over. */
  leftMs(nowMs: number): number {
    return nowMs < this.#fromMs ? 0 : Math.max(0, this.#untilMs - nowMs);
  }
}
