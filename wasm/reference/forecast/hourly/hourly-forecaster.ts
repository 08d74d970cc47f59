// The seasonal core on an hourly grid: one pool of experts, a mixture of those with hand-written priors, one of those with
// learned priors that small nets correct, and what has lost least of late. Mathematics: docs/design/forecasting.md.
import { exponentialLessOne, logOnePlus } from "../elementary.ts";
import type { LearnedConstants } from "./constants.ts";
import { Correction } from "./correction.ts";
import { errorScales } from "./error-scales.ts";
import { Experts } from "./experts.ts";
import { Judged } from "./judged.ts";
import { Mixture, weighByLoss } from "./mixture.ts";
import type { Situation } from "./net-inputs.ts";
import { CHOICES, Column, HAND_LOG, HAND_RAW, LEARNED, PRIOR_FREE, SMOOTHERS } from "./pool.ts";
import {
  CHOICE_ETA,
  CORRECT_FROM,
  DAILY_COUNT,
  DAY,
  HALF_MAX,
  HORIZON_MAX,
  ISSUE_EVERY,
  JUDGED,
  LAG_MAX,
  VALUE_MAX,
  WEEK,
  YIELD_COUNT,
} from "./settings.ts";

/** "auto": all of CHOICES, weighed by what each has lost of late. */
export type Variant = "auto" | "learned" | "prior-free";

const ONLY: Readonly<Record<Exclude<Variant, "auto">, number>> = { learned: Column.corrected, "prior-free": Column.priorFree };

export class HourlyForecasterReference {
  /** After `forecast`: the coming steps. Overwritten by the next call, and by `observe`. */
  readonly mean = new Float64Array(HORIZON_MAX);
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  /** The expected absolute error of ln(1 + value). */
  readonly scale = new Float64Array(HORIZON_MAX);
  /** In the order of CHOICES. */
  readonly choiceWeights = new Float64Array(CHOICES.length);
  readonly #experts: Experts;
  readonly #judged = new Judged(Column.count, Column.learned);
  readonly #priorFree = new Mixture(PRIOR_FREE, Column.priorFree);
  readonly #learned = new Mixture(LEARNED, Column.learned);
  readonly #correction: Correction | null;
  /** Column-major, HORIZON_MAX steps each: the experts', then the mixtures', as log1p. */
  readonly #columns = new Float64Array(Column.count * HORIZON_MAX);
  readonly #scales = new Float64Array(HORIZON_MAX);

  constructor({ log, raw, net }: LearnedConstants) {
    this.#correction = net === null ? null : new Correction(net);
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
    // Only daily origins judge the corrected column.
    this.#mix(JUDGED, { isCorrected: experts.hour % DAY === 0 });
    this.#judged.issue(experts.hour, this.#columns);
  }

  #imputed(): number {
    const expected = this.#judged.expected(Column.corrected, this.#experts.hour);
    return exponentialLessOne(Number.isNaN(expected) ? this.#experts.seen(1) : expected);
  }

