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

// Of the search in progress: where the counts are, their sum, the bin found last and what is below it; of the tail asked for
// last (0: none, 1: the lower one, 2: the upper one), where it begins and how far it goes on with every power of e.
let searchedAt: usize = 0;
let total: f64 = 0;
let found: i32 = 0;
let below: f64 = 0;
let tail: u32 = 0;
let tailFrom: f64 = 0;
let tailScale: f64 = 0;

/** Those at `at` are what `residualQuantile` looks in. Fastest with probabilities that ascend. */
export function searchResiduals(at: usize): void {
  searchedAt = at;
  total = 0;
  for (let bin = 0; bin < 2 * SIDE; bin++) total += <f64>load<f32>(countAt(at, bin));
  found = 0;
  below = 0;
  tail = 0;
}

/** p within (0, 1). */
export function residualQuantile(p: f64): f64 {
  const share = min(p, 1 - p);
  if (share >= TAIL) return next(p * total);
  const side: u32 = p < 0.5 ? 1 : 2;
  if (side !== tail) {
    const first = next((p < 0.5 ? TAIL : 1 - 4 * TAIL) * total);
    const second = next((p < 0.5 ? 4 * TAIL : 1 - TAIL) * total);
    tail = side;
    tailFrom = p < 0.5 ? first : second;
    tailScale = (tailFrom - (p < 0.5 ? second : first)) / logarithm(4);
  }
  return tailFrom + tailScale * logarithm(TAIL / share);
}

// Where so much lies below: on from the bin that was found last, or from the first.
function next(wanted: f64): f64 {
  if (wanted <= below) {
    found = 0;
    below = 0;
  }
  while (found < 2 * SIDE - 1 && below + <f64>load<f32>(countAt(searchedAt, found)) < wanted) {
    below += <f64>load<f32>(countAt(searchedAt, found));
    found++;
  }
  const from = edgeOf(found);
  return from + min<f64>(1, (wanted - below) / <f64>load<f32>(countAt(searchedAt, found))) * (edgeOf(found + 1) - from);
}

// Where a bin begins.
function edgeOf(bin: i32): f64 {
  return bin < SIDE ? -edge(SIDE - bin) : edge(bin - SIDE);
}

function edge(side: i32): f64 {
  return UNIT * (exponential(RATIO * <f64>side) - 1);
}
