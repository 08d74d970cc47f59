// What the same time of the week and of the day looked like: last week's levels, and a running mean over the days, in slots
// of local time. A slot is written two slots late, so that interpolation never mixes this week with the last.
import { DAY_COUNT, DAY_MS, HELD_LEVELS, HELD_SLOTS, SLOT, SLOT_COUNT, SLOT_MS, SLOT_SUM, WEEK_COUNT, WEEK_MS } from "./state";

const SLOT_MS_LEAST: f64 = 600000;
const DAY_RATE: f64 = 0.25;
const CODE_MAX: f64 = 65534;
/** Resolution of a stored logarithm. */
const UNIT: f64 = 35.0 / 65534;
const NONE: f64 = -1;

/** Where the slots of the week begin: after the horizons. */
export let slotsAt: usize = 0;

export function setSlotsAt(at: usize): void {
  slotsAt = at;
}

/** Bytes of both rings, for steps of so many milliseconds. */
export function slotBytes(stepMs: f64): u32 {
  const slotMs = slotMsOf(stepMs);
  return (((<u32>(ceil(WEEK_MS / slotMs) + ceil(DAY_MS / slotMs))) << 1) + 7) & ~7;
}

function slotMsOf(stepMs: f64): f64 {
  return min(DAY_MS, max(SLOT_MS_LEAST, stepMs));
}

export function beginSlots(state: usize, stepMs: f64): void {
  const slotMs = slotMsOf(stepMs);
  store<f64>(state, slotMs, SLOT_MS);
  store<u32>(state, <u32>ceil(WEEK_MS / slotMs), WEEK_COUNT);
  store<u32>(state, <u32>ceil(DAY_MS / slotMs), DAY_COUNT);
  store<f64>(state, NONE, SLOT);
  store<f64>(state, NONE, HELD_SLOTS);
  store<f64>(state, NONE, HELD_SLOTS + 8);
}

/** A bin whose middle is `localMs` in local time had this level. */
export function observeSlot(state: usize, localMs: f64, level: f64): void {
  const slot = floor(localMs / load<f64>(state, SLOT_MS));
  if (slot !== load<f64>(state, SLOT)) turn(state, slot);
  store<f64>(state, load<f64>(state, SLOT_SUM) + level, SLOT_SUM);
  store<f64>(state, load<f64>(state, SLOT_COUNT) + 1, SLOT_COUNT);
}

function turn(state: usize, slot: f64): void {
  const count = load<f64>(state, SLOT_COUNT);
  const before = load<f64>(state, SLOT);
  if (count > 0) hold(state, before, load<f64>(state, SLOT_SUM) / count);
  if (abs(slot - before) > 2) {
    hold(state, NONE, 0);
    hold(state, NONE, 0);
  }
  store<f64>(state, slot, SLOT);
  store<f64>(state, 0, SLOT_SUM);
  store<f64>(state, 0, SLOT_COUNT);
}

function hold(state: usize, slot: f64, level: f64): void {
  const oldest = load<f64>(state, HELD_SLOTS);
  if (oldest !== NONE) write(state, oldest, load<f64>(state, HELD_LEVELS));
  store<f64>(state, load<f64>(state, HELD_SLOTS + 8), HELD_SLOTS);
  store<f64>(state, load<f64>(state, HELD_LEVELS + 8), HELD_LEVELS);
  store<f64>(state, slot, HELD_SLOTS + 8);
  store<f64>(state, level, HELD_LEVELS + 8);
}

function write(state: usize, slot: f64, level: f64): void {
  const weekCount = load<u32>(state, WEEK_COUNT);
  const dayAt = slotsAt + ((<usize>(weekCount + wrap(slot, load<u32>(state, DAY_COUNT)))) << 1);
  const code = load<u16>(dayAt);
  const before = decode(code);
  store<u16>(slotsAt + ((<usize>wrap(slot, weekCount)) << 1), encode(level));
  store<u16>(dayAt, encode(code === 0 ? level : before + DAY_RATE * (level - before)));
}

/** What the slots of the week say of that time; NaN where they say nothing. */
export function weekLevel(state: usize, localMs: f64): f64 {
  return interpolated(slotsAt, load<u32>(state, WEEK_COUNT), localMs / load<f64>(state, SLOT_MS) - 0.5);
}

export function dayLevel(state: usize, localMs: f64): f64 {
  const at = slotsAt + ((<usize>load<u32>(state, WEEK_COUNT)) << 1);
  return interpolated(at, load<u32>(state, DAY_COUNT), localMs / load<f64>(state, SLOT_MS) - 0.5);
}

function interpolated(at: usize, count: u32, position: f64): f64 {
  const first = floor(position);
  const before = load<u16>(at + ((<usize>wrap(first, count)) << 1));
  const after = load<u16>(at + ((<usize>wrap(first + 1, count)) << 1));
  if (before === 0) return after === 0 ? NaN : decode(after);
  return after === 0 ? decode(before) : decode(before) + (position - first) * (decode(after) - decode(before));
}

// Within the ring, whatever the slot.
function wrap(slot: f64, count: u32): u32 {
  return min(count - 1, <u32>(slot - <f64>count * floor(slot / <f64>count)));
}

function encode(level: f64): u16 {
  return <u16>(1 + min(CODE_MAX, max<f64>(0, floor(level / UNIT + 0.5))));
}

function decode(code: u16): f64 {
  return (<f64>code - 1) * UNIT;
}
