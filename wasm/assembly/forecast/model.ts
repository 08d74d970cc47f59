// The model that a forecaster runs: a table of f64 that the host writes once and every forecaster of its kind shares
// (wasm/binding/forecast/model-table.ts writes it), and where a forecaster's state has what.
//
// Table: the header's words in the order below · log lags · raw lags · level, daily, weekly and residual rate per smoother · per mixture: eta ·
// a share per expert and per mixture before it · per choice: column · share · half a width · per regression, those on logs first: order · kappa · cluster count · is diagonal · a feature per
// term · per cluster: log of its share · a mean per term · the root R of its precision R Rᵀ, a lower triangle or its diagonal.
//
// Then, where the header says so, the nets that correct the last mixture (net.ts).
//
// Experts: the regressions, the smoothers, the same slot yesterday, the last value. Columns: the experts, then the mixtures,
// then the last mixture as corrected, where there are nets.

const HEADER_WORDS: u32 = 32;
/** Features of the logs that are smoothed seasons. */
export const PROFILE_COUNT: u32 = 7;
/** Forecasts that wait to be judged, one every `issueEvery` slots. */
export const PENDING_COUNT: u32 = 4;

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
export let logRegressionCount: u32 = 0;
export let rawRegressionCount: u32 = 0;
export let smootherCount: u32 = 0;
export let mixtureCount: u32 = 0;
export let expertCount: u32 = 0;
export let columnCount: u32 = 0;
export let dailyRows: u32 = 0;
export let longCount: u32 = 0;
export let recentCount: u32 = 0;
export let blockCount: u32 = 0;
/** The nets' slots until they correct anything; 0: there are none. */
export let correctFrom: u32 = 0;
export let choiceCount: u32 = 0;
/** Tables of f64 in the model. */
export let logLags: usize = 0;
export let rawLags: usize = 0;
export let smootherRates: usize = 0;
export let mixtures: usize = 0;
export let choices: usize = 0;
export let regressions: usize = 0;

// State, f64 first. A smoother's f64 are its level and its residual.
let state: usize = 0;
export let LOG_MOMENTS: usize = 0;
export let RAW_MOMENTS: usize = 0;
export let LOG_CROSS: usize = 0;
export let RAW_CROSS: usize = 0;
export let VARIANCES: usize = 0;
/** Logs of the shares of the first regression's clusters, as they are believed at this service; the table has those that were learned. */
export let SHARES: usize = 0;
export let SMOOTHERS: usize = 0;
// f32 and u32.
export let ORIGINS: usize = 0;
export let LOG_RING: usize = 0;
export let RAW_RING: usize = 0;
export let PROFILES: usize = 0;
export let SAID_RING: usize = 0;
export let SMOOTHER_SEASONS: usize = 0;
/** Slot-major, then column, then step: ln(1 + value). */
export let WAITING: usize = 0;
/** Slot-major: sums over the steps seen, of each column's relative and absolute log errors. */
export let LOSSES: usize = 0;
export let ERRORS: usize = 0;
/** Rings of what matured: a row of columns per origin. */
export let DAILY: usize = 0;
export let MATURED: usize = 0;
/** Column-major: running means of the absolute log errors of every block of steps; and how many steps each has seen. */
export let BLOCKS: usize = 0;
export let BLOCK_COUNTS: usize = 0;
/** By slot of the day: the last mixture's log error half a day to a day ahead, signed; absolute. */
export let HOUR_BIASES: usize = 0;
export let HOUR_ERRORS: usize = 0;

/** In a regression of the table. */
export const CLUSTER_COUNT: usize = 16;

/** Scalars at the state's beginning. */
const HOUR: usize = 0;
const MATURED_COUNT: usize = 4;
const DAILY_COUNT: usize = 8;
const SAID: usize = 16;
const LOG_CENTRE: usize = 24;
const RAW_CENTRE: usize = 32;
const EXTREMES: usize = 40;
const LOG_POWER: usize = 72;
const RAW_POWER: usize = 80;
const COUNT: usize = 88;
const SCALARS_BYTES: usize = 96;

