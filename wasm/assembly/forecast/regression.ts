// An autoregression by empirical Bayes: discounted normal equations under a mixture of Gaussian priors on the coefficients,
// the series' own noise estimated with them (EM). After MacKay 1992, Bayesian interpolation (Neural Computation 4).
import { exponential, logarithm } from "./elementary";
import {
  CLUSTER_COUNT,
  countAt,
  forgetting,
  LOG_CROSS,
  LOG_MOMENTS,
  logOrder,
  RAW_CROSS,
  RAW_MOMENTS,
  rawOrder,
  rounds,
  roundsFirst,
  powerAt,
  regressions,
  SHARES,
  varianceMin,
  VARIANCES,
} from "./model";
import {
  BRACKET,
  CLUSTER_SOLUTIONS,
  CLUSTER_WEIGHTS,
  COEFFICIENTS,
  CROSS,
  FEATURES,
  GAP,
  MOMENTS,
  PRECISION,
  QUOTIENT,
  ROOT,
  SOLUTION,
  SQUARES,
  STEPS,
} from "./scratch";
import { beginSupposition, describe, suppose } from "./signal";
import { blendScaled, factorTriangle, rowBytes, solveTriangles, squareTriangle, traceOfQuotient } from "./triangle";

/** Learns that the value followed the features that were just described. */
export function observeMoments(isRaw: bool, value: f64): void {
  const order = isRaw ? rawOrder : logOrder;
  const moments = isRaw ? RAW_MOMENTS : LOG_MOMENTS;
  const keep = forgetting();
  blendScaled(isRaw ? RAW_CROSS : LOG_CROSS, FEATURES, keep, value, order);
  for (let row: u32 = 0; row < order; row++)
    blendScaled(moments + rowBytes(row), FEATURES, keep, load<f64>(FEATURES + ((<usize>row) << 3)), row + 1);
  store<f64>(powerAt(isRaw), keep * load<f64>(powerAt(isRaw)) + value * value);
}

// The regression at hand, as the model's table has it.
let isRaw: bool = false;
let order: u32 = 0;
let kappa: f64 = 0;
let clusterCount: u32 = 0;
let isDiagonal: bool = false;
let features: usize = 0;
let clusters: usize = 0;
/** Its first cluster's variance in the state. */
let variances: usize = 0;
/** Logs of its clusters' shares in the state; 0: as the table has them. */
let shares: usize = 0;
let nextShares: usize = 0;

/** Before the first regression, of which a service may hold other shares than were learned. */
export function beginRegressions(hasOwnShares: bool): void {
  variances = VARIANCES;
  nextShares = hasOwnShares ? SHARES : 0;
  clusterCount = 0;
}

/** Of a state that begins: the shares that were learned. */
export function beginShares(): void {
  openRegression(regressions, false);
  for (let cluster: u32 = 0; cluster < clusterCount; cluster++)
    store<f64>(SHARES + ((<usize>cluster) << 3), load<f64>(clusters + <usize>cluster * clusterBytes()));
}

/** Opens the regression at `at` in the model's table; returns where the next one is. */
export function openRegression(at: usize, onRaw: bool): usize {
  variances += (<usize>clusterCount) << 3;
  shares = nextShares;
  nextShares = 0;
  isRaw = onRaw;
  order = <u32>load<f64>(at);
  kappa = load<f64>(at, 8);
  clusterCount = <u32>load<f64>(at, CLUSTER_COUNT);
  isDiagonal = load<f64>(at, 24) !== 0;
  features = at + 32;
  clusters = features + ((<usize>order) << 3);
  return clusters + <usize>clusterCount * clusterBytes();
}

function clusterBytes(): usize {
  return 8 + ((<usize>order) << 3) + (isDiagonal ? (<usize>order) << 3 : rowBytes(order));
}

/**
 * Finds the coefficients anew; where the numbers do not allow it, they are the prior's. Kept, the next solve goes on
 * from this one's noise: so the clock decides what is learned, and not how often somebody asks.
 */
