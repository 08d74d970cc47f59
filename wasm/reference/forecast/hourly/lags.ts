// The last values of one scale of the series, and its extremes.
import { HORIZON_MAX, LAG_MAX, REGRESSION } from "./settings.ts";

export class Lags {
  /** The last LAG_MAX values, oldest first, then room for a forecast's steps. */
  readonly window = new Float32Array(LAG_MAX + HORIZON_MAX);
  least = Infinity;
  most = -Infinity;

  observe(value: number): void {
    this.window.copyWithin(0, 1, LAG_MAX);
    this.window[LAG_MAX - 1] = value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
  }

  /** The value `lag` hours before the hour that is `step` steps ahead (0: the next one). */
  at(lag: number, step: number): number {
    return this.window[LAG_MAX + step - lag]!;
  }

  /** Clamps a forecast's step to the range of the history, keeps it for the steps after it, and returns it. */
  suppose(step: number, value: number): number {
    const slack = REGRESSION.clampRatio * (this.most - this.least);
    const kept = Math.min(this.most + slack, Math.max(this.least - slack, value));
    this.window[LAG_MAX + step] = kept;
    return kept;
  }
}
