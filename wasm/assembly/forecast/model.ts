// The model that a forecaster runs: a table of f64 that the host writes once and every forecaster of its kind shares
// (wasm/binding/forecast/model-table.ts writes it), and where a forecaster's state has what.
//
// Table: the header's words in the order below · log lags · raw lags · a share per expert · level, daily, weekly and residual rate per
// smoother · per regression: is raw · order · kappa · cluster count · is diagonal · a feature per term · per cluster: log
// of its share · a mean per term · the root R of its precision R Rᵀ, a lower triangle or its diagonal.

const HEADER_WORDS: u32 = 24;
export const PROFILE_COUNT: u32 = 9;
/** Forecasts that wait to be judged by the mixture's interval, and of those the ones that judge the experts. */
export const PENDING_COUNT: u32 = 4;
export const JUDGING_COUNT: u32 = 2;

let table: usize = 0;
export let day: u32 = 0;
export let week: u32 = 0;
export let lagMax: u32 = 0;
export let issueEvery: u32 = 0;
/** Steps on which a forecast is judged. */
export let judgedSteps: u32 = 0;
export let logLagCount: u32 = 0;
export let rawLagCount: u32 = 0;
export let logOrder: u32 = 0;
export let rawOrder: u32 = 0;
export let regressionCount: u32 = 0;
export let smootherCount: u32 = 0;
export let expertCount: u32 = 0;
export let originCount: u32 = 0;
export let longCount: u32 = 0;
export let recentCount: u32 = 0;
/** Tables of f64 in the model. */
export let logLags: usize = 0;
export let rawLags: usize = 0;
export let shares: usize = 0;
export let smootherRates: usize = 0;
export let regressions: usize = 0;

// State, f64 first. A smoother's f64 are its level and its residual.
let state: usize = 0;
export let LOG_MOMENTS: usize = 0;
export let RAW_MOMENTS: usize = 0;
export let LOG_CROSS: usize = 0;
export let RAW_CROSS: usize = 0;
export let VARIANCES: usize = 0;
export let SMOOTHERS: usize = 0;
export let LOSSES: usize = 0;
export let ERRORS: usize = 0;
// f32 and u32.
export let ORIGINS: usize = 0;
export let LOG_RING: usize = 0;
export let RAW_RING: usize = 0;
export let LAST_DAY: usize = 0;
export let PROFILES: usize = 0;
export let SAID_RING: usize = 0;
export let SMOOTHER_SEASONS: usize = 0;
export let WAITING: usize = 0;
export let MIXTURES: usize = 0;
export let DAILY_LOSSES: usize = 0;
export let MATURED: usize = 0;
export let STEP_ERRORS: usize = 0;

/** Scalars at the state's beginning. */
const HOUR: usize = 0;
const MATURED_COUNT: usize = 4;
const DAILY_COUNT: usize = 8;
const SAID: usize = 16;
const LOG_CENTRE: usize = 32;
const RAW_CENTRE: usize = 40;
const EXTREMES: usize = 48;
const LOG_SQUARE: usize = 80;
const RAW_SQUARE: usize = 88;
const COUNT: usize = 96;
const SCALARS_BYTES: usize = 112;

export function word(index: u32): f64 {
  return load<f64>(table + ((<usize>index) << 3));
}

function count(index: u32): u32 {
  return <u32>word(index);
}

export function forgetting(): f64 {
  return word(8);
}
export function interceptFeature(): f64 {
  return word(9);
}
export function varianceMin(): f64 {
  return word(10);
}
export function roundsFirst(): u32 {
  return count(11);
}
export function rounds(): u32 {
  return count(12);
}
export function clampRatio(): f64 {
  return word(13);
}
export function eta(): f64 {
  return word(14);
}
export function longShare(): f64 {
  return word(18);
}
export function recentShare(): f64 {
  return word(19);
}
export function pendingShare(): f64 {
  return word(20);
}
export function scaleFloor(): f64 {
  return word(21);
}
export function valueMax(): f64 {
  return word(22);
}

let next: usize = 0;

function take(bytes: usize): usize {
  const at = next;
  next += bytes;
  return at;
}

