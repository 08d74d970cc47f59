// One horizon: the level `steps` bins ahead (target 0) and the highest until then (target 1), both as log1p less the
// calendar's uplift, each with a conditional scale and the distribution of its residuals in units of that.
import { exponential, logarithm } from "../elementary";
import {
  DAY_SLOT_COUNT,
  DAY_SLOTS,
  EVERY,
  horizonBytes,
  KEEP_COUNT,
  KEEPS,
  LAST_BIN,
  LONG,
  LONG_KEEP,
  NEXT,
  REGRESSION,
  REGRESSION_KEEP,
  RESIDUAL_KEEP,
  RESIDUALS,
  SCALE_KEEP,
  SCALE_REGRESSION,
  SHORT,
  SHORT_KEEP,
  STEPS,
  UPDATES,
  WAITING,
  WAITING_BYTES,
  WAITING_CENTRES,
  WAITING_COUNT,
  WAITING_COUNT_MAX,
  WAITING_FEATURES,
  WAITING_HIGHEST,
  WAITING_LEVEL,
  WAITING_LOWER,
  WAITING_MEDIAN,
  WAITING_MEMBERS,
  WAITING_OWN,
  WAITING_PERSISTENCE,
  WAITING_SCALE_FEATURES,
  WAITING_SCALES,
  WAITING_SEASONAL,
  WAITING_SHARE,
  WAITING_SLOT,
  WAITING_UPPER,
  YIELDS,
} from "./horizon-layout";
import { INTERVAL_BYTES, INTERVAL_COUNT, INTERVAL_MEDIAN, INTERVAL_PROBABILITIES, INTERVAL_UPPER, narrowest, valueOf } from "./interval";
import { judgeForecast, mixPool } from "./judge";
import { beginLeastSquares, observeNews, predictTarget, setNews, solveLeastSquares } from "./least-squares";
import { beginResiduals, observeResidual, RESIDUAL_BYTES, residualQuantile, searchResiduals } from "./residuals";
import {
  FEATURE_COUNT,
  FEATURES,
  INTERVAL,
  MEMBERS,
  originBin,
  originHighest,
  originLeast,
  originLevel,
  originMost,
  originRestlessness,
  originSeasonal,
  originSlot,
  originUplift,
  originUpliftHere,
  SCALE_FEATURE_COUNT,
  SCALE_FEATURES,
  SCALE_LEAST,
} from "./state";

const MINUTE_MS: f64 = 60000;
/** How long each remembers, minutes, and for how many updates at least. */
const MEMORIES: usize = memory.data<f64>([30, 10, 1440, 100, 4320, 500, 28800, 500, 28800, 1000, 2880, 100, 10080, 100]);
const RESIDUALS_FIRST: f64 = 100;
const SCALE_INITIAL: f64 = 0.3;
const PRECISION: f64 = 1 / (0.3 * 0.3);
/** 1.2 is the variance of log |residual| about its mean. */
const SCALE_PRECISION: f64 = 1.2 / (0.3 * 0.3);
const KAPPA: f64 = 0.1;
const CLIP_SCALES: f64 = 5;
const CLIP_LEAST: f64 = 0.02;
const RANGE_SLACK: f64 = 1.5;
const BOUND_RATIO: f64 = 4;
const DAY_SLOT_RATE: f64 = 0.1;
const LATE_LABEL_RATIO: f64 = 1.0 / 8;
const CEILING_PER_FOLD: f64 = 0.12;
const TAIL_LEAST: f64 = 1e-6;

// What was forecast last, of the two targets.
let centre: f64 = 0;
let top: f64 = 0;
let scale: f64 = 1;
let topScale: f64 = 1;
let mixed: f64 = 0;
let ceiling: f64 = 0;

