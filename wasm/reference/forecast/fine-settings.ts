// Every constant of the fine forecaster: one configuration for every service. Chosen on the early parts of the traces;
// docs/design/forecasting-online.md says how, and beside which others.

const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/** An observation above this is held to be this. */
export const VALUE_MAX = 1e15;
/** Nobody is told a quantile further out than this. */
export const TAIL_LEAST = 1e-6;

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
  slotMs: 10 * MINUTE_MS,
  dayRate: 0.25,
  /** Resolution of a stored logarithm: 35 ÷ 65,534. */
  unit: 35 / 65_534,
} as const;

/** Time constants of the running means, in steps. */
export const LEVELS = [2, 8, 30, 120, 480] as const;
const SEASON_COUNT = 4;
export const FEATURE_COUNT = 1 + LEVELS.length + 2 * SEASON_COUNT;
export const SCALE_FEATURE_COUNT = 6;

/** Forecasts of one horizon that wait for their label at a time; a long horizon learns on a coarser clock. */
export const WAITING_COUNT_MAX = 12;
/** A label so much of the horizon late is still one. */
export const LATE_LABEL_RATIO = 1 / 8;

export const REGRESSION = {
  intercept: 0.3,
  memoryMs: 3 * DAY_MS,
  /** Any memory is at least so many updates. */
  memoryUpdatesMin: 500,
  /** Tempers the likelihood: overlapping horizons do not err independently. */
  kappa: 0.1,
  priorDeviation: 0.3,
  clipScales: 5,
  clipLeast: 0.02,
  /** A forecast leaves the range of what it was made from by at most this, in logs. */
  rangeSlack: 1.5,
} as const;

export const SCALE = {
  least: 0.003,
  initial: 0.3,
  memoryMs: 20 * DAY_MS,
  memoryUpdatesMin: 500,
  shortMs: 30 * MINUTE_MS,
  shortUpdatesMin: 10,
  longMs: DAY_MS,
  longUpdatesMin: 100,
  slotCount: 48,
  slotRate: 0.1,
  /** Prior means: 1, short, long and time-of-day mean of log |residual|, restlessness, level. */
  means: [0, 0.3, 0.3, 0.4, 0, 0],
  /** Of log |residual| about its mean. */
  noise: 1.2,
  priorDeviation: 0.3,
  /** A scale leaves the long mean by at most this factor. */
  boundRatio: 4,
} as const;

export const RESIDUALS = {
  sideCount: 28,
  /** Bin i of a side begins at z = unit (e^(ratio i) − 1). */
  unit: 0.25,
  ratio: 0.16,
  memoryMs: 20 * DAY_MS,
  memoryUpdatesMin: 1_000,
  /** At first it remembers less, lest what was said before anything was learned stay: so many updates and half of those so far. */
  memoryUpdatesFirst: 100,
  /** Before any residual: a double exponential of this mean size, as if so many had been seen. */
  priorSize: 1.5,
  priorCount: 8,
  /** Beyond this share the tail is exponential, as fast as between four times this share and it. */
  tailRatio: 0.005,
} as const;

/** The point forecast is a pool: the regression, persistence, and the two shortest running means. */
export const POOL = {
  shares: [4, 1, 1, 1],
  /** Weight: share × exp(−eta (loss ÷ best − 1)), loss being Σ |error| in the values' unit. */
  eta: 20,
  memoryMs: 2 * DAY_MS,
  memoryUpdatesMin: 100,
} as const;

/** The 95 % interval is the narrowest of these in the values' unit, by the share below it. */
export const INTERVAL = { shares: [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035], level: 0.95 } as const;

/** No quantile is above the highest level of late by more than `perFold` logs for every factor e of rarity. */
export const CEILING = { leakPerDay: 0.4, perFold: 0.12 } as const;

export const JUDGE = {
  memoryMs: WEEK_MS,
  memoryUpdatesMin: 100,
  /** Yields to persistence where its error is above this share of persistence's, and takes over again below the other. */
  yieldsAbove: 1.01,
  returnsBelow: 0.99,
} as const;
