// The twin of the seasonal kernel where nothing was learned, for seasons of any length: a pool of experts, run once, a mixture of
// them, and what has lost least of late. With what was learned, of hours: hourly/hourly-forecaster.ts.
import { widthRatio } from "#shared/forecast/interval-level.ts";
import { YIELD_COUNT, type RegressionPrior, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { exponentialLessOne, logOnePlus } from "./elementary.ts";
import { errorScales } from "./hourly/error-scales.ts";
import { Experts } from "./hourly/experts.ts";
import { Judged } from "./hourly/judged.ts";
import { Mixture, weighByLoss } from "./hourly/mixture.ts";
import type { Prior } from "./hourly/prior.ts";
import { CHOICE_ETA, DAILY_COUNT, HALF_MAX, HORIZON_MAX, VALUE_MAX } from "./hourly/settings.ts";
import { triangleSize } from "./hourly/triangle.ts";

export interface ForecastRequest {
  /** In percent. */
  readonly level?: number;
  /** A place among the model's choices; all, weighed by loss, if not given. */
  readonly choice?: number;
}

export class SeasonalForecasterReference {
  /** After `forecast`: the coming steps. Overwritten by the next call, and by `observe`. */
  readonly mean = new Float64Array(HORIZON_MAX);
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  /** The expected absolute error of ln(1 + value). */
  readonly scale = new Float64Array(HORIZON_MAX);
  readonly #model: SeasonalModel;
  readonly #experts: Experts;
  readonly #judged: Judged;
  readonly #mixtures: readonly Mixture[];
  /** Column-major, HORIZON_MAX steps each: the experts', then the mixtures', as log1p. */
  readonly #columns: Float64Array;
  readonly #weights: Float64Array;

  constructor(model: SeasonalModel) {
    const { priors, smoothers, lags, mixtures, choices } = model;
    const grid = { ...model, logLags: lags.log, rawLags: lags.raw };
    this.#model = model;
    this.#experts = new Experts({ logPriors: priors.log.map(flatPrior), rawPriors: priors.raw.map(flatPrior), smoothers }, grid);
    const { count } = this.#experts;
    this.#mixtures = mixtures.map((spec, index) => new Mixture(spec, count + index));
    this.#judged = new Judged(count + mixtures.length, count + mixtures.length - 1, grid);
    this.#columns = new Float64Array((count + mixtures.length) * HORIZON_MAX);
    this.#weights = new Float64Array(choices.length);
  }

  /** The next slot's value, or NaN where it is missing. A negative one is taken as 0, one above VALUE_MAX as that. */
  observe(value: number): void {
    const experts = this.#experts;
    const { issueEvery, day } = this.#model;
    const isKnown = Number.isFinite(value);
    const seen = isKnown ? Math.min(VALUE_MAX, Math.max(0, value)) : this.#imputed();
    // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
    if (isKnown) this.#judged.observe(experts.hour, logOnePlus(seen));
    experts.observe(seen);
    if (experts.hour % issueEvery !== 0 || experts.hour < day) return;
    experts.solve({ isKept: true });
    this.#mix(this.#judged.steps);
    this.#judged.issue(experts.hour, this.#columns);
  }

  #imputed(): number {
    const expected = this.#judged.expected(this.#judged.columnCount - 1, this.#experts.hour);
    return exponentialLessOne(Number.isNaN(expected) ? this.#experts.seen(1) : expected);
  }

  /** Fills `mean`, `lower`, `upper` and `scale` for the coming `horizon` slots. Throws RangeError beyond HORIZON_MAX. */
  forecast(horizon: number, { level = 95, choice }: ForecastRequest = {}): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    const ratio = widthRatio(level);
    this.#experts.solve({ isKept: false });
    this.#mix(horizon);
    this.#weighChoices(choice);
    const { choices } = this.#model;
    for (let step = 0; step < horizon; step += 1) {
      let sum = 0;
      for (const [index, { column }] of choices.entries()) sum += this.#weights[index]! * this.#columns[column * HORIZON_MAX + step]!;
      this.mean[step] = sum;
    }
    const { column, half } = choices[this.#weights.indexOf(Math.max(...this.#weights))]!;
    errorScales(this.scale, horizon, { judged: this.#judged, column, hour: this.#experts.hour });
    for (let step = 0; step < horizon; step += 1) {
      const margin = ratio * Math.min(HALF_MAX, half * this.scale[step]!);
      this.lower[step] = this.mean[step]! - margin;
      this.upper[step] = this.mean[step]! + margin;
    }
    for (let step = 0; step < horizon; step += 1) {
      this.mean[step] = Math.max(0, exponentialLessOne(this.mean[step]!));
      this.lower[step] = Math.min(this.mean[step]!, Math.max(0, exponentialLessOne(this.lower[step]!)));
      this.upper[step] = Math.max(this.mean[step]!, exponentialLessOne(this.upper[step]!));
    }
  }

  #weighChoices(choice: number | undefined): void {
    const { choices } = this.#model;
    const only = choice ?? this.#yieldedChoice();
    if (only !== undefined) {
      this.#weights.fill(0);
      this.#weights[only] = 1;
      return;
    }
    for (const [index, { column }] of choices.entries()) this.#weights[index] = this.#judged.dailyLoss(column, DAILY_COUNT);
    weighByLoss(
      this.#weights,
      choices.map(({ share }) => share),
      CHOICE_ETA,
    );
  }

  /** The only one to speak: until something has matured the first; the last value, where all mixtures have lost to it over a week. */
  #yieldedChoice(): number | undefined {
    const { count: expertCount } = this.#experts;
    const { choices } = this.#model;
    if (this.#judged.dailyCount === 0) return 0;
    if (this.#judged.dailyCount < YIELD_COUNT) return undefined;
    const last = this.#judged.dailyLoss(expertCount - 1, YIELD_COUNT);
    const yields = choices.every(({ column }) => column < expertCount || last < this.#judged.dailyLoss(column, YIELD_COUNT));
    return yields ? choices.findIndex(({ column }) => column === expertCount - 1) : undefined;
  }

  #mix(horizon: number): void {
    this.#experts.forecast(horizon);
    this.#columns.set(this.#experts.forecasts);
    for (const mixture of this.#mixtures) {
      mixture.weigh(this.#judged);
      mixture.mix(this.#columns, horizon);
    }
  }
}

function flatPrior({ features, kappa, clusters }: RegressionPrior): Prior {
  const order = features.length;
  const roots = clusters.map(({ root }) => (root.length === order ? diagonalTriangle(root) : root));
  return {
    order,
    clusterCount: clusters.length,
    features,
    logShares: Float64Array.from(clusters, ({ logShare }) => logShare),
    means: Float64Array.from(clusters.flatMap(({ means }) => means)),
    roots: Float64Array.from(roots.flat()),
    kappa,
  };
}

function diagonalTriangle(diagonal: readonly number[]): number[] {
  const triangle = Array.from({ length: triangleSize(diagonal.length) }, () => 0);
  for (const [row, entry] of diagonal.entries()) triangle[triangleSize(row + 1) - 1] = entry;
  return triangle;
}
