// The series' last values in both scales, its extremes, and its smoothed week and day: what the regressions look at.
import { logOnePlus } from "./elementary";
import {
  day,
  extremesAt,
  hourOf,
  interceptFeature,
  lagMax,
  LOG_RING,
  logCentreOf,
  logLagCount,
  logLags,
  clampRatio,
  PROFILE_COUNT,
  PROFILES,
  rawLagCount,
  rawLags,
  RAW_RING,
  SAID_RING,
  saidAt,
  week,
} from "./model";
import { DAY_PROFILE, FEATURES, LOG_WINDOW, RAW_WINDOW, SAID_WEEK } from "./scratch";

const FAST_RATE: f64 = 0.3;
const SLOW_RATE: f64 = 0.1;

// What the profiles said of the slot before the one that is described; `suppose` moves it along a forecast.
let saidWeekSlow: f32 = 0;
let saidDay: f32 = 0;

function weekFastAt(hour: u32): usize {
  return PROFILES + ((<usize>(hour % week)) << 2);
}

function weekSlowAt(hour: u32): usize {
  return PROFILES + ((<usize>(week + (hour % week))) << 2);
}

function dayAt(slot: u32): usize {
  return PROFILES + ((<usize>(2 * week + slot)) << 2);
}

/** Begins with what was seen, for a description of what follows. */
export function beginDescription(): void {
  const hour = hourOf();
  unroll(LOG_RING, LOG_WINDOW, lagMax, hour);
  unroll(RAW_RING, RAW_WINDOW, lagMax, hour);
  unroll(SAID_RING, SAID_WEEK, day, hour);
  beginSupposition();
}

/** The daily profile again as it is, without what a forecast supposed. */
export function beginSupposition(): void {
  memory.copy(DAY_PROFILE, dayAt(0), (<usize>day) << 2);
  saidWeekSlow = load<f32>(saidAt());
  saidDay = load<f32>(saidAt(), 4);
}

// Oldest first.
function unroll(ring: usize, into: usize, length: u32, hour: u32): void {
  const newest = (<usize>(hour % length)) << 2;
  const older = ((<usize>length) << 2) - newest;
  memory.copy(into, ring + newest, older);
  memory.copy(into + older, ring, newest);
}

/** Writes the features of the slot `step` steps ahead (0: the next one) of the logs, or of the raw scale. */
export function describe(isRaw: bool, step: u32): void {
  const lagCount = isRaw ? rawLagCount : logLagCount;
  const lags = isRaw ? rawLags : logLags;
  const window = isRaw ? RAW_WINDOW : LOG_WINDOW;
  for (let index: u32 = 0; index < lagCount; index++) {
    const lag = <u32>load<f64>(lags + ((<usize>index) << 3));
    setFeature(index, load<f32>(window + ((<usize>(lagMax + step - lag)) << 2)));
  }
  if (!isRaw) describeProfiles(lagCount, step);
  store<f64>(FEATURES + ((<usize>(isRaw ? lagCount : lagCount + PROFILE_COUNT)) << 3), interceptFeature());
}

// Those of earlier slots are what the profiles said before the slot was seen, so that learning and forecasting mean the
// same by them.
function describeProfiles(at: u32, step: u32): void {
  const hour = hourOf() + step;
  const slot = (<usize>(hour % day)) << 2;
  const fast = load<f32>(weekFastAt(hour));
  store<f32>(SAID_WEEK + ((<usize>(day + step)) << 2), fast);
  setFeature(at, fast);
  setFeature(at + 1, load<f32>(SAID_WEEK + ((<usize>(day + step - 1)) << 2)));
  setFeature(at + 2, load<f32>(SAID_WEEK + ((<usize>step) << 2)));
  setFeature(at + 3, load<f32>(weekSlowAt(hour)));
  setFeature(at + 4, saidWeekSlow);
  setFeature(at + 5, load<f32>(DAY_PROFILE + slot));
  setFeature(at + 6, saidDay);
}

function setFeature(index: u32, value: f32): void {
  store<f64>(FEATURES + ((<usize>index) << 3), <f64>value);
}

/** The slow week's value, and the day's, of the slot `step` steps ahead. */
export function weekAhead(step: u32): f64 {
  return <f64>load<f32>(weekSlowAt(hourOf() + step));
}
export function dayAhead(step: u32): f64 {
  return <f64>load<f32>(dayAt((hourOf() + step) % day));
}

/** ln(1 + value) of `lag` slots before the next one; 0 where nothing was seen. */
export function seen(lag: u32): f64 {
  const hour = hourOf();
  if (hour === 0) return 0;
  const slot = (<usize>((hour - lag) % lagMax)) << 2;
  if (hour < week) return logOnePlus(<f64>load<f32>(RAW_RING + slot));
  return max<f64>(0, <f64>load<f32>(LOG_RING + slot) + logCentreOf());
}

/**
 * Holds a forecast's step to the range of the history and 30 % of it on each side, takes it in as if it had been seen,
 * and returns it.
 */
export function suppose(isRaw: bool, step: u32, value: f64): f64 {
  const least = load<f64>(extremesAt(isRaw));
  const most = load<f64>(extremesAt(isRaw), 8);
  const slack = clampRatio() * (most - least);
  const kept = min(most + slack, max(least - slack, value));
  store<f32>((isRaw ? RAW_WINDOW : LOG_WINDOW) + ((<usize>(lagMax + step)) << 2), <f32>kept);
  if (isRaw) return kept;
  const hour = hourOf() + step;
  const slot = (<usize>(hour % day)) << 2;
  saidWeekSlow = load<f32>(weekSlowAt(hour));
  saidDay = load<f32>(DAY_PROFILE + slot);
  blend(DAY_PROFILE + slot, kept, SLOW_RATE);
  return kept;
}

/** Takes in the value of slot `hour` in both scales. */
export function observeSignals(hour: u32, logValue: f64, rawValue: f64): void {
  const slot = (<usize>(hour % lagMax)) << 2;
  store<f32>(LOG_RING + slot, <f32>logValue);
  store<f32>(RAW_RING + slot, <f32>rawValue);
  extend(extremesAt(false), logValue);
  extend(extremesAt(true), rawValue);
  const ofDay = dayAt(hour % day);
  store<f32>(SAID_RING + ((<usize>(hour % day)) << 2), load<f32>(weekFastAt(hour)));
  store<f32>(saidAt(), load<f32>(weekSlowAt(hour)));
  store<f32>(saidAt(), load<f32>(ofDay), 4);
  // A running mean at first.
  const weekly = 1 / <f64>(hour / week + 1);
  const daily = 1 / <f64>(hour / day + 1);
  blend(weekFastAt(hour), logValue, max(weekly, FAST_RATE));
  blend(weekSlowAt(hour), logValue, max(weekly, SLOW_RATE));
  blend(ofDay, logValue, max(daily, SLOW_RATE));
}

function extend(extremes: usize, value: f64): void {
  store<f64>(extremes, min(load<f64>(extremes), value));
  store<f64>(extremes, max(load<f64>(extremes, 8), value), 8);
}

function blend(at: usize, value: f64, rate: f64): void {
  const before = <f64>load<f32>(at);
  store<f32>(at, <f32>(before + rate * (value - before)));
}
