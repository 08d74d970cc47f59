/** How often the same may be done to the same: each time the pause doubles. Pure; the oldest are forgotten beyond `countMax`. */
export class Backoff {
  readonly #pauseMs: number;
  readonly #pauseMsMax: number;
  readonly #countMax: number;
  readonly #done = new Map<string, { readonly atMs: number; readonly pauseMs: number }>();

  constructor({ pauseMs, pauseMsMax, countMax }: { pauseMs: number; pauseMsMax: number; countMax: number }) {
    this.#pauseMs = pauseMs;
    this.#pauseMsMax = pauseMsMax;
    this.#countMax = countMax;
  }

  isOver(key: string, nowMs: number): boolean {
    const done = this.#done.get(key);
    return done === undefined || nowMs - done.atMs >= done.pauseMs;
  }

  note(key: string, nowMs: number): void {
    const before = this.#done.get(key);
    const pauseMs = before === undefined ? this.#pauseMs : Math.min(2 * before.pauseMs, this.#pauseMsMax);
    this.#done.delete(key);
    this.#done.set(key, { atMs: nowMs, pauseMs });
    const [oldest] = this.#done.keys();
    if (oldest !== undefined && this.#done.size > this.#countMax) this.#done.delete(oldest);
  }
}
