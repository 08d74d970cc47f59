// Demand minutes ahead, online, on a grid of bins of one step: a regression per horizon, what lies between interpolated.
//
// Memory: a state per forecaster (state.ts; fineBytes says how large: 14.5 KiB at 10 s for 1 min, 5 min and 1 h), and a
// scratch memory that all of an instance share. Both 8-aligned.
//
// Promise: whatever was observed, quantiles are finite, ≥ 0 and do not fall with p; the work of a call does not depend on
// how much time went by; no state reads or writes outside itself; the same calls give the same bits in the twin
// (wasm/reference/forecast/fine-forecaster.ts). A question changes nothing.
// Mathematics and figures: docs/design/forecasting-online.md.
import { logarithm } from "../elementary";
import { localTime, upliftAt, upliftMostWithin } from "./calendar";
import { beginHorizon, dropWaiting, forecastHorizon, issueForecast, observeHorizon, writeLevels } from "./horizon";
import { bytesOf, horizonBytes, STEPS } from "./horizon-layout";
import { INTERVAL_BYTES, INTERVAL_COUNT, INTERVAL_MEDIAN, INTERVAL_PROBABILITIES, INTERVAL_UPPER, narrowest, valueOf } from "./interval";
import { advance, describe, levelNow, middleMs, outlookAt } from "./origin";
import { beginSlots, observeSlot, setSlotsAt, slotBytes } from "./slots";
import {
  BIN,
  CHANGE_AT_MS,
  CLOSED_BIN,
  COUNT,
  COUNTS,
  DAY_MS,
  HIGHEST,
  HORIZON_COUNT,
  HORIZON_COUNT_MAX,
  HORIZONS,
  LATE_RUN,
  LEVEL_COUNT,
  openFineScratch,
  ROOTS,
  ROOTS_NOW,
  SUM,
  VALUE_MAX,
  INTERVAL,
} from "./state";

const TIME_MS_MAX: f64 = 8.64e15;
/** A value further back than this is no late one: the clock was set back. */
const LATE_MS_MAX: f64 = 600000;
const LATE_RUN_MAX: u32 = 30;
const QUANTILE_COUNT_MAX: u32 = 64;
const CEILING_LEAK_PER_DAY: f64 = 0.4;
const SPREAD_MAX: f64 = 4;
/** e to this is more than any value that is told. */
const LEVEL_MAX: f64 = 40;

const OPENED: u32 = 0;
const MERGED: u32 = 1;
const MISSING: u32 = 2;
const LATE: u32 = 3;
const REFUSED: u32 = 4;

/** Bytes of a state with `count` horizons, u32 steps each, ascending, at `steps`. */
export function fineBytes(stepMs: f64, steps: usize, count: u32): u32 {
  let bytes = HORIZONS;
  for (let index: usize = 0; index < (<usize>count) << 2; index += 4) bytes += horizonBytes(load<u32>(steps + index));
  return <u32>bytes + slotBytes(stepMs);
}

export function fineScratchBytes(): u32 {
  return openFineScratch(0);
}

export function fineInit(state: usize, stepMs: f64, steps: usize, count: u32): void {
  assert((state & 7) === 0 && count >= 1 && count <= HORIZON_COUNT_MAX && stepMs > 0);
  memory.fill(state, 0, fineBytes(stepMs, steps, count));
  store<f64>(state, stepMs);
  store<f64>(state, NaN, BIN);
  store<f64>(state, NaN, CLOSED_BIN);
  store<f64>(state, Infinity, CHANGE_AT_MS);
  store<u32>(state, count, HORIZON_COUNT);
  beginSlots(state, stepMs);
  let horizon = state + HORIZONS;
  for (let index: usize = 0; index < (<usize>count) << 2; index += 4) {
    beginHorizon(horizon, load<u32>(steps + index), stepMs);
    horizon += bytesOf(horizon);
  }
}

// Where the horizons end and the slots begin.
function open(state: usize, scratch: usize): void {
  openFineScratch(scratch);
  let horizon = state + HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) horizon += bytesOf(horizon);
  setSlotsAt(horizon);
}

