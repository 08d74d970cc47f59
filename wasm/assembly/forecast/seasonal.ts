// The seasonal forecaster on a grid of slots (hours, for a service): a mixture of regressions by empirical Bayes, double
// seasonal smoothers and the day before, weighed by what each said about the last days. Several mixtures of the same experts stand side by side.
//
// Memory: a model's table that all forecasters of a kind share (model.ts), a state of its own per forecaster (8-aligned;
// seasonalBytes says how large: 16 to 24 KiB), and one scratch memory for all of an instance (scratch.ts).
//
// Promise: whatever was observed, 0 ≤ lower ≤ mean ≤ upper < ∞, and no NaN; no state reads or writes outside itself; the
// same observations give the same bits on every engine and in the twin (wasm/reference/forecast/), which asks only for
// IEEE 754 in the order that is written here. A forecast changes nothing.
// Mathematics, sources and figures: docs/design/forecasting.md.
import { exponentialLessOne, logOnePlus } from "./elementary";
import { beginJudged, dailyLoss, expected, issue, judge } from "./judged";
import { halfWidth, mixColumn, writeScales } from "./mixture";
import {
  countAt,
  dailyCountOf,
  dailyRows,
  day,
  expertCount,
  extremesAt,
  forgetting,
  hourOf,
  issueEvery,
  judgedSteps,
  lagMax,
  logCentreOf,
  logRegressionCount,
  mixtureCount,
  open,
  rawCentreOf,
  RAW_RING,
  rawRegressionCount,
  regressions,
  setCentres,
  setHour,
  smootherCount,
  valueMax,
  week,
} from "./model";
import { beginRegressions, forecastRegression, observeMoments, openRegression, solveRegression } from "./regression";
import { COLUMNS, HORIZON_MAX, LOG_WINDOW, LOWER, MEAN, openScratch, SCALE, STEP_BYTES, STEPS, UPPER } from "./scratch";
import { beginDescription, describe, observeSignals, seen } from "./signal";
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
  const isKnown = abs(value) < Infinity;
  const held = isKnown ? min(valueMax(), max<f64>(0, value)) : imputed();
  // What was not seen judges nobody: imputed, it agrees with the mixture that imputed it.
  if (isKnown) judge(hourOf(), logOnePlus(held));
  learn(hourOf(), held);
  if (hourOf() % issueEvery !== 0 || hourOf() < day) return;
  forecastColumns(judgedSteps, true);
  issue(hourOf());
}

function imputed(): f64 {
  const said = expected(expertCount + mixtureCount - 1, hourOf());
  return exponentialLessOne(said === said ? said : seen(1));
}

function learn(hour: u32, value: f64): void {
  if (hour < week) {
    // The scale is known after a week; until then the raw ring has the values themselves.
    store<f32>(RAW_RING + ((<usize>hour) << 2), <f32>value);
    if (hour + 1 === week) begin();
    setHour(hour + 1);
    return;
  }
  const log = logOnePlus(value) - logCentreOf();
  const raw = value / rawCentreOf() - 1;
  if (hour >= lagMax) {
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

/**
 * Writes mean, lower, upper and scale of the coming steps, by one of the model's mixtures, to the beginning of `scratch`; the
 * interval is `ratio` times as wide in logs as that of 95 %.
 */
export function seasonalForecast(table: usize, state: usize, scratch: usize, horizon: u32, mixture: u32, ratio: f64): void {
  assert(horizon >= 1 && horizon <= HORIZON_MAX && ratio >= 0);
  open(table, state);
  openScratch(scratch);
  assert(mixture < mixtureCount);
  forecastColumns(horizon, false);
  writeScales(mixture, horizon);
  const column = COLUMNS + <usize>(expertCount + mixture) * STEP_BYTES;
  const width = ratio * halfWidth(mixture);
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    const log = load<f64>(column + at);
    const half = min(HALF_MAX, width * load<f64>(SCALE + at));
    const mean = exponentialLessOne(log);
    store<f64>(MEAN + at, mean);
    store<f64>(LOWER + at, max<f64>(0, min(mean, exponentialLessOne(log - half))));
    store<f64>(UPPER + at, max(mean, exponentialLessOne(log + half)));
  }
}

/** The mixture that has lost least over the last matured daily origins; the last of the model before there is one, or where they are equal. */
export function seasonalBest(table: usize, state: usize): u32 {
  open(table, state);
  let best = mixtureCount - 1;
  if (dailyCountOf() === 0) return best;
  for (let mixture: u32 = 0; mixture < mixtureCount; mixture++)
    if (dailyLoss(expertCount + mixture, dailyRows) <= dailyLoss(expertCount + best, dailyRows)) best = mixture;
  return best;
}

// Every expert's steps, then every mixture's.
function forecastColumns(horizon: u32, isKept: bool): void {
  const yesterday = COLUMNS + <usize>(expertCount - 2) * STEP_BYTES;
  const last = seen(1);
  for (let step: u32 = 0; step < horizon; step++) {
    store<f64>(yesterday + ((<usize>step) << 3), hourOf() < day ? last : seen(day - (step % day)));
    store<f64>(yesterday + STEP_BYTES + ((<usize>step) << 3), last);
  }
  beginDescription();
  forecastRegressions(horizon, isKept, yesterday);
  for (let smoother: u32 = 0; smoother < smootherCount; smoother++) {
    const into = COLUMNS + <usize>(logRegressionCount + rawRegressionCount + smoother) * STEP_BYTES;
    if (hourOf() <= week) {
      memory.copy(into, yesterday, (<usize>horizon) << 3);
      continue;
    }
    openSmoother(smoother);
    forecastSmoother(horizon);
    writeColumn(into, horizon, false, yesterday);
  }
  for (let mixture: u32 = 0; mixture < mixtureCount; mixture++) mixColumn(mixture, horizon);
}

function forecastRegressions(horizon: u32, isKept: bool, yesterday: usize): void {
  const isReady = hourOf() > lagMax;
  let at = regressions;
  beginRegressions();
  for (let regression: u32 = 0; regression < logRegressionCount + rawRegressionCount; regression++) {
    const into = COLUMNS + <usize>regression * STEP_BYTES;
    if (!isReady) {
      memory.copy(into, yesterday, (<usize>horizon) << 3);
      continue;
    }
    const isRaw = regression >= logRegressionCount;
    at = openRegression(at, isRaw);
    solveRegression(isKept);
    forecastRegression(horizon);
    writeColumn(into, horizon, isRaw, yesterday);
  }
}

// From an expert's scale to ln(1 + value). An expert that lost its way says what the day before says.
function writeColumn(into: usize, horizon: u32, isRaw: bool, yesterday: usize): void {
  const logMax = logOnePlus(valueMax());
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    const said = load<f64>(STEPS + at);
    const log = isRaw ? logOnePlus(max<f64>(0, (said + 1) * rawCentreOf())) : said + logCentreOf();
    store<f64>(into + at, log === log ? min(logMax, max<f64>(0, log)) : load<f64>(yesterday + at));
  }
}
