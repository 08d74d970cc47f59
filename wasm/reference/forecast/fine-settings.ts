// Every constant of the fine forecaster: one configuration for every service. Chosen on the early parts of the traces,
// docs/design/forecasting-online.md says how and beside which others.

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/** An observation above this is held to be this. */
export const VALUE_MAX = 1e15;
/** Horizons that one forecaster fits; what lies between is interpolated. */
export const HORIZON_COUNT_MAX = 5;

export const TIME = {
  /** The latest moment a Date can name. */
  timeMsMax: 8.64e15,
  /** A value further back than this is no late one: the clock was set back. */
  lateMsMax: 10 * MINUTE_MS,
  /** So many late values in a row, and the clock was set back by less than that. */
  lateRunMax: 30,
} as const;

export const SLOTS = {
  /** Length of a slot of the week, or the step where that is longer. */
  slotMs: 5 * MINUTE_MS,
  dayRate: 0.25,
  /** Resolution of a stored logarithm: 35 ÷ 65,534. */
  unit: 35 / 65_534,
} as const;

/** Time constants of the level's running means, in steps. */
export const LEVELS = [1.5, 5, 15, 60, 240] as const;

export const FEATURE_COUNT = 14;
export const SCALE_FEATURE_COUNT = 6;

export const REGRESSION = {
  /** Forecasts of one horizon that wait for their label at a time; a long horizon learns on a coarser clock. */
  pendingCount: 12,
  memoryMs: 3 * DAY_MS,
  /** The memory is at least so many updates. */
  memoryUpdatesMin: 500,
  /** Tempers the likelihood: overlapping horizons do not err independently. */
  kappa: 0.5,
  priorDeviation: 0.3,
  clipScales: 5,
  clipLeast: 0.02,
  /** A forecast leaves the range of what it was made from by at most this, in logs. */
  rangeSlack: 1.5,
} as const;

export const SCALE = {
  least: 0.003,
  memoryMs: 5 * DAY_MS,
  memoryUpdatesMin: 500,
  shortMs: 15 * MINUTE_MS,
  shortUpdatesMin: 10,
  longMs: DAY_MS,
  longUpdatesMin: 100,
  slotCount: 48,
  slotRate: 0.1,
  /** Of log |residual| about its mean. */
  noise: 1.2,
  priorDeviation: 0.3,
  boundRatio: 8,
} as const;

export const HISTOGRAM = {
  sideCount: 40,
  /** Bin i of a side begins at z = unit (e^(ratio i) − 1). */
  unit: 0.25,
  ratio: 0.14,
  memoryMs: 5 * DAY_MS,
  memoryUpdatesMin: 500,
  priorCount: 20,
} as const;
