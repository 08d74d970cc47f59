// The seasonal core on an hourly grid, training-free: a mixture of regressions under hand-written priors, smoothers and
// the day before, weighed by what each said about the last days. Mathematics and figures: docs/design/forecasting.md.
import { DAY_AND_WEEK, HORIZON_MAX, seasonalModel, VALUE_MAX, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { halfWidth } from "#shared/forecast/interval-level.ts";
import { exponentialLessOne, logOnePlus } from "./elementary.ts";
import { Experts } from "./experts.ts";
import { Judged } from "./judged.ts";

/** Half a width in logs; e³⁰ is more than any margin that could be used. */
const HALF_MAX = 30;

export class SeasonalForecasterReference {
  readonly #model: SeasonalModel;
  readonly #experts: Experts;
  readonly #judged: Judged;
  /** After `forecast`: the coming steps. Overwritten by the next call, and by `observe`. */
  readonly mean = new Float64Array(HORIZON_MAX);
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  /** The expected absolute error of ln(1 + value). */
  readonly scale = new Float64Array(HORIZON_MAX);

  constructor(model: SeasonalModel = seasonalModel(DAY_AND_WEEK)) {
    this.#model = model;
    this.#experts = new Experts(model);
    this.#judged = new Judged(model);
  }

  /** The next hour's value, or NaN where it is missing. A negative one is taken as 0, one above VALUE_MAX as that. */
  observe(value: number): void {
    const experts = this.#experts;
    const { hour } = experts;
    const { issueEvery, day } = this.#model;
    const isKnown = Number.isFinite(value);
    const seen = isKnown ? Math.min(VALUE_MAX, Math.max(0, value)) : this.#imputed(hour);
    // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
    if (isKnown) this.#judged.observe(hour, seen);
    experts.observe(seen);
    if (experts.hour % issueEvery !== 0 || experts.hour < day) return;
    experts.solve({ isKept: true });
    this.#mix(4 * issueEvery);
    this.#judged.issue(experts.hour, experts.forecasts, this.mean);
  }

  #imputed(hour: number): number {
    const expected = this.#judged.expected(hour);
    return Number.isNaN(expected) ? this.#experts.repeated(0) : expected;
  }

  /** Fills `mean`, `lower`, `upper` (`level` percent) and `scale` for the coming `horizon` hours. Throws RangeError beyond HORIZON_MAX. */
  forecast(horizon: number, level = 95): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    const width = halfWidth(level);
    this.#experts.solve({ isKept: false });
    this.#mix(horizon);
    this.#judged.scalesInto(this.scale, horizon, this.#experts.hour);
    for (let step = 0; step < horizon; step += 1) {
      const mean = this.mean[step]!;
      const half = Math.min(HALF_MAX, width * this.scale[step]!);
      this.lower[step] = Math.max(0, Math.min(mean, exponentialLessOne(logOnePlus(mean) - half)));
      this.upper[step] = Math.max(mean, exponentialLessOne(logOnePlus(mean) + half));
    }
  }

  #mix(horizon: number): void {
    this.#judged.weigh();
    this.#experts.forecast(horizon);
    const { forecasts } = this.#experts;
    const { weights } = this.#judged;
    for (let step = 0; step < horizon; step += 1) {
      let sum = 0;
      for (let expert = 0; expert < this.#experts.count; expert += 1) sum += weights[expert]! * forecasts[expert * HORIZON_MAX + step]!;
      this.mean[step] = sum;
    }
  }
}
