// Where everything of one fine forecaster stands.
//
// Memory picture, at an 8-aligned base. f64 where nothing else is said; NaN in `bin`: nothing observed yet.
//   header (544 bytes): step, ms · open bin · its sum · its count · last closed bin · highest level · outlook's begin, ms · local
//     offset, ms · changes at, ms · offset after, ms · slot's length, ms · open slot · its sum · its count · two held slots · their
//     levels · running roots [5] · counts u32 [missing, late, refused, clock steps] · u32 [horizons, hours of outlook, events,
//     late run] · slots a week u32 · slots a day u32 · events [8][start, end, log uplift] · outlook f32 [32]
//   horizons, one after the other (horizon.ts)
//   slots of the week u16, slots of the day u16: 0 never seen, else 1 + level ÷ unit
//
// Scratch, at an 8-aligned base that all forecasters of an instance may share: what one call needs.

export const BIN: usize = 8;
export const SUM: usize = 16;
export const COUNT: usize = 24;
export const CLOSED_BIN: usize = 32;
export const HIGHEST: usize = 40;
export const OUTLOOK_MS: usize = 48;
export const OFFSET_MS: usize = 56;
export const CHANGE_AT_MS: usize = 64;
export const OFFSET_AFTER_MS: usize = 72;
export const SLOT_MS: usize = 80;
export const SLOT: usize = 88;
export const SLOT_SUM: usize = 96;
export const SLOT_COUNT: usize = 104;
export const HELD_SLOTS: usize = 112;
export const HELD_LEVELS: usize = 128;
export const ROOTS: usize = 144;
export const COUNTS: usize = 184;
export const HORIZON_COUNT: usize = 200;
export const OUTLOOK_COUNT: usize = 204;
export const EVENT_COUNT: usize = 208;
export const LATE_RUN: usize = 212;
export const WEEK_COUNT: usize = 216;
export const DAY_COUNT: usize = 220;
export const EVENTS: usize = 224;
export const OUTLOOK: usize = 416;
export const HORIZONS: usize = 544;

export const HORIZON_COUNT_MAX: u32 = 5;
export const EVENT_COUNT_MAX: u32 = 8;
export const OUTLOOK_COUNT_MAX: u32 = 32;

export const HOUR_MS: f64 = 3600000;
export const DAY_MS: f64 = 86400000;
export const WEEK_MS: f64 = 604800000;
export const VALUE_MAX: f64 = 1e15;

export const LEVEL_COUNT: u32 = 5;
export const SEASON_COUNT: u32 = 4;
export const FEATURE_COUNT: u32 = 14;
export const SCALE_FEATURE_COUNT: u32 = 6;
export const POOL_COUNT: u32 = 4;
/** Of the smallest scale, and what is added to a residual before its logarithm. */
export const SCALE_LEAST: f64 = 0.003;

// Scratch.
export let ROOTS_NOW: usize = 0;
export let LEVELS_NOW: usize = 0;
export let FEATURES: usize = 0;
export let SCALE_FEATURES: usize = 0;
export let MEMBERS: usize = 0;
export let FACTOR: usize = 0;
/** Levels of one horizon's interval, and behind them of another's. */
export let INTERVAL: usize = 0;
export let SOLUTION: usize = 0;

const SCRATCH_BYTES: u32 = 1368;

export function openFineScratch(base: usize): u32 {
  ROOTS_NOW = base;
  LEVELS_NOW = base + 40;
  SCALE_FEATURES = base + 80;
  MEMBERS = base + 104;
  FEATURES = base + 120;
  SOLUTION = base + 176;
  FACTOR = base + 288;
  INTERVAL = base + 1128;
  return SCRATCH_BYTES;
}

// What a forecast is made from: of the call in progress.
export let originBin: f64 = 0;
export let originLevel: f64 = 0;
export let originLeast: f64 = 0;
export let originMost: f64 = 0;
export let originHighest: f64 = 0;
export let originSeasonal: f64 = 0;
export let originRestlessness: f64 = 0;
export let originUpliftHere: f64 = 0;
export let originUplift: f64 = 0;
/** Slot of the day, of SCALE slots, of the target. */
export let originSlot: u32 = 0;

export function setOrigin(bin: f64, level: f64, least: f64, most: f64, highest: f64): void {
  originBin = bin;
  originLevel = level;
  originLeast = least;
  originMost = most;
  originHighest = highest;
}

export function setOriginTarget(slot: u32, seasonal: f64, restlessness: f64, upliftHere: f64, uplift: f64): void {
  originSlot = slot;
  originSeasonal = seasonal;
  originRestlessness = restlessness;
  originUpliftHere = upliftHere;
  originUplift = uplift;
}