/** Where a horizon stands, by its place from 0: the binding reads what the judge summed up. */
export function fineHorizon(state: usize, index: u32): usize {
  assert(index < load<u32>(state, HORIZON_COUNT));
  let horizon = state + HORIZONS;
  for (; index > 0; index--) horizon += bytesOf(horizon);
  return horizon;
}

/** 0 opened a bin, 1 was merged into the open one, 2 missing, 3 late, 4 refused. */
export function fineObserve(state: usize, scratch: usize, value: f64, timeMs: f64): u32 {
  if (!(abs(timeMs) <= TIME_MS_MAX)) return counted(state, REFUSED);
  if (!(abs(value) < Infinity)) return counted(state, MISSING);
  open(state, scratch);
  const held = min(VALUE_MAX, max<f64>(0, value));
  const stepMs = load<f64>(state);
  const bin = floor(timeMs / stepMs);
  if (bin < load<f64>(state, BIN)) {
    const lateRun = load<u32>(state, LATE_RUN) + 1;
    store<u32>(state, lateRun, LATE_RUN);
    if ((load<f64>(state, BIN) - bin) * stepMs <= LATE_MS_MAX && lateRun < LATE_RUN_MAX) return counted(state, LATE);
    turnBack(state, bin);
  }
  store<u32>(state, 0, LATE_RUN);
  if (bin === load<f64>(state, BIN)) {
    store<f64>(state, load<f64>(state, SUM) + held, SUM);
    store<f64>(state, load<f64>(state, COUNT) + 1, COUNT);
    return MERGED;
  }
  if (bin > load<f64>(state, BIN)) close(state);
  store<f64>(state, bin, BIN);
  store<f64>(state, held, SUM);
  store<f64>(state, 1, COUNT);
  return OPENED;
}

function counted(state: usize, observed: u32): u32 {
  const at = state + COUNTS + ((<usize>(observed - MISSING)) << 2);
  store<u32>(at, load<u32>(at) + 1);
  return observed;
}

// What waits would be judged by the wrong bins; what was learned stays.
function turnBack(state: usize, bin: f64): void {
  let horizon = state + HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) {
    dropWaiting(horizon);
    horizon += bytesOf(horizon);
  }
  // The clock's steps are counted behind what is missing, late and refused.
  counted(state, REFUSED + 1);
  if (!isNaN(load<f64>(state, CLOSED_BIN))) store<f64>(state, bin - 1, CLOSED_BIN);
  store<f64>(state, NaN, BIN);
}

function close(state: usize): void {
  const bin = load<f64>(state, BIN);
  const closedBin = load<f64>(state, CLOSED_BIN);
  const stepMs = load<f64>(state);
  const uplift = upliftAt(state, middleMs(state, bin));
  const level = levelNow(state);
  observeSlot(state, localTime(state, middleMs(state, bin)), level);
  let horizon = state + HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) {
    observeHorizon(horizon, bin, level, uplift);
    horizon += bytesOf(horizon);
  }
  const elapsedDays: f64 = isNaN(closedBin) ? 0 : ((bin - closedBin) * stepMs) / DAY_MS;
  store<f64>(state, max(level, load<f64>(state, HIGHEST) - CEILING_LEAK_PER_DAY * elapsedDays), HIGHEST);
  advance(state, level);
  memory.copy(state + ROOTS, ROOTS_NOW, (<usize>LEVEL_COUNT) << 3);
  store<f64>(state, bin, CLOSED_BIN);
  horizon = state + HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) {
    prepare(state, horizon, level);
    issueForecast(horizon);
    horizon += bytesOf(horizon);
  }
}

function prepare(state: usize, horizon: usize, level: f64): void {
  describe(state, horizon, level);
  forecastHorizon(horizon);
}

/**
 * Of `count` probabilities, f64 each at `asked`, ascending for speed: the values `horizonMs` after the last observed bin that are
 * exceeded with probability 1 − p, and the highest until then, f64 each; 0 before any observation. They stand behind the
 * probabilities, where there is place for four times as many.
 */
