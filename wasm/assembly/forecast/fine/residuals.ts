// How residuals in units of their expected scale are distributed: a histogram on a logarithmic grid, forgetting.
// 232 bytes, 8-aligned: weight f64 · counts f32 [56]. Bin 28 + i begins at z = unit (e^(ratio i) − 1), bin 27 − i mirrors it.
import { exponential, logarithm, logOnePlus } from "../elementary";

export const RESIDUAL_BYTES: usize = 232;
const SIDE: i32 = 28;
const UNIT: f64 = 0.25;
const RATIO: f64 = 0.16;
/** Beyond this share the tail is exponential, as fast as between four times this share and it. */
const TAIL: f64 = 0.005;
const PRIOR_SIZE: f64 = 1.5;
const PRIOR_COUNT: f64 = 8;
/** A new residual weighs more and more instead of all the others less; above this all are scaled down. */
const WEIGHT_MAX: f64 = 1e9;

function countAt(at: usize, bin: i32): usize {
  return at + 8 + ((<usize>bin) << 2);
}

export function beginResiduals(at: usize): void {
  store<f64>(at, 1);
  for (let side = 0; side < SIDE; side++) {
    const beyond: f64 = side === SIDE - 1 ? 0 : exponential(-edge(side + 1) / PRIOR_SIZE);
    const count = <f32>((PRIOR_COUNT / 2) * (exponential(-edge(side) / PRIOR_SIZE) - beyond));
    store<f32>(countAt(at, SIDE + side), count);
    store<f32>(countAt(at, SIDE - 1 - side), count);
  }
}

/** `growth` is 1 ÷ what is kept of the old counts. */
export function observeResidual(at: usize, z: f64, growth: f64): void {
  let weight = load<f64>(at) * growth;
  if (weight > WEIGHT_MAX) {
    for (let bin = 0; bin < 2 * SIDE; bin++) store<f32>(countAt(at, bin), <f32>(<f64>load<f32>(countAt(at, bin)) / weight));
    weight = 1;
  }
  store<f64>(at, weight);
  const side = <i32>min(<f64>(SIDE - 1), floor(logOnePlus(abs(z) / UNIT) / RATIO));
  const count = countAt(at, z >= 0 ? SIDE + side : SIDE - 1 - side);
  store<f32>(count, <f32>(<f64>load<f32>(count) + weight));
}

/** p within (0, 1). */
export function residualQuantile(at: usize, p: f64): f64 {
  const share = min(p, 1 - p);
  const total = totalOf(at);
  found = 0;
  below = 0;
  if (share >= TAIL) return next(at, p * total);
  const first = next(at, (p < 0.5 ? TAIL : 1 - 4 * TAIL) * total);
  const second = next(at, (p < 0.5 ? 4 * TAIL : 1 - TAIL) * total);
  const outer = p < 0.5 ? first : second;
  const inner = p < 0.5 ? second : first;
  return outer + ((outer - inner) / logarithm(4)) * logarithm(TAIL / share);
}

/** Of `count` ascending probabilities that are not in the tails, f64 each; into `into`. */
export function residualQuantiles(at: usize, probabilities: usize, count: usize, into: usize): void {
  const total = totalOf(at);
  found = 0;
  below = 0;
  for (let offset: usize = 0; offset < count << 3; offset += 8)
    store<f64>(into + offset, next(at, load<f64>(probabilities + offset) * total));
}

function totalOf(at: usize): f64 {
  let total: f64 = 0;
  for (let bin = 0; bin < 2 * SIDE; bin++) total += <f64>load<f32>(countAt(at, bin));
  return total;
}

// Of the search in progress: the bin, and what is below it.
let found: i32 = 0;
let below: f64 = 0;

// Where so much lies below, from the bin that was found last.
function next(at: usize, wanted: f64): f64 {
  while (found < 2 * SIDE - 1 && below + <f64>load<f32>(countAt(at, found)) < wanted) {
    below += <f64>load<f32>(countAt(at, found));
    found++;
  }
  const from = edgeOf(found);
  return from + min<f64>(1, (wanted - below) / <f64>load<f32>(countAt(at, found))) * (edgeOf(found + 1) - from);
}

// Where a bin begins.
function edgeOf(bin: i32): f64 {
  return bin < SIDE ? -edge(SIDE - bin) : edge(bin - SIDE);
}

function edge(side: i32): f64 {
  return UNIT * (exponential(RATIO * <f64>side) - 1);
}
