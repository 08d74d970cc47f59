// What a forecast is made from: the running means, what the seasons say, what the hourly core says, what the calendar says.
import { exponential, logarithm, logOnePlus } from "../elementary";
import { localTime, upliftAt } from "./calendar";
import { DAY_SLOT_COUNT, STEPS } from "./horizon-layout";
import { dayLevel, weekLevel } from "./slots";
import {
  BIN,
  CLOSED_BIN,
  COUNT,
  DAY_MS,
  FEATURE_COUNT,
  FEATURES,
  HIGHEST,
  HOUR_MS,
  LEVEL_COUNT,
  LEVELS_NOW,
  OUTLOOK,
  OUTLOOK_COUNT,
  OUTLOOK_COUNT_MAX,
  OUTLOOK_MS,
  ROOTS,
  ROOTS_NOW,
  SCALE_LEAST,
  setOrigin,
  setOriginTarget,
  SUM,
} from "./state";

const INTERCEPT: f32 = 0.3;

/** What the hourly core says: log1p of `count` hours from a time on, f64 each at `from`. */
export function fineSetOutlook(state: usize, startMs: f64, from: usize, count: u32): void {
  assert(count <= OUTLOOK_COUNT_MAX);
  store<f64>(state, startMs, OUTLOOK_MS);
  store<u32>(state, count, OUTLOOK_COUNT);
  for (let hour: usize = 0; hour < <usize>count; hour++) store<f32>(state + (hour << 2), <f32>load<f64>(from + (hour << 3)), OUTLOOK);
}

export function middleMs(state: usize, bin: f64): f64 {
  return (bin + 0.5) * load<f64>(state);
}

// The open bin's, less the uplift.
export function levelNow(state: usize): f64 {
  const level = logOnePlus(load<f64>(state, SUM) / load<f64>(state, COUNT));
  return max<f64>(0, level - upliftAt(state, middleMs(state, load<f64>(state, BIN))));
}

// Time constants of the running means, in steps.
function levelSteps(index: usize): f64 {
  if (index === 0) return 2;
  if (index === 1) return 8;
  if (index === 2) return 30;
  return index === 3 ? 120 : 480;
}

// The running means with the open bin in them, from those at the last closed one; the same again where nothing is new.
export function advance(state: usize, level: f64): void {
  const elapsed = load<f64>(state, BIN) - load<f64>(state, CLOSED_BIN);
  const root = exponential(level / 2);
  for (let index: usize = 0; index < LEVEL_COUNT; index++) {
    const before = load<f64>(state + (index << 3), ROOTS);
    const rate: f64 = isNaN(elapsed) ? 1 : 1 - exponential(-elapsed / levelSteps(index));
    const now = before + rate * (root - before);
    store<f64>(ROOTS_NOW + (index << 3), now);
    store<f64>(LEVELS_NOW + (index << 3), 2 * logarithm(max<f64>(1, now)));
  }
}

// Sets the features and the origin, from the open bin.
export function describe(state: usize, horizon: usize, level: f64): void {
  memory.fill(FEATURES, 0, (<usize>FEATURE_COUNT) << 2);
  store<f32>(FEATURES, INTERCEPT);
  let least = level;
  let most = level;
  for (let index: usize = 0; index < LEVEL_COUNT; index++) {
    const now = load<f64>(LEVELS_NOW + (index << 3));
    store<f32>(FEATURES + (index << 2), <f32>(now - level), 4);
    least = min(least, now);
    most = max(most, now);
  }
  const bin = load<f64>(state, BIN);
  const hereMs = middleMs(state, bin);
  const thereMs = hereMs + <f64>load<u32>(horizon, STEPS) * load<f64>(state);
  const localHereMs = localTime(state, hereMs);
  const localThereMs = localTime(state, thereMs);
  const dayBefore = weekLevel(state, localThereMs - DAY_MS);
  describeSeason(0, weekLevel(state, localHereMs), weekLevel(state, localThereMs));
  describeSeason(1, weekLevel(state, localHereMs - DAY_MS), dayBefore);
  describeSeason(2, dayLevel(state, localHereMs), dayLevel(state, localThereMs));
  describeSeason(3, outlookAt(state, hereMs), outlookAt(state, thereMs));
  setOrigin(bin, level, least, most, load<f64>(state, HIGHEST));
  const timeOfDayMs = localThereMs - DAY_MS * floor(localThereMs / DAY_MS);
  const slot = min(<f64>(DAY_SLOT_COUNT - 1), floor((timeOfDayMs / DAY_MS) * <f64>DAY_SLOT_COUNT));
  const restlessness = logarithm(abs(load<f64>(LEVELS_NOW) - load<f64>(LEVELS_NOW, 16)) + SCALE_LEAST);
  setOriginTarget(<u32>max<f64>(0, slot), dayBefore, restlessness, upliftAt(state, hereMs), upliftAt(state, thereMs));
}

// A season's change from here to there, and how far it lies from now; nothing where it is unknown.
function describeSeason(season: usize, here: f64, there: f64): void {
  if (isNaN(here) || isNaN(there)) return;
  const at = FEATURES + ((1 + <usize>LEVEL_COUNT + 2 * season) << 2);
  store<f32>(at, <f32>(there - here));
  store<f32>(at, <f32>(here - load<f64>(LEVELS_NOW, 8)), 4);
}

// Linear between the middles of the hours; an hour around them it holds, and beyond it is unknown.
export function outlookAt(state: usize, timeMs: f64): f64 {
  const last = <f64>min(OUTLOOK_COUNT_MAX, load<u32>(state, OUTLOOK_COUNT)) - 1;
  const position = (timeMs - load<f64>(state, OUTLOOK_MS)) / HOUR_MS - 0.5;
  if (last < 1 || !(position >= -1 && position <= last + 1)) return NaN;
  const held = min(last, max<f64>(0, position));
  const first = min(last - 1, floor(held));
  const at = state + OUTLOOK + ((<usize>first) << 2);
  return <f64>load<f32>(at) + (held - first) * (<f64>load<f32>(at, 4) - <f64>load<f32>(at));
}
