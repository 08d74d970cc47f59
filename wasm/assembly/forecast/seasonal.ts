// The seasonal forecaster on a grid of slots (hours, for a service): a mixture of regressions by empirical Bayes, double
// seasonal smoothers and the day before, weighed by what each said about the last days.
//
// Memory: a model's table that all forecasters of a kind share (model.ts), a state of its own per forecaster (8-aligned;
// seasonalBytes says how large: 16 to 24 KiB), and one scratch memory for all of an instance (scratch.ts).
//
// Promise: whatever was observed, 0 ≤ lower ≤ mean ≤ upper < ∞, and no NaN; no state reads or writes outside itself; the
// same observations give the same bits on every engine and in the twin (wasm/reference/forecast/), which asks only for
// IEEE 754 in the order that is written here. A forecast changes nothing.
// Mathematics, sources and figures: docs/design/forecasting.md.
import { exponentialLessOne, logOnePlus } from "./elementary";
import { beginJudged, expected, issue, judge, weigh, writeScales } from "./judged";
import {
  countAt,
  day,
  expertCount,
  extremesAt,
  forgetting,
  hourOf,
  issueEvery,
  judgedSteps,
  lagMax,
  LAST_DAY,
  logCentreOf,
  open,
  rawCentreOf,
  RAW_RING,
  regressionCount,
  regressions,
  setCentres,
  setHour,
  smootherCount,
  valueMax,
  week,
} from "./model";
import { beginRegressions, forecastRegression, isRawRegression, observeMoments, openRegression, solveRegression } from "./regression";
import { FORECASTS, HORIZON_MAX, LOG_WINDOW, LOWER, MEAN, openScratch, SCALE, STEP_BYTES, STEPS, UPPER, WEIGHTS } from "./scratch";
import { beginDescription, describe, observeSignals } from "./signal";
import { beginSmoother, forecastSmoother, observeSmoother, openSmoother } from "./smoother";

/** Half a width in logs; e³⁰ is more than any margin that could be used. */
const HALF_MAX: f64 = 30;

/** Bytes of a state under this model. */
export function seasonalBytes(table: usize): u32 {
  return open(table, 0);
}

/** Bytes of scratch memory. */
export function seasonalScratchBytes(): u32 {
  return openScratch(0);
}

export function seasonalInit(table: usize, state: usize): void {
  assert((state & 7) === 0 && (table & 7) === 0);
  memory.fill(state, 0, open(table, state));
  for (let raw = 0; raw < 2; raw++) {
    store<f64>(extremesAt(raw === 1), Infinity);
    store<f64>(extremesAt(raw === 1), -Infinity, 8);
  }
  setCentres(0, 1);
  beginJudged();
}

/** The next slot's value; NaN or an infinity where it is missing. */
export function seasonalObserve(table: usize, state: usize, scratch: usize, value: f64): void {
  open(table, state);
  openScratch(scratch);
  const hour = hourOf();
  const isKnown = abs(value) < Infinity;
  const seen = isKnown ? min(valueMax(), max<f64>(0, value)) : imputed(hour);
  // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
  if (isKnown) judge(hour, seen);
  learn(hour, seen);
  if (hourOf() % issueEvery !== 0 || hourOf() < day) return;
  mix(judgedSteps, true);
  issue(hourOf());
}

function imputed(hour: u32): f64 {
  const said = expected(hour);
  return said === said ? said : repeated(0);
}

function learn(hour: u32, value: f64): void {
  store<f32>(LAST_DAY + ((<usize>(hour % day)) << 2), <f32>value);
  if (hour < week) {
    // The scale is known after a week; until then the raw ring has the values themselves.
    store<f32>(RAW_RING + ((<usize>hour) << 2), <f32>value);
    if (hour + 1 === week) begin();
    setHour(hour + 1);
    return;
  }
  const log = logOnePlus(value) - logCentreOf();
  const raw = value / rawCentreOf() - 1;
  if (hour > lagMax) {
    beginDescription();
    describe(false, 0);
    observeMoments(false, log);
    describe(true, 0);
    observeMoments(true, raw);
    store<f64>(countAt(), forgetting() * load<f64>(countAt()) + 1);
  }
  for (let smoother: u32 = 0; smoother < smootherCount; smoother++) {
    openSmoother(smoother);
    observeSmoother(hour, log);
  }
  observeSignals(hour, log, raw);
  setHour(hour + 1);
}