export function beginHorizon(horizon: usize, steps: u32, stepMs: f64): void {
  store<u32>(horizon, steps, STEPS);
  const every = clockOf(steps);
  store<u32>(horizon, every, EVERY);
  store<u32>(horizon, min(WAITING_COUNT_MAX, steps), WAITING_COUNT);
  const updateMs = <f64>every * stepMs;
  for (let index: usize = 0; index < KEEP_COUNT; index++) {
    const memoryMs = load<f64>(MEMORIES + (index << 4)) * MINUTE_MS;
    const updates = max(memoryMs / updateMs, load<f64>(MEMORIES + (index << 4), 8));
    store<f64>(horizon + (index << 3), exponential(-1 / updates), KEEPS);
  }
  store<f64>(horizon, logarithm(SCALE_INITIAL), SHORT);
  store<f64>(horizon, logarithm(SCALE_INITIAL), LONG);
  beginLeastSquares(horizon + REGRESSION, FEATURE_COUNT);
  beginLeastSquares(horizon + SCALE_REGRESSION, SCALE_FEATURE_COUNT);
  beginResiduals(horizon + RESIDUALS);
  beginResiduals(horizon + RESIDUALS + RESIDUAL_BYTES);
  dropWaiting(horizon);
}

// Coarse enough for the places, and of no common factor with an hour's 60 minutes: a clock that beat with what happens
// every five or ten of them would learn one phase of it.
function clockOf(steps: u32): u32 {
  let every = (steps + WAITING_COUNT_MAX - 1) / WAITING_COUNT_MAX;
  while (every > 1 && (every % 2 === 0 || every % 3 === 0 || every % 5 === 0)) every++;
  return every;
}

/** Forgets the forecasts that wait: the clock was set. */
export function dropWaiting(horizon: usize): void {
  const end = waitingEnd(horizon);
  for (let waiting = horizon + WAITING; waiting < end; waiting += WAITING_BYTES) store<f64>(waiting, NaN);
  store<f64>(horizon, NaN, LAST_BIN);
}

function waitingEnd(horizon: usize): usize {
  return horizon + horizonBytes(load<u32>(horizon, STEPS));
}

/** From the origin and the features that are set. */
export function forecastHorizon(horizon: usize): void {
  const long = load<f64>(horizon, LONG);
  const ofDay = load<f32>(horizon + DAY_SLOTS + ((<usize>originSlot) << 2));
  store<f32>(SCALE_FEATURES, 1);
  store<f32>(SCALE_FEATURES, <f32>load<f64>(horizon, SHORT), 4);
  store<f32>(SCALE_FEATURES, <f32>long, 8);
  store<f32>(SCALE_FEATURES, ofDay === 0 ? <f32>long : ofDay, 12);
  store<f32>(SCALE_FEATURES, <f32>originRestlessness, 16);
  store<f32>(SCALE_FEATURES, <f32>(originLevel / 5), 20);
  const bound = logarithm(BOUND_RATIO);
  for (let target: u32 = 0; target < 2; target++) {
    const said = originLevel + predictTarget(horizon + REGRESSION, FEATURE_COUNT, target, FEATURES);
    const size = predictTarget(horizon + SCALE_REGRESSION, SCALE_FEATURE_COUNT, target, SCALE_FEATURES);
    centre = top;
    scale = topScale;
    top = max<f64>(0, min(originMost + RANGE_SLACK, max(originLeast - RANGE_SLACK, said)));
    topScale = exponential(min(long + bound, max(long - bound, size)));
  }
  store<f32>(MEMBERS, <f32>centre);
  store<f32>(MEMBERS, <f32>originLevel, 4);
  store<f32>(MEMBERS, <f32>(originLevel + <f64>load<f32>(FEATURES, 4)), 8);
  store<f32>(MEMBERS, <f32>(originLevel + <f64>load<f32>(FEATURES, 8)), 12);
  mixed = mixPool(horizon);
  centre = load<u32>(horizon, YIELDS) !== 0 ? originLevel : mixed;
  ceiling = max(originHighest, max(centre, top));
}

