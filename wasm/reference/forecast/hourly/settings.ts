// Every constant of the hourly forecaster that no training gives. Sources and trials: docs/design/forecasting.md.

import { logOnePlus } from "../elementary.ts";

export const DAY = 24;
export const WEEK = 168;
export const LAG_MAX = WEEK + DAY;
/** The most steps ahead that can be asked for. */
export const HORIZON_MAX = 168;
/** The steps on which the experts are judged. */
export const JUDGED = 2 * DAY;
/** Hours between two forecasts that are kept to be judged, and between two solves. */
export const ISSUE_EVERY = DAY / 2;
export const PENDING_COUNT = JUDGED / ISSUE_EVERY;
/** An observation above this is held to be this: its square still fits a double a hundred times over. */
export const VALUE_MAX = 1e15;
export const LOG_MAX = logOnePlus(VALUE_MAX);

export const REGRESSION = {
  forgetting: 0.9995,
  interceptFeature: 0.3,
  varianceMin: 1e-7,
  roundsFirst: 6,
  rounds: 1,
  /** A forecast leaves the range of the history by at most this share of it. */
  clampRatio: 0.3,
} as const;

const DAYS = [DAY - 1, DAY, DAY + 1, 2 * DAY - 1, 2 * DAY, 2 * DAY + 1, 3 * DAY - 1, 3 * DAY, 3 * DAY + 1];
const WEEKS = [WEEK - DAY - 1, WEEK - DAY, WEEK - DAY + 1, WEEK - 1, WEEK, WEEK + 1, WEEK + 2];
/** In logs; the profiles' features and the intercept come after them, then the fast daily profile's two. */
export const LOG_LAGS: readonly number[] = [1, 2, 3, 4, DAY / 2, ...DAYS, 4 * DAY, 5 * DAY, ...WEEKS];
const RAW_DAYS = [4 * DAY - 1, 4 * DAY, 4 * DAY + 1, 5 * DAY - 1, 5 * DAY, 5 * DAY + 1];
/** On the raw scale, where no profile is used; the intercept comes last. */
export const RAW_LAGS: readonly number[] = [
  1,
  2,
  3,
  4,
  DAY / 4,
  DAY / 2,
  ...DAYS.toSpliced(3, 0, DAY + 2),
  ...RAW_DAYS,
  ...WEEKS.toSpliced(3, 0, WEEK - 2),
  WEEK + DAY,
];
export const PROFILE_FEATURES = 7;
export const LOG_ORDER = LOG_LAGS.length + PROFILE_FEATURES + 1;
export const RAW_ORDER = RAW_LAGS.length + 1;
export const ORDER_MAX = Math.max(LOG_ORDER, RAW_ORDER);

/** The seasons in slots, and what follows from them. */
export interface Grid {
  readonly day: number;
  readonly week: number;
  readonly lagMax: number;
  /** Slots between two forecasts that are kept to be judged over four times as many, and between two solves. */
  readonly issueEvery: number;
  readonly logLags: readonly number[];
  readonly rawLags: readonly number[];
}

export const HOURS: Grid = { day: DAY, week: WEEK, lagMax: LAG_MAX, issueEvery: ISSUE_EVERY, logLags: LOG_LAGS, rawLags: RAW_LAGS };

/** Daily origins whose loss weighs the experts, and decides between the mixtures. */
export const DAILY_COUNT = 12;
/** Matured origins, ISSUE_EVERY apart, whose errors count as long, and as recent. */
export const LONG_COUNT = 24;
export const RECENT_COUNT = 4;
export const BLOCK_COUNT = 8;
export const BLOCK_HOURS = JUDGED / BLOCK_COUNT;

export interface MixtureSpec {
  /** Weight share × exp(−eta (loss ÷ best − 1)) of each expert of the pool; share 0: none of its own. */
  readonly shares: readonly number[];
  readonly eta: number;
}

/** The same among the mixtures and naive forecasts that "auto" weighs. */
export const CHOICE_ETA = 12;

/** Daily origins over which both variants must lose to the last value before they yield to it. */
export const YIELD_COUNT = 7;

/** The expected error: shares of the long, the recent and the not yet matured, and what is always added. */
export const INTERVAL = { long: 0.5, recent: 0.3, pending: 0.2, floor: 0.002 } as const;
/** Half a width in logs; e³⁰ is more than any margin that could be used. */
export const HALF_MAX = 30;

/** The levels of the nets' quantiles: the 95 % interval's ends, and the median in the middle. */
export const QUANTILES: readonly number[] = [0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975];
/** The nets' inputs: of an origin, of a step (net-inputs.ts). */
export const ORIGIN_INPUT_COUNT = 36;
const STEP_INPUT_COUNT = 33;
export const INPUT_COUNT = ORIGIN_INPUT_COUNT + STEP_INPUT_COUNT;
/** A standardised input further out is held to be this. */
export const INPUT_MAX = 4;
/** Experts whose weight the nets set; an expert's difference from the base, in units of the scale, ends at DEVIATION_MAX. */
export const GATED_COUNT = 7;
export const DEVIATION_MAX = 8;
export const CORRECTION = {
  /** Share of the gates' shift that the mean follows; it follows the median's whole. Validation. */
  gate: 0.75,
  /** The interval is stretched from the median by so much. Validation. */
  stretch: 1.08,
} as const;
/** The nets correct nothing before: the regressions' first forecasts have matured then. */
export const CORRECT_FROM = WEEK + 4 * DAY;
/** How fast the base's errors by hour of the day are forgotten. */
export const HOUR_RATES = { bias: 0.2, error: 0.1 } as const;
