// An autoregression by empirical Bayes: discounted normal equations under a Gaussian prior on the coefficients, the
// series' own noise estimated with them (EM). After MacKay 1992, Bayesian interpolation (Neural Computation 4).
import { PROFILE_COUNT, REGRESSION, type RegressionSpec } from "#shared/forecast/seasonal-model.ts";
import { factor, solveFactored, traceOfQuotient, triangleSize } from "./cholesky.ts";
import type { Signal } from "./signal.ts";

export class Regression {
  readonly #spec: RegressionSpec;
  readonly #lags: readonly number[];
  readonly #signal: Signal;
  readonly #order: number;
  /** Lower triangle: Σ discount × features featuresᵀ. */
  readonly #moments: Float64Array;
  readonly #cross: Float64Array;
  #square = 0;
  #count = 0;
  #variance = 0;
  readonly #coefficients: Float64Array;
  readonly #priorMeans: Float64Array;
  /** Roots of the prior's precisions. */
  readonly #priorRoots: Float64Array;
  readonly #features: Float64Array;
  readonly #bracket: Float64Array;
  readonly #gap: Float64Array;
  readonly #scratch: Float64Array;

  constructor(spec: RegressionSpec, signal: Signal, lags: readonly number[]) {
    const { terms } = spec;
    const order = terms.length;
    this.#spec = spec;
    this.#lags = lags;
    this.#signal = signal;
    this.#order = order;
    this.#moments = new Float64Array(triangleSize(order));
    this.#cross = new Float64Array(order);
    this.#priorMeans = Float64Array.from(terms, ({ mean }) => mean);
    this.#priorRoots = Float64Array.from(terms, ({ deviation }) => 1 / deviation);
    this.#coefficients = new Float64Array(order);
    this.#features = new Float64Array(lags.length + PROFILE_COUNT + 1);
    this.#bracket = new Float64Array(triangleSize(order));
    this.#gap = new Float64Array(order);
    this.#scratch = new Float64Array(order);
  }

  /** Learns that `value` followed; the signal has not seen it yet. */
  observe(value: number): void {
    const [moments, cross, { terms }] = [this.#moments, this.#cross, this.#spec];
    const keep = REGRESSION.forgetting;
    this.#describe(0);
    let at = 0;
    for (const [row, { feature: name }] of terms.entries()) {
      const feature = this.#features[name]!;
      cross[row] = keep * cross[row]! + feature * value;
      for (let column = 0; column <= row; column += 1, at += 1)
        moments[at] = keep * moments[at]! + feature * this.#features[terms[column]!.feature]!;
    }
    this.#square = keep * this.#square + value * value;
    this.#count = keep * this.#count + 1;
  }

  /**
   * Finds the coefficients anew; where the numbers do not allow it, they are the prior's. Kept, the next solve goes on
   * from this one's noise: so the clock decides what is learned, and not how often somebody asks.
   */
  solve({ isKept }: { readonly isKept: boolean }): void {
    this.#coefficients.set(this.#priorMeans);
    if (this.#count === 0) return;
    const before = this.#variance;
    const isFirst = this.#variance === 0;
    if (isFirst) this.#variance = Math.max(REGRESSION.varianceMin, (0.1 * this.#square) / this.#count);
    for (let row = 0; row < this.#order; row += 1) this.#gap[row] = this.#cross[row]! - this.#timesMoments(row, this.#priorMeans);
    const rounds = isFirst ? REGRESSION.roundsFirst : REGRESSION.rounds;
    for (let round = 0; round < rounds; round += 1) if (!this.#refine()) break;
    if (!isKept) this.#variance = before;
  }

  // Around the prior's mean m: (trust A + G) (w − m) = trust (b − A m).
  #refine(): boolean {
    const n = this.#order;
    const [bracket, moments, scratch] = [this.#bracket, this.#moments, this.#scratch];
    const trust = REGRESSION.kappa / this.#variance;
    for (let index = 0; index < bracket.length; index += 1) bracket[index] = trust * moments[index]!;
    for (let row = 0; row < n; row += 1) {
      const diagonal = triangleSize(row + 1) - 1;
      bracket[diagonal] = bracket[diagonal]! + this.#priorRoots[row]! * this.#priorRoots[row]!;
      scratch[row] = trust * this.#gap[row]!;
    }
    if (!factor(bracket, n)) return false;
    solveFactored(bracket, n, scratch);
    for (let row = 0; row < n; row += 1) this.#coefficients[row] = this.#priorMeans[row]! + scratch[row]!;
    // trace(A M⁻¹) where M = trust A + G: (n − trace(G M⁻¹)) ÷ trust, and G is diagonal.
    const uncertainty = Math.max(0, (n - traceOfQuotient(bracket, this.#priorRoots, scratch)) / trust);
    this.#variance = Math.max(REGRESSION.varianceMin, (this.#residual() + uncertainty) / this.#count);
    return true;
  }

  // Row `row` of A x.
  #timesMoments(row: number, x: Float64Array): number {
    let sum = 0;
    for (let column = 0; column < this.#order; column += 1)
      sum += this.#moments[column <= row ? triangleSize(row) + column : triangleSize(column) + row]! * x[column]!;
    return sum;
  }

  // yy − 2 w·b + w·A w.
  #residual(): number {
    const [moments, w] = [this.#moments, this.#coefficients];
    let sum = this.#square;
    for (let row = 0, rowAt = 0; row < this.#order; rowAt += row + 1, row += 1) {
      let half = 0;
      for (let column = 0; column < row; column += 1) half += moments[rowAt + column]! * w[column]!;
      sum += w[row]! * (w[row]! * moments[rowAt + row]! + 2 * half - 2 * this.#cross[row]!);
    }
    return Math.max(0, sum);
  }

  /** Writes the coming `horizon` steps, in the signal's scale. */
  forecast(into: Float64Array, horizon: number): void {
    const signal = this.#signal;
    const { terms } = this.#spec;
    signal.beginForecast();
    for (let step = 0; step < horizon; step += 1) {
      this.#describe(step);
      let sum = 0;
      for (let index = 0; index < this.#order; index += 1) sum += this.#coefficients[index]! * this.#features[terms[index]!.feature]!;
      into[step] = signal.forecastStep(step, sum);
    }
    signal.endForecast();
  }

  #describe(step: number): void {
    const [features, lags] = [this.#features, this.#lags];
    const hasProfiles = this.#spec.scale === "log";
    for (let index = 0; index < lags.length; index += 1) features[index] = this.#signal.back(lags[index]!, step);
    if (hasProfiles) this.#signal.profilesInto(features, lags.length, step);
    features[lags.length + (hasProfiles ? PROFILE_COUNT : 0)] = REGRESSION.interceptFeature;
  }
}
