// The last values of one scale of the series, and its extremes.
import { HORIZON_MAX, HOURS, REGRESSION } from "./settings.ts";

export class Lags {
  /** The last `lagMax` values, oldest first, then room for a forecast's steps. */
  readonly window: Float32Array;
  least = Infinity;
  most = -Infinity;
  readonly #lagMax: number;

  constructor({ lagMax } = HOURS) {
    this.#lagMax = lagMax;
    this.window = new Float32Array(lagMax + HORIZON_MAX);
  }

  observe(value: number): void {
    this.window.copyWithin(0, 1, this.#lagMax);
    this.window[this.#lagMax - 1] = value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
  }

  /** The value `lag` hours before the hour that is `step` steps ahead (0: the next one). */
  at(lag: number, step: number): number {
    return this.window[this.#lagMax + step - lag]!;
  }

  /** Clamps a forecast's step to the range of the history, keeps it for the steps after it, and returns it. */
  suppose(step: number, value: number): number {
    const slack = REGRESSION.clampRatio * (this.most - this.least);
    const kept = Math.min(this.most + slack, Math.max(this.least - slack, value));
    this.window[this.#lagMax + step] = kept;
    return kept;
  }
}