function takeF64(entries: u32): usize {
  return take((<usize>entries) << 3);
}

function takeF32(entries: u32): usize {
  return take((<usize>entries) << 2);
}

/** Takes a forecaster's model and state; returns how many bytes the state has. */
export function open(tableBase: usize, stateBase: usize): u32 {
  table = tableBase;
  state = stateBase;
  readHeader();
  next = state + SCALARS_BYTES;
  LOG_MOMENTS = takeF64((logOrder * (logOrder + 1)) >> 1);
  RAW_MOMENTS = takeF64((rawOrder * (rawOrder + 1)) >> 1);
  LOG_CROSS = takeF64(logOrder);
  RAW_CROSS = takeF64(rawOrder);
  VARIANCES = takeF64(count(23));
  SMOOTHERS = takeF64(2 * smootherCount);
  LOSSES = takeF64(JUDGING_COUNT * expertCount);
  ERRORS = takeF64(PENDING_COUNT);
  ORIGINS = takeF32(PENDING_COUNT);
  LOG_RING = takeF32(lagMax);
  RAW_RING = takeF32(lagMax);
  LAST_DAY = takeF32(day);
  PROFILES = takeF32(2 * (week + day));
  SAID_RING = takeF32(day);
  SMOOTHER_SEASONS = takeF32(smootherCount * (day + week));
  WAITING = takeF32(JUDGING_COUNT * expertCount * judgedSteps);
  MIXTURES = takeF32(PENDING_COUNT * judgedSteps);
  DAILY_LOSSES = takeF32(originCount * expertCount);
  MATURED = takeF32(longCount);
  STEP_ERRORS = takeF32(judgedSteps);
  return (<u32>(next - state) + 7) & ~7;
}

function readHeader(): void {
  day = count(0);
  week = count(1);
  lagMax = count(2);
  issueEvery = count(3);
  judgedSteps = PENDING_COUNT * issueEvery;
  logLagCount = count(4);
  rawLagCount = count(5);
  regressionCount = count(6);
  smootherCount = count(7);
  originCount = count(15);
  longCount = count(16);
  recentCount = count(17);
  logOrder = logLagCount + PROFILE_COUNT + 1;
  rawOrder = rawLagCount + 1;
  expertCount = regressionCount + smootherCount + 1;
  logLags = table + ((<usize>HEADER_WORDS) << 3);
  rawLags = logLags + ((<usize>logLagCount) << 3);
  shares = rawLags + ((<usize>rawLagCount) << 3);
  smootherRates = shares + ((<usize>expertCount) << 3);
  regressions = smootherRates + ((<usize>smootherCount) << 5);
}

/** Slots seen. */
export function hourOf(): u32 {
  return load<u32>(state, HOUR);
}
export function setHour(hour: u32): void {
  store<u32>(state, hour, HOUR);
}
export function maturedCountOf(): u32 {
  return load<u32>(state, MATURED_COUNT);
}
export function setMaturedCount(amount: u32): void {
  store<u32>(state, amount, MATURED_COUNT);
}
export function dailyCountOf(): u32 {
  return load<u32>(state, DAILY_COUNT);
}
export function setDailyCount(amount: u32): void {
  store<u32>(state, amount, DAILY_COUNT);
}
/** Three f32: what the slow week and the two days said of the last slot before it was seen. */
export function saidAt(): usize {
  return state + SAID;
}
export function logCentreOf(): f64 {
  return load<f64>(state, LOG_CENTRE);
}
export function rawCentreOf(): f64 {
  return load<f64>(state, RAW_CENTRE);
}
export function setCentres(logCentre: f64, rawCentre: f64): void {
  store<f64>(state, logCentre, LOG_CENTRE);
  store<f64>(state, rawCentre, RAW_CENTRE);
}
/** Two f64, least and most. */
export function extremesAt(isRaw: bool): usize {
  return state + EXTREMES + (isRaw ? 16 : 0);
}
/** Σ discount × value², f64. */
export function squareAt(isRaw: bool): usize {
  return state + (isRaw ? RAW_SQUARE : LOG_SQUARE);
}
/** Σ discount, f64. */
export function countAt(): usize {
  return state + COUNT;
}
