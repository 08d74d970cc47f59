// The twin of the seasonal kernel, for any model: a pool of experts, run once, and the mixtures of it side by side.
import { widthRatio } from "#shared/forecast/interval-level.ts";
import type { RegressionPrior, SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { exponentialLessOne, logOnePlus } from "./elementary.ts";
import { Experts } from "./hourly/experts.ts";
import { Judged } from "./hourly/judged.ts";
import { Mixture } from "./hourly/mixture.ts";
import type { Prior } from "./hourly/prior.ts";
import { DAILY_COUNT, HALF_MAX, HORIZON_MAX, VALUE_MAX } from "./hourly/settings.ts";
import { triangleSize } from "./hourly/triangle.ts";

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

  constructor(model: SeasonalModel) {
    const { priors, smoothers, lags, mixtures } = model;
    const grid = { ...model, logLags: lags.log, rawLags: lags.raw };
    this.#model = model;
    this.#experts = new Experts({ logPriors: priors.log.map(flatPrior), rawPriors: priors.raw.map(flatPrior), smoothers }, grid);
    const { count } = this.#experts;
    this.#mixtures = mixtures.map((spec, index) => new Mixture(spec, count + index));
    this.#judged = new Judged(count + mixtures.length, count + mixtures.length - 1, grid);
    this.#columns = new Float64Array((count + mixtures.length) * HORIZON_MAX);
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

  /** Fills `mean`, `lower`, `upper` (`level` percent) and `scale` for the coming `horizon` slots. Throws RangeError beyond HORIZON_MAX. */
  forecast(horizon: number, { level = 95, mixture = this.bestMixture }: { readonly level?: number; readonly mixture?: number } = {}): void {
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= HORIZON_MAX))
      throw new RangeError(`Cannot forecast ${horizon} steps: expected a whole number from 1 to ${HORIZON_MAX}`);
    const chosen = this.#mixtures[mixture]!;
    const width = widthRatio(level) * chosen.spec.half;
    this.#experts.solve({ isKept: false });
    this.#mix(horizon);
    chosen.scalesInto(this.scale, horizon, { judged: this.#judged, hour: this.#experts.hour });
    for (let step = 0; step < horizon; step += 1) {
      const log = this.#columns[chosen.column * HORIZON_MAX + step]!;
      const half = Math.min(HALF_MAX, width * this.scale[step]!);
      this.mean[step] = exponentialLessOne(log);
      this.lower[step] = Math.max(0, Math.min(this.mean[step]!, exponentialLessOne(log - half)));
      this.upper[step] = Math.max(this.mean[step]!, exponentialLessOne(log + half));
    }
  }

  /** The mixture that has lost least over the last matured daily origins; the last before there is one, or where they are equal. */
  get bestMixture(): number {
    const losses = this.#mixtures.map(({ column }) => this.#judged.dailyLoss(column, DAILY_COUNT));
    const least = Math.min(...losses);
    return Number.isNaN(least) ? losses.length - 1 : losses.lastIndexOf(least);
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