/** Of the forecast just made, less the uplift, `spread` times as wide: the levels at `count` probabilities, f64 each; into `into`. */
export function writeLevels(horizon: usize, target: u32, probabilities: usize, count: u32, spread: f64, into: usize): void {
  searchResiduals(horizon + RESIDUALS + <usize>target * RESIDUAL_BYTES);
  const middle = target === 0 ? centre : top;
  const width = spread * (target === 0 ? scale : topScale);
  for (let at: usize = 0; at < (<usize>count) << 3; at += 8) {
    const p = min(1 - TAIL_LEAST, max(TAIL_LEAST, load<f64>(probabilities + at)));
    store<f64>(into + at, min(middle + width * residualQuantile(p), ceiling - CEILING_PER_FOLD * logarithm(1 - p)));
  }
}

/** Keeps the forecast just made, where it is time for one to learn from. */
export function issueForecast(horizon: usize): void {
  if (originBin < load<f64>(horizon, LAST_BIN) + <f64>load<u32>(horizon, EVERY)) return;
  store<f64>(horizon, originBin, LAST_BIN);
  const place = min(load<u32>(horizon, NEXT), WAITING_COUNT_MAX - 1) % min(WAITING_COUNT_MAX, load<u32>(horizon, STEPS));
  store<u32>(horizon, (place + 1) % load<u32>(horizon, WAITING_COUNT), NEXT);
  const waiting = horizon + WAITING + <usize>place * WAITING_BYTES;
  store<f64>(waiting, originBin);
  memory.copy(waiting + WAITING_FEATURES, FEATURES, (<usize>FEATURE_COUNT) << 2);
  memory.copy(waiting + WAITING_SCALE_FEATURES, SCALE_FEATURES, (<usize>SCALE_FEATURE_COUNT) << 2);
  memory.copy(waiting + WAITING_MEMBERS, MEMBERS, 16);
  store<f32>(waiting, <f32>originLevel, WAITING_LEVEL);
  store<f32>(waiting, <f32>centre, WAITING_CENTRES);
  store<f32>(waiting, <f32>top, WAITING_CENTRES + 4);
  store<f32>(waiting, <f32>scale, WAITING_SCALES);
  store<f32>(waiting, <f32>topScale, WAITING_SCALES + 4);
  store<f32>(waiting, 0, WAITING_HIGHEST);
  store<f32>(waiting, <f32>originSlot, WAITING_SLOT);
  writeLevels(horizon, 0, INTERVAL_PROBABILITIES, INTERVAL_COUNT, 1, INTERVAL);
  for (let at: usize = 0; at < INTERVAL_BYTES; at += 8) store<f64>(INTERVAL + at, load<f64>(INTERVAL + at) + originUplift);
  const lower = narrowest(INTERVAL);
  const median = <f32>load<f64>(INTERVAL, INTERVAL_MEDIAN);
  store<f32>(waiting, median, WAITING_MEDIAN);
  store<f32>(waiting, load<u32>(horizon, YIELDS) !== 0 ? <f32>(mixed + originUplift) : median, WAITING_OWN);
  store<f32>(waiting, <f32>load<f64>(INTERVAL + lower), WAITING_LOWER);
  store<f32>(waiting, <f32>load<f64>(INTERVAL + lower, INTERVAL_UPPER), WAITING_UPPER);
  store<f32>(waiting, <f32>load<f64>(INTERVAL_PROBABILITIES + lower), WAITING_SHARE);
  store<f32>(waiting, <f32>(originLevel + originUpliftHere), WAITING_PERSISTENCE);
  store<f32>(waiting, <f32>originSeasonal, WAITING_SEASONAL);
}