export function fineQuantiles(state: usize, scratch: usize, horizonMs: f64, asked: usize, count: u32): void {
  assert(horizonMs >= 0 && count <= QUANTILE_COUNT_MAX);
  const bytes = (<usize>count) << 3;
  const soon = asked + bytes;
  const most = soon + bytes;
  memory.fill(soon, 0, bytes << 1);
  if (isNaN(load<f64>(state, BIN))) return;
  open(state, scratch);
  sayAt(state, horizonMs, 2, asked, count, soon);
  const uplift = upliftAt(state, askedMs);
  const upliftMost = upliftMostWithin(state, middleMs(state, load<f64>(state, BIN)), askedMs);
  for (let at: usize = 0; at < bytes; at += 8) {
    const value = toValue(load<f64>(soon + at) + uplift);
    store<f64>(soon + at, value);
    store<f64>(most + at, max(value, toValue(load<f64>(most + at) + upliftMost)));
  }
}

/** Writes the median, and the narrowest 95 % interval's lower and upper end, f64 each, at the scratch memory's beginning. */
export function fineProfile(state: usize, scratch: usize, horizonMs: f64): void {
  assert(horizonMs >= 0);
  memory.fill(scratch, 0, 24);
  if (isNaN(load<f64>(state, BIN))) return;
  open(state, scratch);
  sayAt(state, horizonMs, 1, INTERVAL_PROBABILITIES, INTERVAL_COUNT, INTERVAL);
  const uplift = upliftAt(state, askedMs);
  for (let at: usize = 0; at < INTERVAL_BYTES; at += 8) store<f64>(INTERVAL + at, min(LEVEL_MAX, load<f64>(INTERVAL + at) + uplift));
  const lower = INTERVAL + narrowest(INTERVAL);
  store<f64>(scratch, toValue(load<f64>(INTERVAL, INTERVAL_MEDIAN)));
  store<f64>(scratch, toValue(load<f64>(lower)), 8);
  store<f64>(scratch, toValue(load<f64>(lower, INTERVAL_UPPER)), 16);
}

/** The time that the last question was about. */
let askedMs: f64 = 0;

// Writes the levels of the first `targets` targets, one target's after the other's, into `into`; behind them it needs as much again.
// Between two fitted horizons they go with the logarithm of the time.
function sayAt(state: usize, horizonMs: f64, targets: u32, probabilities: usize, count: u32, into: usize): void {
  const level = levelNow(state);
  advance(state, level);
  const stepMs = load<f64>(state);
  const steps = max<f64>(1, horizonMs / stepMs);
  const hereMs = middleMs(state, load<f64>(state, BIN));
  askedMs = hereMs + steps * stepMs;
  let before: usize = 0;
  let next = state + HORIZONS;
  for (let left = load<u32>(state, HORIZON_COUNT); left > 1 && <f64>load<u32>(next, STEPS) < steps; left--) {
    before = next;
    next += bytesOf(next);
  }
  const there = <f64>load<u32>(next, STEPS);
  const spread = min(SPREAD_MAX, max<f64>(1, sqrt(steps / there)));
  const bytes = (<usize>(targets * count)) << 3;
  prepare(state, next, level);
  writeTargets(next, targets, probabilities, count, spread, into);
  if (steps > there) {
    const change = outlookAt(state, askedMs) - outlookAt(state, hereMs + there * stepMs);
    if (isNaN(change)) return;
    for (let at: usize = 0; at < bytes; at += 8) store<f64>(into + at, load<f64>(into + at) + change);
  } else if (before !== 0 && steps !== there) {
    const here = <f64>load<u32>(before, STEPS);
    prepare(state, before, level);
    writeTargets(before, targets, probabilities, count, 1, into + bytes);
    const share = logarithm(steps / here) / logarithm(there / here);
    for (let at: usize = 0; at < bytes; at += 8) {
      const near = load<f64>(into + bytes + at);
      store<f64>(into + at, near + share * (load<f64>(into + at) - near));
    }
  }
}

function writeTargets(horizon: usize, targets: u32, probabilities: usize, count: u32, spread: f64, into: usize): void {
  for (let target: u32 = 0; target < targets; target++) {
    writeLevels(horizon, target, probabilities, count, spread, into);
    into += (<usize>count) << 3;
  }
}

function toValue(level: f64): f64 {
  return min(VALUE_MAX, valueOf(min(LEVEL_MAX, level)));
}
