// Weighted least squares with forgetting, under a Gaussian prior, for two targets of the same features: normal equations in
// f64: in f32 a moment that forgets a 43,000th at each step stands still within a thousandth of its place, and after 40 calm days
// of steps of 10 s that was more than the smallest eigenvalue. Without news the moments fade and the coefficients return to the prior: nothing winds up, and
// moments + prior is positive definite whatever comes.
// order (order + 1) × 4 + order × 24 bytes: lower triangle · cross moments [2][order], both f64 · coefficients [2][order], f32.
import { FACTOR, SCALE_FEATURE_COUNT, SOLUTION } from "./state";

function triangleBytes(order: u32): usize {
  return (<usize>(order * (order + 1))) << 2;
}

export function leastSquaresBytes(order: u32): usize {
  return triangleBytes(order) + <usize>order * 24;
}

// Prior means: 0, but for log |residual|: .3 the short mean, .3 the long one, .4 the time of day's.
function priorMean(order: u32, row: u32): f64 {
  if (order !== SCALE_FEATURE_COUNT || row === 0 || row > 3) return 0;
  return row === 3 ? 0.4 : 0.3;
}

export function beginLeastSquares(at: usize, order: u32): void {
  const coefficients = at + triangleBytes(order) + ((<usize>order) << 4);
  for (let row: u32 = 0; row < order; row++) {
    store<f32>(coefficients + ((<usize>row) << 2), <f32>priorMean(order, row));
    store<f32>(coefficients + ((<usize>(order + row)) << 2), <f32>priorMean(order, row));
  }
}

function blend(at: usize, keep: f64, news: f64): void {
  store<f64>(at, keep * load<f64>(at) + news);
}

// What is new of a call: where the features are, what they weigh, both targets.
let newsFeatures: usize = 0;
let newsWeight: f64 = 0;
let newsFirst: f64 = 0;
let newsSecond: f64 = 0;

export function setNews(features: usize, weight: f64, first: f64, second: f64): void {
  newsFeatures = features;
  newsWeight = weight;
  newsFirst = first;
  newsSecond = second;
}

export function observeNews(at: usize, order: u32, keep: f64): void {
  const first = at + triangleBytes(order);
  const second = first + ((<usize>order) << 3);
  let cell = at;
  for (let row: u32 = 0; row < order; row++) {
    const offset = (<usize>row) << 2;
    const weighted = newsWeight * <f64>load<f32>(newsFeatures + offset);
    for (let column: u32 = 0; column <= row; column++) {
      blend(cell, keep, weighted * <f64>load<f32>(newsFeatures + ((<usize>column) << 2)));
      cell += 8;
    }
    blend(first + (offset << 1), keep, weighted * newsFirst);
    blend(second + (offset << 1), keep, weighted * newsSecond);
  }
}

export function solveLeastSquares(at: usize, order: u32, precision: f64): void {
  if (!factor(at, order, precision)) return;
  const cross = at + triangleBytes(order);
  const coefficients = cross + ((<usize>order) << 4);
  for (let target: usize = 0; target < 2; target++) {
    const offset = target * ((<usize>order) << 2);
    substitute(cross + (offset << 1), order, precision);
    for (let row: u32 = 0; row < order; row++)
      store<f32>(coefficients + offset + ((<usize>row) << 2), <f32>load<f64>(SOLUTION + ((<usize>row) << 3)));
  }
}

// Where a row of the factor begins, a packed lower triangle.
function rowAt(row: u32): usize {
  return FACTOR + ((<usize>(row * (row + 1))) << 2);
}

// from − Σ one[k] other[k], the first `count` of each.
function lessProducts(from: f64, one: usize, other: usize, count: u32): f64 {
  for (let at: usize = 0; at < (<usize>count) << 3; at += 8) from -= load<f64>(one + at) * load<f64>(other + at);
  return from;
}

// Moments + prior = L Lᵀ, row by row. False where it is not positive definite, which rounding alone can do.
function factor(moments: usize, order: u32, precision: f64): bool {
  let cell = moments;
  for (let row: u32 = 0; row < order; row++) {
    const at = rowAt(row);
    for (let column: u32 = 0; column <= row; column++) {
      const moment = load<f64>(cell);
      cell += 8;
      const entry = at + ((<usize>column) << 3);
      const sum = lessProducts(column === row ? moment + precision : moment, at, rowAt(column), column);
      if (column < row) store<f64>(entry, sum / load<f64>(rowAt(column) + ((<usize>column) << 3)));
      else if (sum > 0 && sum < Infinity) store<f64>(entry, sqrt(sum));
      else return false;
    }
  }
  return true;
}

// L Lᵀ x = cross + precision × means.
function substitute(cross: usize, order: u32, precision: f64): void {
  for (let row: u32 = 0; row < order; row++) {
    const at = rowAt(row);
    const offset = (<usize>row) << 3;
    const right = load<f64>(cross + offset) + precision * priorMean(order, row);
    store<f64>(SOLUTION + offset, lessProducts(right, at, SOLUTION, row) / load<f64>(at + offset));
  }
  for (let row: u32 = order; row-- > 0;) {
    const offset = (<usize>row) << 3;
    let sum = load<f64>(SOLUTION + offset);
    for (let k: u32 = row + 1; k < order; k++) sum -= load<f64>(rowAt(k) + offset) * load<f64>(SOLUTION + ((<usize>k) << 3));
    store<f64>(SOLUTION + offset, sum / load<f64>(rowAt(row) + offset));
  }
}

/** What target 0 or 1 of these features would be. */
export function predictTarget(at: usize, order: u32, target: u32, features: usize): f64 {
  const coefficients = at + triangleBytes(order) + ((<usize>((4 + target) * order)) << 2);
  let sum: f64 = 0;
  for (let row: usize = 0; row < (<usize>order) << 2; row += 4) sum += <f64>load<f32>(coefficients + row) * <f64>load<f32>(features + row);
  return sum;
}
