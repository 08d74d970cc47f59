// The seasonal core on an hourly grid, training-free: a mixture of regressions under hand-written priors, smoothers and
// the day before, weighed by what each said about the last days. Mathematics and figures: docs/design/forecasting.md.
import { EXPERT_COUNT, Experts } from "./experts.ts";
import { Judged } from "./judged.ts";
import { DAY, HORIZON_MAX, INTERVAL, ISSUE_EVERY, JUDGED, VALUE_MAX } from "./settings.ts";

/** Half a width in logs; e³⁰ is more than any margin that could be used. */
const HALF_MAX = 30;

export class SeasonalForecasterReference {
  readonly #experts = new Experts();
  readonly #judged = new Judged();
  /** After `forecast`: the coming steps. Overwritten by the next call, and by `observe`. */
  readonly mean = new Float64Array(HORIZON_MAX);
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  readonly #scales = new Float64Array(HORIZON_MAX);

  /** The next hour's value, or NaN where it is missing. A negative one is taken as 0, one above VALUE_MAX as that. */
  observe(value: number): void {
    const experts = this.#experts;
    const { hour } = experts;
    const isKnown = Number.isFinite(value);
    const seen = isKnown ? Math.min(VALUE_MAX, Math.max(0, value)) : this.#imputed(hour);
    // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
    if (isKnown) this.#judged.observe(hour, seen);
    experts.observe(seen);
    if (experts.hour % ISSUE_EVERY !== 0 || experts.hour < DAY) return;
    experts.solve({ isKept: true });
    this.#mix(JUDGED);
    this.#judged.issue(experts.hour, experts.forecasts, this.mean);
  }

  #imputed(hour: number): number {
    const expected = this.#judged.expected(hour);
    if (!Number.isNaN(expected)) return expected;
    this.#mix(1);
    return this.mean[0]!;
  }

  /** Fills `mean`, `lower` and `upper` (95 %) for the coming `horizon` hours. Throws RangeError beyond HORIZON_MAX. */
  forecast(horizon: number): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    this.#experts.solve({ isKept: false });
    this.#mix(horizon);
    this.#judged.scalesInto(this.#scales, horizon, this.#experts.hour);
    for (let step = 0; step < horizon; step += 1) {
      const mean = this.mean[step]!;
      const half = Math.min(HALF_MAX, INTERVAL.half * this.#scales[step]!);
      this.lower[step] = Math.max(0, Math.min(mean, Math.expm1(Math.log1p(mean) - half)));
      this.upper[step] = Math.max(mean, Math.expm1(Math.log1p(mean) + half));
    }
  }

  #mix(horizon: number): void {
    this.#judged.weigh();
    this.#experts.forecast(horizon);
    const { forecasts } = this.#experts;
    const { weights } = this.#judged;
    for (let step = 0; step < horizon; step += 1) {
      let sum = 0;
      for (let expert = 0; expert < EXPERT_COUNT; expert += 1) sum += weights[expert]! * forecasts[expert * HORIZON_MAX + step]!;
      this.mean[step] = sum;
    }
  }
}
