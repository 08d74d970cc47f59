// Where everything of one horizon stands.
//
// Memory picture: steps u32 · bins between two that learn u32 · places for waiting forecasts u32 · next place u32 ·
//   yields u32 · unused u32 · last bin that waited f64 (NaN: none) · short, long mean of log |residual| f64 · kept
//   at an update: of these two, the moments, the scale's, the residuals, the pool's losses, the judge's sums f64 [7] · updates f64 · losses f64 [4] · sums f64 [11] · residuals of both targets (residuals.ts) · time-of-day
//   means of log |residual| f32 [48] · regression, scale's regression (least-squares.ts) · waiting forecasts, 160 bytes each:
//   origin f64 (NaN: none) · features f32 [14] · scale's f32 [6] · pool's members f32 [4] · level, centre, top, both scales, own,
//   highest since, slot, median, lower, upper, persistence, seasonal, share below lower f32
import { leastSquaresBytes } from "./least-squares";
import { RESIDUAL_BYTES } from "./residuals";
import { FEATURE_COUNT, SCALE_FEATURE_COUNT } from "./state";

export const STEPS: usize = 0;
export const EVERY: usize = 4;
export const WAITING_COUNT: usize = 8;
/** Steps, clock and places say where the rest stands. */
export const LAYOUT_BYTES: usize = 12;
export const NEXT: usize = 12;
export const YIELDS: usize = 16;
export const LAST_BIN: usize = 24;
export const SHORT: usize = 32;
export const LONG: usize = 40;
/** What is kept at an update, in the order of horizon.ts's MEMORIES. */
export const KEEPS: usize = 48;
export const SHORT_KEEP: usize = 48;
export const LONG_KEEP: usize = 56;
export const REGRESSION_KEEP: usize = 64;
export const SCALE_KEEP: usize = 72;
export const RESIDUAL_KEEP: usize = 80;
export const POOL_KEEP: usize = 88;
export const JUDGE_KEEP: usize = 96;
export const KEEP_COUNT: u32 = 7;
export const UPDATES: usize = 104;
export const LOSSES: usize = 112;
export const SUMS: usize = 144;
export const RESIDUALS: usize = 232;
export const DAY_SLOTS: usize = RESIDUALS + 2 * RESIDUAL_BYTES;
export const DAY_SLOT_COUNT: u32 = 48;
export const REGRESSION: usize = DAY_SLOTS + 4 * <usize>DAY_SLOT_COUNT;
export const SCALE_REGRESSION: usize = REGRESSION + ((leastSquaresBytes(FEATURE_COUNT) + 7) & ~7);
export const WAITING: usize = SCALE_REGRESSION + ((leastSquaresBytes(SCALE_FEATURE_COUNT) + 7) & ~7);

export const WAITING_FEATURES: usize = 8;
export const WAITING_SCALE_FEATURES: usize = 64;
export const WAITING_MEMBERS: usize = 88;
export const WAITING_LEVEL: usize = 104;
/** Of both targets. */
export const WAITING_CENTRES: usize = 108;
export const WAITING_SCALES: usize = 116;
export const WAITING_OWN: usize = 124;
export const WAITING_HIGHEST: usize = 128;
export const WAITING_SLOT: usize = 132;
export const WAITING_MEDIAN: usize = 136;
export const WAITING_LOWER: usize = 140;
export const WAITING_UPPER: usize = 144;
export const WAITING_PERSISTENCE: usize = 148;
export const WAITING_SEASONAL: usize = 152;
/** What is expected below `lower`. */
export const WAITING_SHARE: usize = 156;
export const WAITING_BYTES: usize = 160;
export const WAITING_COUNT_MAX: u32 = 12;

export function horizonBytes(steps: u32): usize {
  return WAITING + <usize>min(WAITING_COUNT_MAX, steps) * WAITING_BYTES;
}

/** Of the horizon at hand. */
export function bytesOf(horizon: usize): usize {
  return WAITING + <usize>load<u32>(horizon, WAITING_COUNT) * WAITING_BYTES;
}
