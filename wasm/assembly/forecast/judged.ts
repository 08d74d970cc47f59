// The forecasts that wait for their slots, and what the slots that came said about them. A column is a forecast of its own:
// every expert's, then every mixture's.
import { exponential } from "./elementary";
import {
  baseColumn,
  BLOCK_COUNTS,
  blockCount,
  BLOCKS,
  columnCount,
  DAILY,
  dailyCountOf,
  dailyRows,
  day,
  ERRORS,
  HOUR_BIASES,
  HOUR_ERRORS,
  issueEvery,
  judgedSteps,
  longCount,
  LOSSES,
  MATURED,
  maturedCountOf,
  ORIGINS,
  PENDING_COUNT,
  setDailyCount,
  setMaturedCount,
  WAITING,
} from "./model";
import { COLUMNS, STEP_BYTES } from "./scratch";

/** How fast the base's errors by slot of the day are forgotten. */
const BIAS_RATE: f64 = 0.2;
const ERROR_RATE: f64 = 0.1;

export function beginJudged(): void {
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) setOrigin(slot, -(<i32>judgedSteps));
}

function originOf(slot: u32): i32 {
  return load<i32>(ORIGINS + ((<usize>slot) << 2));
}

function setOrigin(slot: u32, hour: i32): void {
  store<i32>(ORIGINS + ((<usize>slot) << 2), hour);
}

/** Steps of a forecast that slot `hour` is ahead of where it was made. */
function stepOf(slot: u32, hour: u32): u32 {
  return <u32>(<i32>hour - originOf(slot));
}

function f32At(base: usize, index: u32): f64 {
  return <f64>load<f32>(base + ((<usize>index) << 2));
}

function setF32(base: usize, index: u32, value: f64): void {
  store<f32>(base + ((<usize>index) << 2), <f32>value);
}

/** What a column of the forecast in a slot says about its step. */
export function waitingAt(slot: u32, column: u32, step: u32): f64 {
  return f32At(WAITING, (slot * columnCount + column) * judgedSteps + step);
}

/** Slots since the forecast in a slot was made. */
export function ageOf(slot: u32, hour: u32): u32 {
  return stepOf(slot, hour);
}

/** The slot of the youngest forecast at least `ageMin` and at most judgedSteps old; −1 where there is none. */
export function youngest(hour: u32, ageMin: u32): i32 {
  let found: i32 = -1;
  let least: u32 = u32.MAX_VALUE;
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const age = stepOf(slot, hour);
    if (originOf(slot) < 0 || age < ageMin || age > judgedSteps || age >= least) continue;
    found = slot;
    least = age;
  }
  return found;
}

/** Steps in a block; a half of one where there are few. */
function blockHours(): f64 {
  return <f64>judgedSteps / <f64>blockCount;
}

/** Keeps the columns in scratch, forecast after `hour` slots. */
export function issue(hour: u32): void {
  const slot = (hour / issueEvery) % PENDING_COUNT;
  for (let column: u32 = 0; column < columnCount; column++) {
    const from = COLUMNS + <usize>column * STEP_BYTES;
    const row = slot * columnCount + column;
    for (let step: u32 = 0; step < judgedSteps; step++) setF32(WAITING, row * judgedSteps + step, load<f64>(from + ((<usize>step) << 3)));
    setF32(LOSSES, row, 0);
    setF32(ERRORS, row, 0);
  }
  setOrigin(slot, hour);
}

/** Slot `hour` brought a value of which this is ln(1 + value). */
export function judge(hour: u32, log: f64): void {
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const step = stepOf(slot, hour);
    if (step >= judgedSteps) continue;
    judgeColumns(slot, step, log);
    if (step >= issueEvery && step < 2 * issueEvery) learnHour(hour % day, log - waitingAt(slot, baseColumn(), step));
    if (step === judgedSteps - 1) mature(slot);
  }
}

function learnHour(hour: u32, error: f64): void {
  const bias = f32At(HOUR_BIASES, hour);
  setF32(HOUR_BIASES, hour, bias + BIAS_RATE * (error - bias));
  const size = abs(error);
  const before = f32At(HOUR_ERRORS, hour);
  // The first error of an hour weighs half, the mean of the others the other half.
  setF32(HOUR_ERRORS, hour, before === 0 ? 0.5 * (hourErrorMean() + size) : before + ERROR_RATE * (size - before));
}