function word(index: u32): f64 {
  return load<f64>(table + ((<usize>index) << 3));
}

function count(index: u32): u32 {
  return <u32>word(index);
}

export function forgetting(): f64 {
  return word(10);
}
export function interceptFeature(): f64 {
  return word(11);
}
export function varianceMin(): f64 {
  return word(12);
}
export function roundsFirst(): u32 {
  return count(13);
}
export function rounds(): u32 {
  return count(14);
}
export function clampRatio(): f64 {
  return word(15);
}
export function longShare(): f64 {
  return word(19);
}
export function recentShare(): f64 {
  return word(20);
}
export function pendingShare(): f64 {
  return word(21);
}
export function scaleFloor(): f64 {
  return word(22);
}
export function valueMax(): f64 {
  return word(23);
}

export function choiceEta(): f64 {
  return word(29);
}
/** Daily origins over which all mixtures must lose to the last value before they yield to it. */
export function yieldCount(): u32 {
  return count(30);
}

let next: usize = 0;

function takeF64(entries: u32): usize {
  const at = next;
  next += (<usize>entries) << 3;
  return at;
}

function takeF32(entries: u32): usize {
  const at = next;
  next += (<usize>entries) << 2;
  return at;
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
  VARIANCES = takeF64(count(24));
  SHARES = takeF64(<u32>load<f64>(regressions, CLUSTER_COUNT));
  SMOOTHERS = takeF64(2 * smootherCount);
  ORIGINS = takeF32(PENDING_COUNT);
  LOG_RING = takeF32(lagMax);
  RAW_RING = takeF32(lagMax);
  PROFILES = takeF32(2 * week + day);
  SAID_RING = takeF32(day);
  SMOOTHER_SEASONS = takeF32(smootherCount * (day + week));
  WAITING = takeF32(PENDING_COUNT * columnCount * judgedSteps);
  LOSSES = takeF32(PENDING_COUNT * columnCount);
  ERRORS = takeF32(PENDING_COUNT * columnCount);
  DAILY = takeF32(dailyRows * columnCount);
  MATURED = takeF32(longCount * columnCount);
  BLOCKS = takeF32(columnCount * blockCount);
  BLOCK_COUNTS = takeF32(blockCount);
  HOUR_BIASES = takeF32(day);
  HOUR_ERRORS = takeF32(day);
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
  logRegressionCount = count(6);
  rawRegressionCount = count(7);
  smootherCount = count(8);
  mixtureCount = count(9);
  dailyRows = count(16);
  longCount = count(17);
  recentCount = count(18);
  blockCount = count(25);
  correctFrom = count(26);
  choiceCount = count(28);
  logOrder = logLagCount + PROFILE_COUNT + 1;
  rawOrder = rawLagCount + 1;
  expertCount = logRegressionCount + rawRegressionCount + smootherCount + 2;
  columnCount = expertCount + mixtureCount + (correctFrom > 0 ? 1 : 0);
  logLags = table + ((<usize>HEADER_WORDS) << 3);
  rawLags = logLags + ((<usize>logLagCount) << 3);
  smootherRates = rawLags + ((<usize>rawLagCount) << 3);
  mixtures = smootherRates + ((<usize>smootherCount) << 5);
  choices = mixtures + ((<usize>mixtureWords(mixtureCount)) << 3);
  regressions = choices + ((<usize>(3 * choiceCount)) << 3);
}

/** Words of the mixtures before `mixture`. */
export function mixtureWords(mixture: u32): u32 {
  return mixture * (expertCount + 1) + ((mixture * (mixture - 1)) >> 1);
}

/** The last mixture's own column, which the nets correct. */
export function baseColumn(): u32 {
  return expertCount + mixtureCount - 1;
}

/** Where the nets are in the table: as many words after its beginning as the header says. */
export function netsAt(): usize {
  return table + ((<usize>count(27)) << 3);
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
/** Two f32: what the slow week and the day said of the last slot before it was seen. */
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
export function powerAt(isRaw: bool): usize {
  return state + (isRaw ? RAW_POWER : LOG_POWER);
}
/** Σ discount, f64. */
export function countAt(): usize {
  return state + COUNT;
}