export function solveRegression(isKept: bool): void {
  gather();
  let best: f64 = -Infinity;
  for (let cluster: u32 = 0; cluster < clusterCount; cluster++) {
    const varianceAt = variances + ((<usize>cluster) << 3);
    const before = load<f64>(varianceAt);
    const logEvidence = solveCluster(cluster, varianceAt);
    store<f64>(CLUSTER_WEIGHTS + ((<usize>cluster) << 3), logEvidence);
    best = max(best, logEvidence);
    if (!isKept) store<f64>(varianceAt, before);
  }
  combine(best);
}

// The part of the moments that this regression speaks of.
function gather(): void {
  const moments = isRaw ? RAW_MOMENTS : LOG_MOMENTS;
  const cross = isRaw ? RAW_CROSS : LOG_CROSS;
  let into = MOMENTS;
  for (let row: u32 = 0; row < order; row++) {
    const feature = featureOf(row);
    const rowAt = moments + rowBytes(feature);
    store<f64>(CROSS + ((<usize>row) << 3), load<f64>(cross + ((<usize>feature) << 3)));
    for (let column: u32 = 0; column <= row; column++) {
      store<f64>(into, load<f64>(rowAt + ((<usize>featureOf(column)) << 3)));
      into += 8;
    }
  }
}

/** A regression's features ascend. */
function featureOf(row: u32): u32 {
  return <u32>load<f64>(features + ((<usize>row) << 3));
}

// Around the prior's mean m: (trust A + G) (w − m) = trust (b − A m). Returns the log of the evidence, up to a constant
// that all clusters share.
function solveCluster(cluster: u32, varianceAt: usize): f64 {
  const at = clusters + <usize>cluster * clusterBytes();
  const means = at + 8;
  const solution = CLUSTER_SOLUTIONS + ((<usize>(cluster * order)) << 3);
  memory.copy(solution, means, (<usize>order) << 3);
  const count = load<f64>(countAt());
  if (count === 0) return -Infinity;
  readPrecision(means + ((<usize>order) << 3));
  for (let row: u32 = 0; row < order; row++)
    store<f64>(GAP + ((<usize>row) << 3), load<f64>(CROSS + ((<usize>row) << 3)) - timesMoments(row, means));
  let variance = load<f64>(varianceAt);
  const isFirst = variance === 0;
  if (isFirst) variance = max(varianceMin(), (0.1 * load<f64>(powerAt(isRaw))) / count);
  const roundCount = isFirst ? roundsFirst() : rounds();
  let logEvidence: f64 = -Infinity;
  for (let round: u32 = 0; round < roundCount; round++) {
    const trust = kappa / variance;
    setBracket(trust);
    if (!factorTriangle(BRACKET, order)) break;
    solveTriangles(BRACKET, order, SOLUTION);
    for (let index: usize = 0; index < (<usize>order) << 3; index += 8)
      store<f64>(solution + index, load<f64>(means + index) + load<f64>(SOLUTION + index));
    const residual = residualOf(solution);
    // trace(A M⁻¹) where M = trust A + G: (n − trace(G M⁻¹)) ÷ trust.
    const uncertainty = max<f64>(0, (<f64>order - traceOfQuotient(BRACKET, ROOT, order, QUOTIENT, SQUARES)) / trust);
    variance = max(varianceMin(), (residual + uncertainty) / count);
    if (clusterCount > 1)
      logEvidence =
        -0.5 * kappa * (count * logarithm(variance) + residual / variance) -
        0.5 * strain() -
        halfLogDeterminant(BRACKET) +
        halfLogDeterminant(ROOT) +
        load<f64>(shares === 0 ? at : shares + ((<usize>cluster) << 3));
  }
  store<f64>(varianceAt, variance);
  return logEvidence;
}

function readPrecision(from: usize): void {
  if (!isDiagonal) {
    memory.copy(ROOT, from, rowBytes(order));
    squareTriangle(ROOT, order, PRECISION);
    return;
  }
  memory.fill(ROOT, 0, rowBytes(order));
  memory.fill(PRECISION, 0, rowBytes(order));
  for (let row: u32 = 0; row < order; row++) {
    const root = load<f64>(from + ((<usize>row) << 3));
    const diagonal = rowBytes(row) + ((<usize>row) << 3);
    store<f64>(ROOT + diagonal, root);
    store<f64>(PRECISION + diagonal, root * root);
  }
}

