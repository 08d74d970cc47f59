// An autoregression by empirical Bayes: discounted normal equations under a Gaussian prior on the coefficients, the
// series' own noise estimated with them (EM). After MacKay 1992, Bayesian interpolation (Neural Computation 4).
import { factor, solveFactored, traceOfInverse } from "./cholesky.ts";
import { LAG_MAX, REGRESSION, type RegressionSpec } from "./settings.ts";
import { PROFILE_COUNT_MAX, type Signal } from "./signal.ts";

export class Regression {
  readonly #spec: RegressionSpec;
  readonly #signal: Signal;
  readonly #order: number;
  /** Lower triangle, row-major: Σ discount × features featuresᵀ. */
  readonly #moments: Float64Array;
  readonly #cross: Float64Array;
  #square = 0;
  #count = 0;
  #variance = 0;
  readonly #coefficients: Float64Array;
  readonly #priorMeans: Float64Array;
  readonly #priorPrecisions: Float64Array;
  readonly #features: Float64Array;
  readonly #bracket: Float64Array;
  readonly #scratch: Float64Array;

  constructor(spec: RegressionSpec, signal: Signal) {
    const terms = [...spec.lagPriors, ...spec.profilePriors, spec.interceptPrior];
    const order = terms.length;
    this.#spec = spec;
    this.#signal = signal;
    this.#order = order;
    this.#moments = new Float64Array(order * order);
    this.#cross = new Float64Array(order);
    this.#priorMeans = Float64Array.from(terms, ({ mean }) => mean);
    this.#priorPrecisions = Float64Array.from(terms, ({ deviation }) => 1 / (deviation * deviation));
    this.#coefficients = this.#priorMeans.slice();
    this.#features = new Float64Array(spec.lags.length + PROFILE_COUNT_MAX + 1);
    this.#bracket = new Float64Array(order * order);
    this.#scratch = new Float64Array(order);
  }

  /** Learns that `value` followed; the signal has not seen it yet. */
  observe(value: number): void {
    const n = this.#order;
    const [features, moments, cross] = [this.#features, this.#moments, this.#cross];
    const keep = REGRESSION.forgetting;
    this.#describe(0);
    for (let row = 0; row < n; row += 1) {
      const feature = features[row]!;
      cross[row] = keep * cross[row]! + feature * value;
      for (let column = 0; column <= row; column += 1)
        moments[row * n + column] = keep * moments[row * n + column]! + feature * features[column]!;
    }
    this.#square = keep * this.#square + value * value;
    this.#count = keep * this.#count + 1;
  }

  /**
   * Finds the coefficients anew; where the numbers do not allow it, the last ones stay. Kept, the next solve goes on
   * from this one's noise: so the clock decides what is learned, and not how often somebody asks.
   */
  solve({ isKept }: { readonly isKept: boolean }): void {
    if (this.#count === 0) return;
    const before = this.#variance;
    const isFirst = this.#variance === 0;
    if (isFirst) this.#variance = Math.max(REGRESSION.varianceMin, (0.1 * this.#square) / this.#count);
    const rounds = isFirst ? REGRESSION.roundsFirst : REGRESSION.rounds;
    for (let round = 0; round < rounds; round += 1) if (!this.#refine()) break;
    if (!isKept) this.#variance = before;
  }

  #refine(): boolean {
    const n = this.#order;
    const [bracket, moments, cross, scratch] = [this.#bracket, this.#moments, this.#cross, this.#scratch];
    const trust = REGRESSION.kappa / this.#variance;
    for (let index = 0; index < n * n; index += 1) bracket[index] = trust * moments[index]!;
    for (let row = 0; row < n; row += 1) {
      const precision = this.#priorPrecisions[row]!;
      bracket[row * n + row] = bracket[row * n + row]! + precision;
      scratch[row] = trust * cross[row]! + precision * this.#priorMeans[row]!;
    }
    if (!factor(bracket, n)) return false;
    solveFactored(bracket, n, scratch);
    this.#coefficients.set(scratch);
    // trace(A M⁻¹) where M = trust A + G: (n − trace(G M⁻¹)) ÷ trust, and G is diagonal.
    const uncertainty = Math.max(0, (n - traceOfInverse(bracket, this.#priorPrecisions, scratch)) / trust);
    this.#variance = Math.max(REGRESSION.varianceMin, (this.#residual() + uncertainty) / this.#count);
    return true;
  }

  // yy − 2 w·b + w·A w.
  #residual(): number {
    const n = this.#order;
    const [moments, w] = [this.#moments, this.#coefficients];
    let sum = this.#square;
    for (let row = 0; row < n; row += 1) {
      sum += w[row]! * (w[row]! * moments[row * n + row]! - 2 * this.#cross[row]!);
      for (let column = 0; column < row; column += 1) sum += 2 * w[row]! * w[column]! * moments[row * n + column]!;
    }
    return Math.max(0, sum);
  }

  /** Writes the coming `horizon` steps, in the signal's scale. */
  forecast(into: Float64Array, horizon: number): void {
    const signal = this.#signal;
    signal.beginForecast();
    for (let step = 0; step < horizon; step += 1) {
      this.#describe(step);
      let sum = 0;
      for (let index = 0; index < this.#order; index += 1) sum += this.#coefficients[index]! * this.#features[index]!;
      into[step] = signal.forecastStep(step, sum);
    }
    signal.endForecast();
  }

  #describe(step: number): void {
    const { lags, profilePriors } = this.#spec;
    const features = this.#features;
    const { window } = this.#signal;
    for (let index = 0; index < lags.length; index += 1) features[index] = window[LAG_MAX + step - lags[index]!]!;
    this.#signal.profilesInto(features, lags.length, step);
    features[lags.length + profilePriors.length] = REGRESSION.interceptFeature;
  }
}
