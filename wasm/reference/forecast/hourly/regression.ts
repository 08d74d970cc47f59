// An autoregression by empirical Bayes: normal equations under a mixture of Gaussian priors, the series' own noise
// estimated with them (EM). After MacKay 1992, Bayesian interpolation (Neural Computation 4).
import { exponential, logarithm } from "../elementary.ts";
import type { Moments } from "./moments.ts";
import type { Prior } from "./prior.ts";
import { ORDER_MAX, REGRESSION } from "./settings.ts";
import { factorTriangle, halfLogDeterminant, solveTriangles, squareTriangle, traceOfQuotient, triangleSize } from "./triangle.ts";

const SIZE_MAX = triangleSize(ORDER_MAX);

/** What every solve overwrites; one for all regressions of all forecasters. */
const scratch = {
  moments: new Float64Array(SIZE_MAX),
  cross: new Float64Array(ORDER_MAX),
  root: new Float64Array(SIZE_MAX),
  precision: new Float64Array(SIZE_MAX),
  bracket: new Float64Array(SIZE_MAX),
  solution: new Float64Array(ORDER_MAX),
  deviation: new Float64Array(ORDER_MAX),
};

export class Regression {
  readonly prior: Prior;
  /** Of the clusters, as they are believed at this service: those that were learned, unless set otherwise. */
  readonly logShares: Float64Array;
  /** After `solve`: one for every feature of the moments. */
  readonly coefficients: Float64Array;
  /** After `solve`: log evidence of every cluster, up to a common constant; then its weight. */
  readonly weights: Float64Array;
  /** The series' noise as each cluster sees it; 0 until the first kept solve. The only state between two solves. */
  readonly variances: Float64Array;
  readonly #solutions: Float64Array;

  constructor(prior: Prior, order: number) {
    this.prior = prior;
    this.logShares = prior.logShares.slice();
    this.coefficients = new Float64Array(order);
    this.weights = new Float64Array(prior.clusterCount);
    this.variances = new Float64Array(prior.clusterCount);
    this.#solutions = new Float64Array(prior.clusterCount * prior.order);
  }

  /**
   * Finds the coefficients anew. Kept, the next solve goes on from this one's noise: so the clock decides what is
   * learned, and not how often somebody asks.
   */
  solve(moments: Moments, { isKept }: { readonly isKept: boolean }): void {
    const { prior } = this;
    this.#gather(moments);
    for (let cluster = 0; cluster < prior.clusterCount; cluster += 1) {
      const before = this.variances[cluster]!;
      this.#solveCluster(cluster, moments);
      if (!isKept) this.variances[cluster] = before;
    }
    this.#combine();
  }

  /** The part of the moments that this prior speaks of. */
  #gather(moments: Moments): void {
    const { features, order } = this.prior;
    for (let row = 0, at = 0; row < order; row += 1) {
      const feature = features[row]!;
      scratch.cross[row] = moments.cross[feature]!;
      for (let column = 0; column <= row; column += 1, at += 1)
        scratch.moments[at] = moments.square[triangleSize(feature) + features[column]!]!;
    }
  }

  #solveCluster(cluster: number, { power, count }: Moments): void {
    const { order: n, means, roots, kappa } = this.prior;
    const size = triangleSize(n);
    const { root, precision, bracket, solution, deviation } = scratch;
    for (let index = 0; index < size; index += 1) root[index] = roots[cluster * size + index]!;
    squareTriangle(root, n, precision);
    const isFirst = this.variances[cluster] === 0;
    let variance = isFirst ? Math.max(REGRESSION.varianceMin, (0.1 * power) / count) : this.variances[cluster]!;
    const rounds = isFirst ? REGRESSION.roundsFirst : REGRESSION.rounds;
    const mean = means.subarray(cluster * n, (cluster + 1) * n);
    const own = this.#solutions.subarray(cluster * n, (cluster + 1) * n);
    // Where the numbers do not allow a solution, the prior's mean stands and the cluster has no weight.
    let logEvidence = -Infinity;
    own.set(mean);
    for (let round = 0; round < rounds; round += 1) {
      const trust = kappa / variance;
      for (let index = 0; index < size; index += 1) bracket[index] = trust * scratch.moments[index]! + precision[index]!;
      // Around the prior's mean m: (trust A + G) (w − m) = trust (b − A m).
      for (let row = 0; row < n; row += 1) solution[row] = trust * (scratch.cross[row]! - momentsTimes(row, mean));
      if (!factorTriangle(bracket, n)) break;
      solveTriangles(bracket, n, solution);
      for (let row = 0; row < n; row += 1) own[row] = mean[row]! + solution[row]!;
      const residual = Math.max(0, power + residualChange(own));
      const strain = quadraticForm(root, n, solution);
      const halfLogBracket = halfLogDeterminant(bracket, n);
      // trace(A M⁻¹) where M = trust A + G: (n − trace(G M⁻¹)) ÷ trust.
      const uncertainty = Math.max(0, (n - traceOfQuotient({ root, factored: bracket, n, scratch: deviation })) / trust);
      variance = Math.max(REGRESSION.varianceMin, (residual + uncertainty) / count);
      logEvidence =
        -0.5 * kappa * (count * logarithm(variance) + residual / variance) -
        0.5 * strain -
        halfLogBracket +
        halfLogDeterminant(root, n) +
        this.logShares[cluster]!;
    }
    this.variances[cluster] = variance;
    this.weights[cluster] = logEvidence;
  }

  /** Turns the log evidences into weights, and mixes the clusters' coefficients by them. */
  #combine(): void {
    const { order: n, clusterCount, features } = this.prior;
    let most = -Infinity;
    for (const weight of this.weights) most = Math.max(most, weight);
    let sum = 0;
    for (let cluster = 0; cluster < clusterCount; cluster += 1) {
      const weight = most === -Infinity ? 1 : exponential(this.weights[cluster]! - most);
      this.weights[cluster] = weight;
      sum += weight;
    }
    this.coefficients.fill(0);
    for (let cluster = 0; cluster < clusterCount; cluster += 1) {
      this.weights[cluster] = this.weights[cluster]! / sum;
      for (let row = 0; row < n; row += 1)
        this.coefficients[features[row]!] =
          this.coefficients[features[row]!]! + this.weights[cluster]! * this.#solutions[cluster * n + row]!;
    }
  }
}

// Row `row` of A x.
function momentsTimes(row: number, x: Float64Array): number {
  let sum = 0;
  const rowAt = triangleSize(row);
  for (let column = 0; column <= row; column += 1) sum += scratch.moments[rowAt + column]! * x[column]!;
  for (let column = row + 1; column < x.length; column += 1) sum += scratch.moments[triangleSize(column) + row]! * x[column]!;
  return sum;
}

// w·A w − 2 w·b: what w takes from the power.
function residualChange(w: Float64Array): number {
  let sum = 0;
  for (let row = 0, rowAt = 0; row < w.length; rowAt += row + 1, row += 1) {
    let half = 0;
    for (let column = 0; column < row; column += 1) half += scratch.moments[rowAt + column]! * w[column]!;
    sum += w[row]! * (w[row]! * scratch.moments[rowAt + row]! + 2 * half - 2 * scratch.cross[row]!);
  }
  return sum;
}

// |Rᵀ d|².
function quadraticForm(root: Float64Array, n: number, d: Float64Array): number {
  let sum = 0;
  for (let column = 0; column < n; column += 1) {
    let entry = 0;
    for (let row = column; row < n; row += 1) entry += root[triangleSize(row) + column]! * d[row]!;
    sum += entry * entry;
  }
  return sum;
}
