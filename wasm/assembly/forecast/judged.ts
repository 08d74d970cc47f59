// The forecasts that wait for their slots, and what the slots that came said about them. Every issued mixture waits; the
// experts of every second one.
import { exponential, logOnePlus } from "./elementary";
import {
  DAILY_LOSSES,
  dailyCountOf,
  ERRORS,
  eta,
  expertCount,
  issueEvery,
  JUDGING_COUNT,
  judgedSteps,
  longCount,
  longShare,
  LOSSES,
  MATURED,
  maturedCountOf,
  MIXTURES,
  originCount,
  ORIGINS,
  PENDING_COUNT,
  pendingShare,
  recentCount,
  recentShare,
  scaleFloor,
  setDailyCount,
  setMaturedCount,
  shares,
  STEP_ERRORS,
  WAITING,
} from "./model";
import { FORECASTS, MEAN, SCALE, STEP_BYTES, WEIGHTS } from "./scratch";

/** A step's error is smoothed over so many neighbours on each side. */
const NEIGHBOURS: u32 = 4;

export function beginJudged(): void {
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) setOrigin(slot, -(<i32>judgedSteps));
}

function originOf(slot: u32): i32 {
  return load<i32>(ORIGINS + ((<usize>slot) << 2));
}

function setOrigin(slot: u32, hour: i32): void {
  store<i32>(ORIGINS + ((<usize>slot) << 2), hour);
}

/** Whether a forecast made after so many slots judges the experts: a day apart, where the seasons are a day and a week. */
function isJudging(origin: u32): bool {
  return origin % (2 * issueEvery) === 0;
}

function judgingSlot(origin: u32): u32 {
  return (origin / (2 * issueEvery)) % JUDGING_COUNT;
}

function waitingAt(judging: u32, expert: u32): usize {
  return WAITING + ((<usize>((judging * expertCount + expert) * judgedSteps)) << 2);
}

function mixtureAt(slot: u32, step: u32): usize {
  return MIXTURES + ((<usize>(slot * judgedSteps + step)) << 2);
}

function lossAt(judging: u32, expert: u32): usize {
  return LOSSES + ((<usize>(judging * expertCount + expert)) << 3);
}

/** Keeps the forecast that is in scratch, made after `hour` slots. */
export function issue(hour: u32): void {
  const slot = (hour / issueEvery) % PENDING_COUNT;
  for (let step: u32 = 0; step < judgedSteps; step++) store<f32>(mixtureAt(slot, step), <f32>load<f64>(MEAN + ((<usize>step) << 3)));
  setOrigin(slot, hour);
  store<f64>(ERRORS + ((<usize>slot) << 3), 0);
  if (!isJudging(hour)) return;
  const judging = judgingSlot(hour);
  for (let expert: u32 = 0; expert < expertCount; expert++) {
    const from = FORECASTS + <usize>expert * STEP_BYTES;
    const into = waitingAt(judging, expert);
    for (let step: u32 = 0; step < judgedSteps; step++)
      store<f32>(into + ((<usize>step) << 2), <f32>load<f64>(from + ((<usize>step) << 3)));
    store<f64>(lossAt(judging, expert), 0);
  }
}

/** Slot `hour` brought `value`. */
export function judge(hour: u32, value: f64): void {
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const origin = originOf(slot);
    const step = <u32>(<i32>hour - origin);
    if (step >= judgedSteps) continue;
    const error = abs(logOnePlus(value) - logOnePlus(<f64>load<f32>(mixtureAt(slot, step))));
    const errorAt = ERRORS + ((<usize>slot) << 3);
    store<f64>(errorAt, load<f64>(errorAt) + error);
    const rate = 1 / <f64>min(maturedCountOf() + 1, longCount);
    const stepAt = STEP_ERRORS + ((<usize>step) << 2);
    const before = <f64>load<f32>(stepAt);
    store<f32>(stepAt, <f32>(before + rate * (error - before)));
    if (isJudging(origin)) judgeExperts(judgingSlot(origin), step, value);
    if (step === judgedSteps - 1) mature(origin, load<f64>(errorAt));
  }
}

function judgeExperts(judging: u32, step: u32, value: f64): void {
  for (let expert: u32 = 0; expert < expertCount; expert++) {
    const at = lossAt(judging, expert);
    store<f64>(at, load<f64>(at) + relativeError(value, <f64>load<f32>(waitingAt(judging, expert) + ((<usize>step) << 2))));
  }
}

