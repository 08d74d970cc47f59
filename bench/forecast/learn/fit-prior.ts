// The mixture prior of a regression, by EM over the series: what coefficients series have, learned from many.
import type { Prior } from "#wasm/reference/forecast/hourly/prior.ts";
import type { Moments } from "#wasm/reference/forecast/hourly/moments.ts";
import { REGRESSION } from "#wasm/reference/forecast/hourly/settings.ts";
import { factorTriangle, halfLogDeterminant, solveTriangles, triangleSize } from "#wasm/reference/forecast/hourly/triangle.ts";

export interface FitOptions {
  readonly order: number;
  readonly clusterCount: number;
  readonly kappa: number;
  readonly rounds: number;
  /** A cluster's covariance is shrunk towards the clusters' common one, which counts as so many series. */
  readonly shrinkage: number;
  /** Added to the diagonal of every covariance. */
  readonly ridge: number;
  readonly onRound?: (round: number, logEvidence: number) => void;
}

interface Posterior {
  readonly solution: Float64Array;
  /** Packed lower triangle. */
  readonly covariance: Float64Array;
  readonly logEvidence: number;
  variance: number;
}

export interface Gaussian {
  logShare: number;
  readonly mean: Float64Array;
  /** Packed lower triangles: R of the precision R Rᵀ, and the precision. */
  readonly root: Float64Array;
  readonly precision: Float64Array;
}

export function fitPrior(all: readonly Moments[], options: FitOptions): Prior {
  const { order, clusterCount, rounds } = options;
  const start = wideGaussian(order);
  const first = all.map((moments) => posteriorOf(moments, start, { ...options, variance: 0, rounds: 6 }));
  const ranks = first.map(({ variance }, index) => ({ variance, index })).toSorted((a, b) => a.variance - b.variance || a.index - b.index);
  const clusterOf = new Map(ranks.map(({ index }, rank) => [index, Math.floor((rank * clusterCount) / all.length)]));
  let clusters = gaussiansOf(
    Array.from({ length: clusterCount }, (_, cluster) =>
      first.map((posterior, index) => ({ posterior, weight: clusterOf.get(index) === cluster ? 1 : 0 })),
    ),
    options,
  );
  const variances = all.map((_, index) => new Float64Array(clusterCount).fill(first[index]!.variance));
  for (let round = 0; round < rounds; round += 1) {
    let total = 0;
    const weighed: Weighed[][] = clusters.map(() => []);
    for (const [index, moments] of all.entries()) {
      const posteriors = clusters.map((cluster, at) =>
        posteriorOf(moments, cluster, { ...options, variance: variances[index]![at]!, rounds: 2 }),
      );
      const most = Math.max(...posteriors.map(({ logEvidence }) => logEvidence));
      const weights = posteriors.map(({ logEvidence }) => Math.exp(logEvidence - most));
      const sum = weights.reduce((a, b) => a + b, 0);
      total += most + Math.log(sum);
      for (const [at, posterior] of posteriors.entries()) {
        variances[index]![at] = posterior.variance;
        weighed[at]!.push({ posterior, weight: weights[at]! / sum });
      }
    }
    clusters = gaussiansOf(weighed, options);
    options.onRound?.(round, total);
  }
  return priorOf(clusters, options);
}

function priorOf(clusters: readonly Gaussian[], { order, kappa }: FitOptions): Prior {
  return {
    order,
    clusterCount: clusters.length,
    features: Array.from({ length: order }, (_, index) => index),
    logShares: Float64Array.from(clusters, ({ logShare }) => logShare),
    means: Float64Array.from(clusters.flatMap(({ mean }) => [...mean])),
    roots: Float64Array.from(clusters.flatMap(({ root }) => [...root])),
    kappa,
  };
}

function wideGaussian(order: number): Gaussian {
  const root = new Float64Array(triangleSize(order));
  const precision = new Float64Array(triangleSize(order));
  for (let row = 0; row < order; row += 1) {
    root[triangleSize(row + 1) - 1] = 1 / 0.3;
    precision[triangleSize(row + 1) - 1] = 1 / 0.09;
  }
  return { logShare: 0, mean: new Float64Array(order), root, precision };
}