/** Bin `bin` had `level`, the calendar's `uplift` not in it. */
export function observeHorizon(horizon: usize, bin: f64, level: f64, uplift: f64): void {
  const steps = <f64>load<u32>(horizon, STEPS);
  const end = waitingEnd(horizon);
  let isNew = false;
  for (let waiting = horizon + WAITING; waiting < end; waiting += WAITING_BYTES) {
    const age = bin - load<f64>(waiting);
    if (isNaN(age)) continue;
    store<f32>(waiting, <f32>max(<f64>load<f32>(waiting, WAITING_HIGHEST), level), WAITING_HIGHEST);
    if (age < steps) continue;
    store<f64>(waiting, NaN);
    // After a gap there is no label.
    if (age > steps * (1 + LATE_LABEL_RATIO)) continue;
    learn(horizon, waiting, level);
    judgeForecast(horizon, waiting, valueOf(level + uplift), uplift);
    isNew = true;
  }
  if (!isNew) return;
  solveLeastSquares(horizon + REGRESSION, FEATURE_COUNT, PRECISION);
  solveLeastSquares(horizon + SCALE_REGRESSION, SCALE_FEATURE_COUNT, SCALE_PRECISION);
}

function learn(horizon: usize, waiting: usize, level: f64): void {
  const before = <f64>load<f32>(waiting, WAITING_LEVEL);
  const ownSaid = <f64>load<f32>(waiting, WAITING_MEMBERS);
  const topSaid = <f64>load<f32>(waiting, WAITING_CENTRES + 4);
  const scaleSaid = <f64>load<f32>(waiting, WAITING_SCALES);
  const topScaleSaid = <f64>load<f32>(waiting, WAITING_SCALES + 4);
  const error = level - <f64>load<f32>(waiting, WAITING_CENTRES);
  const topError = <f64>load<f32>(waiting, WAITING_HIGHEST) - topSaid;
  const first = ownSaid + clip(level - ownSaid, scaleSaid) - before;
  const second = topSaid + clip(topError, topScaleSaid) - before;
  setNews(waiting + WAITING_FEATURES, KAPPA / (scaleSaid * scaleSaid), first, second);
  observeNews(horizon + REGRESSION, FEATURE_COUNT, load<f64>(horizon, REGRESSION_KEEP));
  const size = logarithm(abs(error) + SCALE_LEAST);
  setNews(waiting + WAITING_SCALE_FEATURES, 1, size, logarithm(abs(topError) + SCALE_LEAST));
  observeNews(horizon + SCALE_REGRESSION, SCALE_FEATURE_COUNT, load<f64>(horizon, SCALE_KEEP));
  const seen = load<f64>(horizon, UPDATES);
  // At first it remembers less, lest what was said before anything was learned stay.
  const growth = max(1 / load<f64>(horizon, RESIDUAL_KEEP), 1 + 1 / (RESIDUALS_FIRST + seen / 2));
  observeResidual(horizon + RESIDUALS, error / scaleSaid, growth);
  observeResidual(horizon + RESIDUALS + RESIDUAL_BYTES, topError / topScaleSaid, growth);
  const updates = seen + 1;
  store<f64>(horizon, updates, UPDATES);
  const atFirst = 1 / (updates + 1);
  const short = load<f64>(horizon, SHORT);
  const long = load<f64>(horizon, LONG);
  store<f64>(horizon, short + max(atFirst, 1 - load<f64>(horizon, SHORT_KEEP)) * (size - short), SHORT);
  store<f64>(horizon, long + max(atFirst, 1 - load<f64>(horizon, LONG_KEEP)) * (size - long), LONG);
  const slot = min(DAY_SLOT_COUNT - 1, <u32>load<f32>(waiting, WAITING_SLOT));
  const slotAt = horizon + DAY_SLOTS + ((<usize>slot) << 2);
  const ofDay = <f64>load<f32>(slotAt);
  store<f32>(slotAt, <f32>(ofDay === 0 ? size : ofDay + DAY_SLOT_RATE * (size - ofDay)));
}

function clip(error: f64, size: f64): f64 {
  const most = CLIP_SCALES * size + CLIP_LEAST;
  return min(most, max(-most, error));
}
