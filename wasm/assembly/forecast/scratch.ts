// Memory that one call needs and the next may overwrite: one piece for all forecasters of an instance. The results lie at
// its beginning: mean, lower, upper, scale, HORIZON_MAX f64 each.

export const HORIZON_MAX: u32 = 168;
const DAY_MAX: u32 = 24;
const LAG_MAX: u32 = 192;
const COLUMN_MAX: u32 = 12;
const ORDER_MAX: u32 = 34;
export const CLUSTER_MAX: u32 = 8;
const INPUT_MAX: u32 = 80;
const MEMBER_MAX: u32 = 4;
export const HIDDEN_MAX: u32 = 32;
const TRIANGLE_MAX: u32 = (ORDER_MAX * (ORDER_MAX + 1)) / 2;

export const STEP_BYTES: usize = (<usize>HORIZON_MAX) << 3;
const VECTOR_BYTES: usize = (<usize>ORDER_MAX) << 3;
const TRIANGLE_BYTES: usize = (<usize>(TRIANGLE_MAX + 1)) << 3;
const WINDOW_BYTES: usize = (<usize>(LAG_MAX + HORIZON_MAX)) << 2;

export let MEAN: usize = 0;
export let LOWER: usize = 0;
export let UPPER: usize = 0;
export let SCALE: usize = 0;
/** Every column's steps: ln(1 + value). */
export let COLUMNS: usize = 0;
/** The base's expected errors, and the interval of what is corrected, in logs. */
export let BASE_SCALES: usize = 0;
export let CORRECTED_LOWER: usize = 0;
export let CORRECTED_UPPER: usize = 0;
/** One expert's steps, in its own scale; one choice's scales. */
export let STEPS: usize = 0;
export let WEIGHTS: usize = 0;
export let FEATURES: usize = 0;
export let COLUMN: usize = 0;
export let SQUARES: usize = 0;
export let SOLUTION: usize = 0;
export let GAP: usize = 0;
/** The moments that a regression speaks of, gathered. */
export let CROSS: usize = 0;
export let MOMENTS: usize = 0;
export let BRACKET: usize = 0;
export let QUOTIENT: usize = 0;
export let ROOT: usize = 0;
export let PRECISION: usize = 0;
export let COEFFICIENTS: usize = 0;
export let CLUSTER_WEIGHTS: usize = 0;
/** Of the first regression, for the nets. */
export let FIRST_WEIGHTS: usize = 0;
/** The nets': inputs as they are told, then standardised; the experts' deviations; layers' sums; outputs; what is said. */
export let INPUTS: usize = 0;
export let STANDARD_INPUTS: usize = 0;
export let DEVIATIONS: usize = 0;
export let SHARED_SUMS: usize = 0;
export let FIRST_LAYER: usize = 0;
export let SECOND_LAYER: usize = 0;
export let OUTPUTS: usize = 0;
export let QUANTILES: usize = 0;
export let CLUSTER_SOLUTIONS: usize = 0;
/** The last values oldest first, f32, then a forecast's steps. */
export let LOG_WINDOW: usize = 0;
export let RAW_WINDOW: usize = 0;
/** What the fast week said of the last day's slots and of a forecast's steps, f32. */
export let SAID_WEEK: usize = 0;
/** The daily profile as a forecast supposes it, f32. */
export let DAY_PROFILE: usize = 0;

let next: usize = 0;

function take(bytes: usize): usize {
  const at = next;
  next += (bytes + 15) & ~15;
  return at;
}

/** Takes the scratch memory at `base`; returns how many bytes of it are used. */
export function openScratch(base: usize): u32 {
  next = base;
  MEAN = take(STEP_BYTES);
  LOWER = take(STEP_BYTES);
  UPPER = take(STEP_BYTES);
  SCALE = take(STEP_BYTES);
  COLUMNS = take(STEP_BYTES * COLUMN_MAX);
  BASE_SCALES = take(STEP_BYTES);
  CORRECTED_LOWER = take(STEP_BYTES);
  CORRECTED_UPPER = take(STEP_BYTES);
  STEPS = take(STEP_BYTES);
  WEIGHTS = take((<usize>COLUMN_MAX) << 3);
  FEATURES = take(VECTOR_BYTES);
  COLUMN = take(VECTOR_BYTES);
  SQUARES = take(VECTOR_BYTES);
  SOLUTION = take(VECTOR_BYTES);
  GAP = take(VECTOR_BYTES);
  CROSS = take(VECTOR_BYTES);
  COEFFICIENTS = take(VECTOR_BYTES);
  MOMENTS = take(TRIANGLE_BYTES);
  BRACKET = take(TRIANGLE_BYTES);
  QUOTIENT = take(TRIANGLE_BYTES);
  ROOT = take(TRIANGLE_BYTES);
  PRECISION = take(TRIANGLE_BYTES);
  CLUSTER_WEIGHTS = take((<usize>CLUSTER_MAX) << 3);
  FIRST_WEIGHTS = take((<usize>CLUSTER_MAX) << 3);
  INPUTS = take((<usize>INPUT_MAX) << 3);
  STANDARD_INPUTS = take((<usize>INPUT_MAX) << 3);
  DEVIATIONS = take((<usize>COLUMN_MAX) << 3);
  SHARED_SUMS = take((<usize>(MEMBER_MAX * HIDDEN_MAX)) << 3);
  FIRST_LAYER = take((<usize>HIDDEN_MAX) << 3);
  SECOND_LAYER = take((<usize>HIDDEN_MAX) << 3);
  OUTPUTS = take((<usize>HIDDEN_MAX) << 3);
  QUANTILES = take((<usize>HIDDEN_MAX) << 3);
  CLUSTER_SOLUTIONS = take(VECTOR_BYTES * CLUSTER_MAX);
  LOG_WINDOW = take(WINDOW_BYTES);
  RAW_WINDOW = take(WINDOW_BYTES);
  SAID_WEEK = take((<usize>(DAY_MAX + HORIZON_MAX)) << 2);
  DAY_PROFILE = take((<usize>DAY_MAX) << 2);
  return <u32>(next - base);
}