function setBracket(trust: f64): void {
  const trusts = f64x2.splat(trust);
  const bytes = rowBytes(order);
  // The triangles have room for one entry more.
  for (let at: usize = 0; at < bytes; at += 16)
    v128.store(BRACKET + at, f64x2.add(f64x2.mul(trusts, v128.load(MOMENTS + at)), v128.load(PRECISION + at)));
  for (let at: usize = 0; at < (<usize>order) << 3; at += 8) store<f64>(SOLUTION + at, trust * load<f64>(GAP + at));
}

// Row `row` of A x.
function timesMoments(row: u32, x: usize): f64 {
  let sum: f64 = 0;
  for (let column: u32 = 0; column < order; column++) {
    const at = column <= row ? rowBytes(row) + ((<usize>column) << 3) : rowBytes(column) + ((<usize>row) << 3);
    sum += load<f64>(MOMENTS + at) * load<f64>(x + ((<usize>column) << 3));
  }
  return sum;
}

// yy − 2 w·b + w·A w.
function residualOf(w: usize): f64 {
  let sum: f64 = 0;
  for (let row: u32 = 0; row < order; row++) {
    const rowAt = MOMENTS + rowBytes(row);
    const rowEnd = (<usize>row) << 3;
    let half: f64 = 0;
    for (let at: usize = 0; at < rowEnd; at += 8) half += load<f64>(rowAt + at) * load<f64>(w + at);
    const own = load<f64>(w + rowEnd);
    sum += own * (own * load<f64>(rowAt + rowEnd) + 2 * half - 2 * load<f64>(CROSS + rowEnd));
  }
  return max<f64>(0, load<f64>(powerAt(isRaw)) + sum);
}

// (w − m)ᵀ G (w − m) = |Rᵀ (w − m)|².
function strain(): f64 {
  let sum: f64 = 0;
  for (let column: u32 = 0; column < order; column++) {
    let entry: f64 = 0;
    for (let row = column; row < order; row++)
      entry += load<f64>(ROOT + rowBytes(row) + ((<usize>column) << 3)) * load<f64>(SOLUTION + ((<usize>row) << 3));
    sum += entry * entry;
  }
  return sum;
}

function halfLogDeterminant(factored: usize): f64 {
  let sum: f64 = 0;
  for (let row: u32 = 0; row < order; row++) sum += logarithm(load<f64>(factored + rowBytes(row) + ((<usize>row) << 3)));
  return sum;
}

// The clusters' coefficients, mixed by their evidence.
function combine(best: f64): void {
  let sum: f64 = 0;
  for (let cluster: u32 = 0; cluster < clusterCount; cluster++) {
    const at = CLUSTER_WEIGHTS + ((<usize>cluster) << 3);
    const weight = best === -Infinity ? 1 : exponential(load<f64>(at) - best);
    store<f64>(at, weight);
    sum += weight;
  }
  memory.fill(COEFFICIENTS, 0, (<usize>order) << 3);
  for (let cluster: u32 = 0; cluster < clusterCount; cluster++) {
    const at = CLUSTER_WEIGHTS + ((<usize>cluster) << 3);
    const weight = load<f64>(at) / sum;
    store<f64>(at, weight);
    blendScaled(COEFFICIENTS, CLUSTER_SOLUTIONS + ((<usize>(cluster * order)) << 3), 1, weight, order);
  }
}

/** Writes the coming `horizon` steps in the regression's scale; what was seen must have been described. */
export function forecastRegression(horizon: u32): void {
  beginSupposition();
  for (let step: u32 = 0; step < horizon; step++) {
    describe(isRaw, step);
    let sum: f64 = 0;
    for (let row: u32 = 0; row < order; row++)
      sum += load<f64>(COEFFICIENTS + ((<usize>row) << 3)) * load<f64>(FEATURES + ((<usize>featureOf(row)) << 3));
    store<f64>(STEPS + ((<usize>step) << 3), suppose(isRaw, step, sum));
  }
}
