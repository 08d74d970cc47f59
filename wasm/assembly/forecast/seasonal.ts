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
import { correct } from "./correction";
import { beginJudged, dailyLoss, expected, issue, judge } from "./judged";
import { writeErrorScales } from "./error-scales";
import { lossOf, mixColumn, weighByLoss } from "./mixture";
import {
  baseColumn,
  choiceCount,
  choiceEta,
  choices,
  columnCount,
  correctFrom,
  countAt,
  dailyCountOf,
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
  yieldCount,
} from "./model";
import { beginRegressions, beginShares, forecastRegression, observeMoments, openRegression, solveRegression } from "./regression";
import {
  BASE_SCALES,
  CLUSTER_MAX,
  CLUSTER_WEIGHTS,
  COLUMNS,
  CORRECTED_LOWER,
  CORRECTED_UPPER,
  FIRST_WEIGHTS,
  HORIZON_MAX,
  LOG_WINDOW,
  LOWER,
  MEAN,
  openScratch,
  SCALE,
  STEP_BYTES,
  STEPS,
  UPPER,
  WEIGHTS,
} from "./scratch";
import { beginDescription, describe, observeSignals, seen } from "./signal";
import { beginSmoother, forecastSmoother, observeSmoother, openSmoother } from "./smoother";

/** Half a width in logs; e³⁰ is more than any margin that could be used. */
const HALF_MAX: f64 = 30;
/** Column, share, half a width. */
const CHOICE_BYTES: usize = 24;

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
  beginRegressions(false);
  beginShares();
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
  // Only daily origins judge what the nets correct.
  forecastColumns(judgedSteps, true, hourOf() % day === 0);
  issue(hourOf());
}

function imputed(): f64 {
  const said = expected(columnCount - 1, hourOf());
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
 * Writes mean, lower, upper and scale of the coming steps to the beginning of `scratch`, by one of the model's choices; by all,
 * weighed by what each has lost of late, where `choice` is no place among them. The interval is that of the heaviest choice, in logs,
 * moved to the mean of all (averaged, the worse ones would widen the better) and `ratio` times as wide as of 95 %.
 */
export function seasonalForecast(table: usize, state: usize, scratch: usize, horizon: u32, choice: u32, ratio: f64): void {
  assert(horizon >= 1 && horizon <= HORIZON_MAX && ratio >= 0);
  open(table, state);
  openScratch(scratch);
  forecastColumns(horizon, false, true);
  weighChoices(choice);
  const heaviest = choices + <usize>heaviestChoice() * CHOICE_BYTES;
  const column = <u32>load<f64>(heaviest);
  const half = load<f64>(heaviest, 16);
  const says = COLUMNS + <usize>column * STEP_BYTES;
  const isCorrected = isCorrecting() && column === columnCount - 1;
  writeErrorScales(column, horizon, SCALE);
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    const log = chosenAt(at);
    const margin = min(HALF_MAX, half * load<f64>(SCALE + at));
    const below = isCorrected ? load<f64>(says + at) - load<f64>(CORRECTED_LOWER + at) : margin;
    const above = isCorrected ? load<f64>(CORRECTED_UPPER + at) - load<f64>(says + at) : margin;
    const mean = max<f64>(0, exponentialLessOne(log));
    store<f64>(MEAN + at, mean);
    store<f64>(LOWER + at, min(mean, max<f64>(0, exponentialLessOne(log - ratio * below))));
    store<f64>(UPPER + at, max(mean, exponentialLessOne(log + ratio * above)));
  }
}

function heaviestChoice(): u32 {
  let heaviest: u32 = 0;
  for (let index: u32 = 1; index < choiceCount; index++)
    if (load<f64>(WEIGHTS + ((<usize>index) << 3)) > load<f64>(WEIGHTS + ((<usize>heaviest) << 3))) heaviest = index;
  return heaviest;
}

/** What all choices say of a step, in logs. */
function chosenAt(at: usize): f64 {
  let sum: f64 = 0;
  for (let index: u32 = 0; index < choiceCount; index++) {
    const column = <u32>load<f64>(choices + <usize>index * CHOICE_BYTES);
    sum += load<f64>(WEIGHTS + ((<usize>index) << 3)) * load<f64>(COLUMNS + <usize>column * STEP_BYTES + at);
  }
  return sum;
}

function weighChoices(choice: u32): void {
  const yielded = yieldedChoice();
  const only = choice < choiceCount ? choice : yielded;
  if (only < choiceCount) {
    for (let index: u32 = 0; index < choiceCount; index++) store<f64>(WEIGHTS + ((<usize>index) << 3), index === only ? 1 : 0);
    return;
  }
  for (let index: u32 = 0; index < choiceCount; index++)
    store<f64>(WEIGHTS + ((<usize>index) << 3), lossOf(<u32>load<f64>(choices + <usize>index * CHOICE_BYTES)));
  weighByLoss(choiceCount, choices + 8, CHOICE_BYTES, choiceEta());
}

/**
 * The only one that is to speak, or choiceCount: until something has matured the first, all there is to say; and the last value,
 * where all mixtures have lost to it over a week.
 */
function yieldedChoice(): u32 {
  if (dailyCountOf() === 0) return 0;
  if (dailyCountOf() < yieldCount()) return choiceCount;
  const last = dailyLoss(expertCount - 1, yieldCount());
  let yielded = choiceCount;
  for (let index: u32 = 0; index < choiceCount; index++) {
    const column = <u32>load<f64>(choices + <usize>index * CHOICE_BYTES);
    if (column === expertCount - 1) yielded = index;
    else if (column >= expertCount && !(last < dailyLoss(column, yieldCount()))) return choiceCount;
  }
  return yielded;
}

function isCorrecting(): bool {
  return correctFrom > 0 && hourOf() >= correctFrom;
}

// Every expert's steps, then every mixture's.
function forecastColumns(horizon: u32, isKept: bool, isCorrected: bool): void {
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
  if (correctFrom === 0) return;
  writeErrorScales(baseColumn(), horizon, BASE_SCALES);
  if (isCorrected && isCorrecting()) correct(horizon);
  else {
    const base = COLUMNS + <usize>baseColumn() * STEP_BYTES;
    memory.copy(base + STEP_BYTES, base, (<usize>horizon) << 3);
  }
}

function forecastRegressions(horizon: u32, isKept: bool, yesterday: usize): void {
  const isReady = hourOf() > lagMax;
  let at = regressions;
  beginRegressions(true);
  for (let regression: u32 = 0; regression < logRegressionCount + rawRegressionCount; regression++) {
    const into = COLUMNS + <usize>regression * STEP_BYTES;
    if (!isReady) {
      memory.copy(into, yesterday, (<usize>horizon) << 3);
      continue;
    }
    const isRaw = regression >= logRegressionCount;
    at = openRegression(at, isRaw);
    solveRegression(isKept);
    if (regression === 0) memory.copy(FIRST_WEIGHTS, CLUSTER_WEIGHTS, (<usize>CLUSTER_MAX) << 3);
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