function posteriorOf(
  { square, cross, power, count }: Moments,
  { mean, root, precision, logShare }: Gaussian,
  { order: n, kappa, variance: before, rounds }: FitOptions & { variance: number },
): Posterior {
  const size = triangleSize(n);
  let variance = before > 0 ? before : Math.max(REGRESSION.varianceMin, (0.1 * power) / count);
  const bracket = new Float64Array(size);
  const solution = new Float64Array(n);
  let covariance = new Float64Array(size);
  let logEvidence = -Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const trust = kappa / variance;
    for (let index = 0; index < size; index += 1) bracket[index] = trust * square[index]! + precision[index]!;
    const pull = times(precision, mean);
    for (let row = 0; row < n; row += 1) solution[row] = trust * cross[row]! + pull[row]!;
    if (!factorTriangle(bracket, n)) throw new Error("Cannot fit a prior: a series' normal equations are not positive definite");
    solveTriangles(bracket, n, solution);
    covariance = inverseOf(bracket, n);
    const moved = times(square, solution);
    let residual = power;
    for (let row = 0; row < n; row += 1) residual += solution[row]! * (moved[row]! - 2 * cross[row]!);
    residual = Math.max(0, residual);
    const deviation = solution.map((value, row) => value - mean[row]!);
    const strain = times(precision, deviation).reduce((sum, value, row) => sum + value * deviation[row]!, 0);
    variance = Math.max(REGRESSION.varianceMin, (residual + traceOf(square, covariance, n)) / count);
    logEvidence =
      -0.5 * kappa * (count * Math.log(variance) + residual / variance) -
      0.5 * strain -
      halfLogDeterminant(bracket, n) +
      halfLogDeterminant(root, n) +
      logShare;
  }
  return { solution, covariance, logEvidence, variance };
}

interface Weighed {
  readonly posterior: Posterior;
  readonly weight: number;
}

/** The clusters' means, and their covariances shrunk towards the scatter within all of them. */
function gaussiansOf(clusters: readonly (readonly Weighed[])[], { order: n, ridge, shrinkage }: FitOptions): Gaussian[] {
  const moments = clusters.map((entries) => scatterOf(entries, n));
  const common = new Float64Array(triangleSize(n));
  const all = moments.reduce((sum, { total }) => sum + total, 0);
  for (const { scatter } of moments) for (let at = 0; at < common.length; at += 1) common[at] = common[at]! + scatter[at]! / all;
  return moments.map(({ mean, scatter, total }) => {
    const covariance = scatter.map((value, at) => (value + shrinkage * common[at]!) / (total + shrinkage));
    for (let row = 0; row < n; row += 1) covariance[triangleSize(row + 1) - 1] = covariance[triangleSize(row + 1) - 1]! + ridge;
    if (!factorTriangle(covariance, n)) throw new Error("Cannot fit a prior: a covariance is not positive definite");
    const precision = inverseOf(covariance, n);
    const root = precision.slice();
    if (!factorTriangle(root, n)) throw new Error("Cannot fit a prior: a precision is not positive definite");
    return { logShare: Math.log(total / all), mean, root, precision };
  });
}

function scatterOf(entries: readonly Weighed[], n: number): { mean: Float64Array; scatter: Float64Array; total: number } {
  const mean = new Float64Array(n);
  const scatter = new Float64Array(triangleSize(n));
  let total = 1e-9;
  for (const { posterior, weight } of entries) {
    total += weight;
    for (let row = 0; row < n; row += 1) mean[row] = mean[row]! + weight * posterior.solution[row]!;
  }
  for (let row = 0; row < n; row += 1) mean[row] = mean[row]! / total;
  for (const { posterior, weight } of entries) {
    if (weight < 1e-12) continue;
    for (let row = 0, at = 0; row < n; row += 1) {
      const deviation = posterior.solution[row]! - mean[row]!;
      for (let column = 0; column <= row; column += 1, at += 1)
        scatter[at] = scatter[at]! + weight * (posterior.covariance[at]! + deviation * (posterior.solution[column]! - mean[column]!));
    }
  }
  return { mean, scatter, total };
}

// The inverse of L Lᵀ, packed: L⁻¹ first, then its square.
function inverseOf(factored: Float64Array, n: number): Float64Array<ArrayBuffer> {
  const inverse = new Float64Array(triangleSize(n));
  for (let column = 0; column < n; column += 1)
    for (let row = column; row < n; row += 1) {
      let sum = row === column ? 1 : 0;
      for (let k = column; k < row; k += 1) sum -= factored[triangleSize(row) + k]! * inverse[triangleSize(k) + column]!;
      inverse[triangleSize(row) + column] = sum / factored[triangleSize(row) + row]!;
    }
  const result = new Float64Array(triangleSize(n));
  for (let row = 0, at = 0; row < n; row += 1)
    for (let column = 0; column <= row; column += 1, at += 1) {
      let sum = 0;
      for (let k = row; k < n; k += 1) sum += inverse[triangleSize(k) + row]! * inverse[triangleSize(k) + column]!;
      result[at] = sum;
    }
  return result;
}

function times(m: Float64Array, x: Float64Array): Float64Array {
  const n = x.length;
  const result = new Float64Array(n);
  for (let row = 0, at = 0; row < n; row += 1)
    for (let column = 0; column <= row; column += 1, at += 1) {
      result[row] = result[row]! + m[at]! * x[column]!;
      if (column < row) result[column] = result[column]! + m[at]! * x[row]!;
    }
  return result;
}

function traceOf(a: Float64Array, b: Float64Array, n: number): number {
  let sum = 0;
  for (let row = 0, at = 0; row < n; row += 1)
    for (let column = 0; column <= row; column += 1, at += 1) sum += (row === column ? 1 : 2) * a[at]! * b[at]!;
  return sum;
}