  /**
   * Fills `mean`, `lower`, `upper` and `scale` for the coming `horizon` hours; the interval is `ratio` times as wide in logs as that of 95 %.
   * Throws RangeError beyond HORIZON_MAX.
   */
  forecast(horizon: number, variant: Variant = "auto", ratio = 1): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    this.#experts.solve({ isKept: false });
    this.#mix(horizon, { isCorrected: true });
    this.#weighChoices(variant);
    for (let step = 0; step < horizon; step += 1) {
      let sum = 0;
      for (let choice = 0; choice < CHOICES.length; choice += 1)
        sum += this.choiceWeights[choice]! * this.#columns[CHOICES[choice]!.column * HORIZON_MAX + step]!;
      this.mean[step] = sum;
    }
    this.#addMargins(horizon, ratio);
    for (let step = 0; step < horizon; step += 1) {
      this.mean[step] = Math.max(0, exponentialLessOne(this.mean[step]!));
      this.lower[step] = Math.min(this.mean[step]!, Math.max(0, exponentialLessOne(this.lower[step]!)));
      this.upper[step] = Math.max(this.mean[step]!, exponentialLessOne(this.upper[step]!));
    }
  }

  #weighChoices(variant: Variant): void {
    // Until something has matured, the first is all there is to say.
    if (variant !== "auto" || this.#judged.dailyCount === 0) {
      const only = variant === "auto" ? CHOICES[0]!.column : ONLY[variant];
      for (let choice = 0; choice < CHOICES.length; choice += 1) this.choiceWeights[choice] = CHOICES[choice]!.column === only ? 1 : 0;
      return;
    }
    for (let choice = 0; choice < CHOICES.length; choice += 1)
      this.choiceWeights[choice] = this.#judged.dailyLoss(CHOICES[choice]!.column, DAILY_COUNT);
    if (this.#yields()) {
      for (let choice = 0; choice < CHOICES.length; choice += 1)
        this.choiceWeights[choice] = CHOICES[choice]!.column === Column.last ? 1 : 0;
      return;
    }
    weighByLoss(
      this.choiceWeights,
      CHOICES.map(({ share }) => share),
      CHOICE_ETA,
    );
  }

  /** The interval of the heaviest choice, in logs, moved to the mean of all: averaged, the worse ones would widen the better. */
  #addMargins(horizon: number, ratio: number): void {
    let heaviest = 0;
    for (let choice = 1; choice < CHOICES.length; choice += 1)
      if (this.choiceWeights[choice]! > this.choiceWeights[heaviest]!) heaviest = choice;
    const { column, half } = CHOICES[heaviest]!;
    const correction = column === Column.corrected && this.#isCorrecting() ? this.#correction : null;
    errorScales(this.scale, horizon, { judged: this.#judged, column, hour: this.#experts.hour });
    for (let step = 0; step < horizon; step += 1) {
      const log = this.#columns[column * HORIZON_MAX + step]!;
      const margin = Math.min(HALF_MAX, half * this.scale[step]!);
      this.lower[step] = this.mean[step]! - ratio * (correction === null ? margin : log - correction.lower[step]!);
      this.upper[step] = this.mean[step]! + ratio * (correction === null ? margin : correction.upper[step]! - log);
    }
  }

  /** What has lost to the last value over a week leaves it the word. */
  #yields(): boolean {
    const judged = this.#judged;
    if (judged.dailyCount < YIELD_COUNT) return false;
    const last = judged.dailyLoss(Column.last, YIELD_COUNT);
    return last < judged.dailyLoss(Column.corrected, YIELD_COUNT) && last < judged.dailyLoss(Column.priorFree, YIELD_COUNT);
  }

  #isCorrecting(): boolean {
    return this.#correction !== null && this.#experts.hour >= CORRECT_FROM;
  }

  #mix(horizon: number, { isCorrected }: { readonly isCorrected: boolean }): void {
    this.#experts.forecast(horizon);
    this.#columns.set(this.#experts.forecasts);
    for (const mixture of [this.#priorFree, this.#learned]) {
      mixture.weigh(this.#judged);
      mixture.mix(this.#columns, horizon);
    }
    errorScales(this.#scales, horizon, { judged: this.#judged, column: Column.learned, hour: this.#experts.hour });
    if (isCorrected && this.#isCorrecting()) this.#correction!.correct(this.situation(), horizon);
    else this.#columns.copyWithin(Column.corrected * HORIZON_MAX, Column.learned * HORIZON_MAX, Column.learned * HORIZON_MAX + horizon);
  }

  /**
   * What this service tells a young one: its weights of the learned prior's clusters, as its data alone say under the shares that were learned; null
   * before a week was learned from.
   */
  clusterWeights(): Float64Array | null {
    const { hour, logRegressions, logMoments } = this.#experts;
    const regression = logRegressions[0]!;
    if (hour < LAG_MAX + WEEK) return null;
    const believed = regression.logShares.slice();
    regression.logShares.set(regression.prior.logShares);
    regression.solve(logMoments, { isKept: false });
    regression.logShares.set(believed);
    return regression.weights.slice();
  }

  /** Believes these shares of the learned prior's clusters from the next solve on. */
  setShares(shares: readonly number[]): void {
    this.#experts.logRegressions[0]!.logShares.set(shares.map(Math.log));
  }

  /** What the nets are told from, as the last forecast left it: for their training. */
  situation(): Situation {
    return { experts: this.#experts, judged: this.#judged, columns: this.#columns, scales: this.#scales };
  }
}