// One step's share of sMAPE, without its factor of 200.
function relativeError(value: f64, said: f64): f64 {
  const sum = value + said;
  return sum > 0 ? abs(value - said) / sum : 0;
}

function mature(origin: u32, error: f64): void {
  const count = maturedCountOf();
  store<f32>(MATURED + ((<usize>(count % longCount)) << 2), <f32>(error / <f64>judgedSteps));
  setMaturedCount(count + 1);
  if (!isJudging(origin)) return;
  const dailyCount = dailyCountOf();
  const row = DAILY_LOSSES + ((<usize>((dailyCount % originCount) * expertCount)) << 2);
  for (let expert: u32 = 0; expert < expertCount; expert++)
    store<f32>(row + ((<usize>expert) << 2), <f32>(load<f64>(lossAt(judgingSlot(origin), expert)) / <f64>judgedSteps));
  setDailyCount(dailyCount + 1);
}

/** Sets every expert's weight. */
export function weigh(): void {
  const rows = min(dailyCountOf(), originCount);
  let best: f64 = Infinity;
  for (let expert: u32 = 0; expert < expertCount; expert++) {
    let loss: f64 = 0;
    for (let row: u32 = 0; row < rows; row++) loss += <f64>load<f32>(DAILY_LOSSES + ((<usize>(row * expertCount + expert)) << 2));
    store<f64>(WEIGHTS + ((<usize>expert) << 3), loss);
    best = min(best, loss);
  }
  let sum: f64 = 0;
  for (let expert: u32 = 0; expert < expertCount; expert++) {
    const at = (<usize>expert) << 3;
    const loss = load<f64>(WEIGHTS + at);
    const excess: f64 = best > 0 ? loss / best - 1 : loss > 0 ? Infinity : 0;
    const weight = load<f64>(shares + at) * exponential(-eta() * excess);
    store<f64>(WEIGHTS + at, weight);
    sum += weight;
  }
  for (let at: usize = 0; at < (<usize>expertCount) << 3; at += 8) store<f64>(WEIGHTS + at, load<f64>(WEIGHTS + at) / sum);
}

/** Writes the expected absolute log error of the coming steps; `hour` slots have been seen. */
export function writeScales(horizon: u32, hour: u32): void {
  const isKnown = maturedCountOf() > 0;
  const long = isKnown ? meanOfMatured(longCount) : 0;
  const base = isKnown
    ? longShare() * long + recentShare() * meanOfMatured(recentCount) + pendingShare() * meanOfPending(hour, long) + scaleFloor()
    : 1;
  for (let step: u32 = 0; step < horizon; step++) {
    const shape = long > 0 ? smoothed(min(step, judgedSteps - 1)) / long : 1;
    store<f64>(SCALE + ((<usize>step) << 3), base * sqrt(0.5 + 0.5 * shape));
  }
}

function meanOfMatured(most: u32): f64 {
  const count = maturedCountOf();
  const used = min(most, count);
  let sum: f64 = 0;
  for (let back: u32 = 1; back <= used; back++) sum += <f64>load<f32>(MATURED + ((<usize>((count - back) % longCount)) << 2));
  return sum / <f64>used;
}

function meanOfPending(hour: u32, otherwise: f64): f64 {
  let sum: f64 = 0;
  let count: u32 = 0;
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const seen = <u32>(<i32>hour - originOf(slot));
    if (seen >= judgedSteps) continue;
    sum += load<f64>(ERRORS + ((<usize>slot) << 3));
    count += seen;
  }
  return count > 0 ? sum / <f64>count : otherwise;
}

function smoothed(step: u32): f64 {
  const first: u32 = step < NEIGHBOURS ? 0 : step - NEIGHBOURS;
  const last = min(judgedSteps - 1, step + NEIGHBOURS);
  let sum: f64 = 0;
  for (let at = first; at <= last; at++) sum += <f64>load<f32>(STEP_ERRORS + ((<usize>at) << 2));
  return sum / <f64>(last - first + 1);
}

/** What the newest waiting mixture says about slot `hour`; NaN where there is none. */
export function expected(hour: u32): f64 {
  let newest: i32 = -1;
  let value: f64 = NaN;
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const origin = originOf(slot);
    const step = <u32>(<i32>hour - origin);
    if (origin <= newest || step >= judgedSteps) continue;
    newest = origin;
    value = <f64>load<f32>(mixtureAt(slot, step));
  }
  return value;
}