function begin(): void {
  let sum: f64 = 0;
  for (let hour: u32 = 0; hour < week; hour++) sum += logOnePlus(<f64>load<f32>(RAW_RING + ((<usize>hour) << 2)));
  const centre = sum / <f64>week;
  const rawCentre = max<f64>(1, exponentialLessOne(centre));
  setCentres(centre, rawCentre);
  for (let hour: u32 = 0; hour < week; hour++) {
    const value = <f64>load<f32>(RAW_RING + ((<usize>hour) << 2));
    const log = logOnePlus(value) - centre;
    store<f32>(LOG_WINDOW + ((<usize>hour) << 2), <f32>log);
    observeSignals(hour, log, value / rawCentre - 1);
  }
  for (let smoother: u32 = 0; smoother < smootherCount; smoother++) {
    openSmoother(smoother);
    beginSmoother();
  }
}

/** Writes mean, lower, upper and scale of the coming steps to the beginning of `scratch`; `width` is half an interval's in scales. */
export function seasonalForecast(table: usize, state: usize, scratch: usize, horizon: u32, width: f64): void {
  assert(horizon >= 1 && horizon <= HORIZON_MAX && width >= 0);
  open(table, state);
  openScratch(scratch);
  mix(horizon, false);
  writeScales(horizon, hourOf());
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    const mean = load<f64>(MEAN + at);
    const half = min(HALF_MAX, width * load<f64>(SCALE + at));
    store<f64>(LOWER + at, max<f64>(0, min(mean, exponentialLessOne(logOnePlus(mean) - half))));
    store<f64>(UPPER + at, max(mean, exponentialLessOne(logOnePlus(mean) + half)));
  }
}

// Every expert's steps, and their mixture.
function mix(horizon: u32, isKept: bool): void {
  const naive = FORECASTS + <usize>(expertCount - 1) * STEP_BYTES;
  for (let step: u32 = 0; step < horizon; step++) store<f64>(naive + ((<usize>step) << 3), repeated(step));
  beginDescription();
  forecastRegressions(horizon, isKept, naive);
  for (let smoother: u32 = 0; smoother < smootherCount; smoother++) {
    const into = FORECASTS + <usize>(regressionCount + smoother) * STEP_BYTES;
    if (hourOf() < week) {
      memory.copy(into, naive, (<usize>horizon) << 3);
      continue;
    }
    openSmoother(smoother);
    forecastSmoother(horizon);
    writeValues(into, horizon, false, naive);
  }
  weigh();
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    let sum: f64 = 0;
    for (let expert: u32 = 0; expert < expertCount; expert++)
      sum += load<f64>(WEIGHTS + ((<usize>expert) << 3)) * load<f64>(FORECASTS + <usize>expert * STEP_BYTES + at);
    store<f64>(MEAN + at, sum);
  }
}

function forecastRegressions(horizon: u32, isKept: bool, naive: usize): void {
  const isReady = hourOf() > lagMax + 1;
  let at = regressions;
  beginRegressions();
  for (let regression: u32 = 0; regression < regressionCount; regression++) {
    const into = FORECASTS + <usize>regression * STEP_BYTES;
    if (!isReady) {
      memory.copy(into, naive, (<usize>horizon) << 3);
      continue;
    }
    at = openRegression(at);
    solveRegression(isKept);
    forecastRegression(horizon);
    writeValues(into, horizon, isRawRegression(), naive);
  }
}

// From an expert's scale to values. An expert that lost its way says what the day before says.
function writeValues(into: usize, horizon: u32, isRaw: bool, naive: usize): void {
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    const said = load<f64>(STEPS + at);
    const value = isRaw ? (said + 1) * rawCentreOf() : exponentialLessOne(said + logCentreOf());
    store<f64>(into + at, value === value ? min(valueMax(), max<f64>(0, value)) : load<f64>(naive + at));
  }
}

/** The same slot yesterday; the last value where there is no yesterday, and 0 where there is no value. */
function repeated(step: u32): f64 {
  const hour = hourOf();
  if (hour === 0) return 0;
  return <f64>load<f32>(LAST_DAY + ((<usize>((hour < day ? hour - 1 : hour + step) % day)) << 2));
}
