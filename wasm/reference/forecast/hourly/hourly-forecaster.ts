// The seasonal core on an hourly grid: one pool of experts, a mixture of those with hand-written priors, one of those with
// learned priors that a small net corrects, and the choice between them. Mathematics: docs/design/forecasting.md.
import { exponentialLessOne, logOnePlus } from "../elementary.ts";
import type { LearnedConstants } from "./constants.ts";
import { Experts } from "./experts.ts";
import { Judged } from "./judged.ts";
import { Mixture } from "./mixture.ts";
import { Column, HAND_LOG, HAND_RAW, LEARNED, PRIOR_FREE, SMOOTHERS } from "./pool.ts";
import { DAY, HALF_MAX, HORIZON_MAX, ISSUE_EVERY, JUDGED, VALUE_MAX } from "./settings.ts";

/** "auto": whichever has lost least of late. */
export type Variant = "auto" | "learned" | "prior-free";

export class HourlyForecasterReference {
  /** After `forecast`: the coming steps. Overwritten by the next call, and by `observe`. */
  readonly mean = new Float64Array(HORIZON_MAX);
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  readonly #experts: Experts;
  readonly #judged = new Judged(Column.count, Column.learned);
  readonly #priorFree = new Mixture(PRIOR_FREE, Column.priorFree);
  readonly #learned = new Mixture(LEARNED, Column.learned);
  /** Column-major, HORIZON_MAX steps each: the experts', then the mixtures', as log1p. */
  readonly #columns = new Float64Array(Column.count * HORIZON_MAX);
  readonly #scales = new Float64Array(HORIZON_MAX);

  constructor({ log, raw }: LearnedConstants) {
    this.#experts = new Experts({ logPriors: [log, HAND_LOG], rawPriors: [raw, HAND_RAW], smoothers: SMOOTHERS });
  }

  /** The next hour's value, or NaN where it is missing. A negative one is taken as 0, one above VALUE_MAX as that. */
  observe(value: number): void {
    const experts = this.#experts;
    const isKnown = Number.isFinite(value);
    const seen = isKnown ? Math.min(VALUE_MAX, Math.max(0, value)) : this.#imputed();
    // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
    if (isKnown) this.#judged.observe(experts.hour, logOnePlus(seen));
    experts.observe(seen);
    if (experts.hour % ISSUE_EVERY !== 0 || experts.hour < DAY) return;
    experts.solve({ isKept: true });
    this.#mix(JUDGED);
    this.#judged.issue(experts.hour, this.#columns);
  }

  #imputed(): number {
    const expected = this.#judged.expected(this.#chosen().column, this.#experts.hour);
    return exponentialLessOne(Number.isNaN(expected) ? this.#experts.seen(1) : expected);
  }

  /** Fills `mean`, `lower` and `upper` (95 %) for the coming `horizon` hours. Throws RangeError beyond HORIZON_MAX. */
  forecast(horizon: number, variant: Variant = "auto"): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    this.#experts.solve({ isKept: false });
    this.#mix(horizon);
    const mixture = variant === "auto" ? this.#chosen() : variant === "learned" ? this.#learned : this.#priorFree;
    mixture.scalesInto(this.#scales, horizon, { judged: this.#judged, hour: this.#experts.hour });
    for (let step = 0; step < horizon; step += 1) {
      const log = this.#columns[mixture.column * HORIZON_MAX + step]!;
      const half = Math.min(HALF_MAX, mixture.spec.half * this.#scales[step]!);
      this.mean[step] = exponentialLessOne(log);
      this.lower[step] = Math.max(0, exponentialLessOne(log - half));
      this.upper[step] = exponentialLessOne(log + half);
    }
  }

  #chosen(): Mixture {
    return this.#learned;
  }

  #mix(horizon: number): void {
    this.#experts.forecast(horizon);
    this.#columns.set(this.#experts.forecasts);
    for (const mixture of [this.#priorFree, this.#learned]) {
      mixture.weigh(this.#judged);
      mixture.mix(this.#columns, horizon);
    }
  }
}