function judgeColumns(slot: u32, step: u32, log: f64): void {
  const block = blockOf(step);
  const most = <u32>(<f64>longCount * blockHours());
  const seen = min(load<u32>(BLOCK_COUNTS + ((<usize>block) << 2)) + 1, most);
  store<u32>(BLOCK_COUNTS + ((<usize>block) << 2), seen);
  const rate = 1 / <f64>seen;
  for (let column: u32 = 0; column < columnCount; column++) {
    const row = slot * columnCount + column;
    const error = abs(log - waitingAt(slot, column, step));
    setF32(LOSSES, row, f32At(LOSSES, row) + relativeError(error));
    setF32(ERRORS, row, f32At(ERRORS, row) + error);
    const cell = column * blockCount + block;
    const before = f32At(BLOCKS, cell);
    setF32(BLOCKS, cell, before + rate * (error - before));
  }
}

// One step's share of sMAPE, without its factor of 200, of values one more than they are: |a − b| ÷ (a + b) is
// tanh(|ln a − ln b| ÷ 2).
function relativeError(error: f64): f64 {
  const ratio = exponential(-error);
  return (1 - ratio) / (1 + ratio);
}

function mature(slot: u32): void {
  // Every second origin weighs the experts: a day apart, where the seasons are a day and a week.
  const isDaily = <u32>originOf(slot) % (2 * issueEvery) === 0;
  const matured = (maturedCountOf() % longCount) * columnCount;
  const daily = (dailyCountOf() % dailyRows) * columnCount;
  for (let column: u32 = 0; column < columnCount; column++) {
    const row = slot * columnCount + column;
    setF32(MATURED, matured + column, f32At(ERRORS, row) / <f64>judgedSteps);
    if (isDaily) setF32(DAILY, daily + column, f32At(LOSSES, row) / <f64>judgedSteps);
  }
  setMaturedCount(maturedCountOf() + 1);
  if (isDaily) setDailyCount(dailyCountOf() + 1);
}

/** A column's mean relative error over the last `most` matured daily origins; NaN before the first. */
export function dailyLoss(column: u32, most: u32): f64 {
  return meanOf(DAILY, dailyRows, dailyCountOf(), column, most);
}

/** A column's mean absolute log error over the last `most` matured origins; NaN before the first. */
export function maturedError(column: u32, most: u32): f64 {
  return meanOf(MATURED, longCount, maturedCountOf(), column, most);
}

function meanOf(ring: usize, rows: u32, count: u32, column: u32, most: u32): f64 {
  const used = min(most, count);
  let sum: f64 = 0;
  for (let back: u32 = 1; back <= used; back++) sum += f32At(ring, ((count - back) % rows) * columnCount + column);
  return sum / <f64>used;
}

/** The same over what has been seen of those that wait; NaN where nothing has. */
export function pendingError(column: u32, hour: u32): f64 {
  let sum: f64 = 0;
  let count: u32 = 0;
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const seen = stepOf(slot, hour);
    if (seen >= judgedSteps) continue;
    sum += f32At(ERRORS, slot * columnCount + column);
    count += seen;
  }
  return sum / <f64>count;
}

/** A column's absolute log error at a step, between the middles of two blocks on a straight line. */
export function errorAtStep(column: u32, step: u32): f64 {
  const place = min(<f64>(blockCount - 1), max<f64>(0, (<f64>step + 0.5) / blockHours() - 0.5));
  const first = min(blockCount - 2, <u32>place);
  const before = blockError(column, first);
  return before + (place - <f64>first) * (blockError(column, first + 1) - before);
}

/** Mean absolute log error of a column in a block of steps. */
export function blockError(column: u32, block: u32): f64 {
  return f32At(BLOCKS, column * blockCount + block);
}

export function blockOf(step: u32): u32 {
  return <u32>(<f64>step / blockHours());
}

export function hourBias(hour: u32): f64 {
  return f32At(HOUR_BIASES, hour % day);
}

export function hourError(hour: u32): f64 {
  return f32At(HOUR_ERRORS, hour % day);
}

/** Over the slots of the day that have one. */
export function hourErrorMean(): f64 {
  let sum: f64 = 0;
  let count: f64 = 0;
  for (let hour: u32 = 0; hour < day; hour++) {
    const error = f32At(HOUR_ERRORS, hour);
    sum += error;
    if (error > 0) count += 1;
  }
  return count > 0 ? sum / count : 0;
}

/** What a column of the newest waiting forecast says about slot `hour`; NaN where there is none. */
export function expected(column: u32, hour: u32): f64 {
  let newest: i32 = -1;
  let value: f64 = NaN;
  for (let slot: u32 = 0; slot < PENDING_COUNT; slot++) {
    const step = stepOf(slot, hour);
    if (originOf(slot) <= newest || step >= judgedSteps) continue;
    newest = originOf(slot);
    value = waitingAt(slot, column, step);
  }
  return value;
}
