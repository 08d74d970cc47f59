// The narrowest interval: where demand is skewed, an interval that leaves out more above than below is a good deal narrower in
// the values' unit, at the same coverage.
import { exponentialLessOne } from "../elementary";

/** Of the seven: shares below, the median, shares below the upper ends. */
export const INTERVAL_PROBABILITIES: usize = memory.data<f64>([
  0.005,
  0.01,
  0.015,
  0.02,
  0.025,
  0.03,
  0.035,
  0.5,
  0.005 + 0.95,
  0.01 + 0.95,
  0.015 + 0.95,
  0.02 + 0.95,
  0.025 + 0.95,
  0.03 + 0.95,
  0.035 + 0.95,
]);
export const INTERVAL_COUNT: u32 = 15;
export const INTERVAL_BYTES: usize = 120;
/** Bytes from a lower end to its upper one. */
export const INTERVAL_UPPER: usize = 64;
export const INTERVAL_MEDIAN: usize = 56;
export const INTERVAL_LEVEL: f64 = 0.95;

/** Where, among the quantiles of these probabilities as log1p, the lower end of the narrowest interval stands: bytes from `levels`. */
export function narrowest(levels: usize): usize {
  let best: usize = 0;
  let width = Infinity;
  for (let at: usize = 0; at < INTERVAL_MEDIAN; at += 8) {
    const across = valueOf(load<f64>(levels + at, INTERVAL_UPPER)) - valueOf(load<f64>(levels + at));
    if (across >= width) continue;
    best = at;
    width = across;
  }
  return best;
}

/** In the values' unit. */
export function valueOf(level: f64): f64 {
  return max<f64>(0, exponentialLessOne(level));
}
