// Every constant of the training-free forecaster. Where none is named otherwise it comes from the exploration in
// docs/design/forecasting.md; those marked "validation" were chosen on the five validation origins of bench/forecast.

export const DAY = 24;
export const WEEK = 168;
export const LAG_MAX = 192;
/** The most steps ahead that can be asked for. */
export const HORIZON_MAX = 168;
/** The steps on which the experts are judged. */
export const JUDGED = 48;
/** Hours between two forecasts that are kept to be judged, and between two solves. */
export const ISSUE_EVERY = 12;
export const PENDING_COUNT = JUDGED / ISSUE_EVERY;

/** Regressions begin to learn here: the scale is known after a week, and the longest lag needs a day more. */
export const REGRESSION_FROM = 193;

/** An observation above this is held to be this: its square still fits a double a hundred times over. */
export const VALUE_MAX = 1e15;

export const MIXTURE = {
  /** Weight share × exp(−eta (loss / best − 1)). Validation; the exploration's is 8. */
  eta: 4,
  /** Daily origins whose loss counts. */
  originCount: 12,
} as const;

export const INTERVAL = {
  /** Half the width of the 95 % interval, in mean absolute log errors. Validation; the exploration's is 1.9 × 1.25. */
  half: 2.2,
  long: 0.5,
  recent: 0.3,
  pending: 0.2,
  floor: 0.002,
  /** Matured origins, half a day apart, that count as long, and as recent. */
  longCount: 24,
  recentCount: 4,
} as const;

export interface SmootherRates {
  readonly level: number;
  readonly daily: number;
  readonly weekly: number;
  /** How much of the last residual stays a step later. */
  readonly residual: number;
}

/** The first is the exploration's ES0; the others were chosen on validation among sixty. */
export const SMOOTHERS: readonly SmootherRates[] = [
  { level: 0, daily: 0.1, weekly: 0.3, residual: 0 },
  { level: 0.02, daily: 0.1, weekly: 0.3, residual: 0.7 },
  { level: 0.2, daily: 0.3, weekly: 0.1, residual: 0 },
];

export interface PriorTerm {
  readonly mean: number;
  readonly deviation: number;
}

export interface RegressionSpec {
  readonly scale: "log" | "raw";
  readonly lags: readonly number[];
  readonly lagPriors: readonly PriorTerm[];
  /** In the order of Signal.profilesInto. */
  readonly profilePriors: readonly PriorTerm[];
  readonly interceptPrior: PriorTerm;
}

export const REGRESSION = {
  /** Tempers the likelihood: neighbouring hours do not err independently. */
  kappa: 0.2,
  forgetting: 0.998,
  interceptFeature: 0.3,
  varianceMin: 1e-7,
  roundsFirst: 6,
  rounds: 2,
  /** A forecast leaves the range of the history by at most this share of it. */
  clampRatio: 0.3,
} as const;

/** The exploration does not name its twelve; these give its figure for the model (8.63 / .773, there 8.62 / .774). */
const LAGS = [1, 2, 3, 23, 24, 25, 48, 72, 144, 167, 168, 169];
/** The exploration's for its raw-scale expert. */
const LAGS_LONG = [
  1, 2, 3, 4, 6, 12, 23, 24, 25, 26, 47, 48, 49, 71, 72, 73, 95, 96, 97, 119, 120, 121, 143, 144, 145, 166, 167, 168, 169, 170, 192,
];
const SEASONAL_LAGS = [1, 23, 24, 25, 167, 168, 169];
/** A random walk with a little of its seasons: v(t) − P(t) ≈ .7 (v(t−1) − P(t−1)) + … */
const LAG_MEANS: ReadonlyMap<number, number> = new Map([
  [1, 0.7],
  [24, 0.25],
  [25, -0.17],
  [168, 0.15],
  [169, -0.1],
]);
const PROFILE_MEANS = [0.25, -0.17, 0, 0, 0, 0.1, -0.08];
const INTERCEPT_PRIOR: PriorTerm = { mean: 0, deviation: 0.01 };

export const REGRESSIONS: readonly RegressionSpec[] = [
  {
    scale: "log",
    lags: LAGS,
    lagPriors: lagPriors(LAGS, { seasonal: 0.2, other: 0.07 }),
    profilePriors: PROFILE_MEANS.map((mean) => ({ mean, deviation: 0.15 })),
    interceptPrior: INTERCEPT_PRIOR,
  },
  // Without profiles and with a wide prior: chosen on validation, chiefly for MASE.
  {
    scale: "raw",
    lags: LAGS_LONG,
    lagPriors: lagPriors(LAGS_LONG, { seasonal: 0.5, other: 0.2 }),
    profilePriors: [],
    interceptPrior: INTERCEPT_PRIOR,
  },
  {
    scale: "log",
    lags: LAGS,
    lagPriors: lagPriors(LAGS, { seasonal: 0.3, other: 0.1 }).map(({ deviation }) => ({ mean: 0, deviation })),
    profilePriors: Array.from({ length: 9 }, () => ({ mean: 0, deviation: 0.2 })),
    interceptPrior: INTERCEPT_PRIOR,
  },
];

/** Every expert's weight before anything has matured: the regressions, the smoothers, the day before. Validation. */
export const EXPERT_SHARES: readonly number[] = [1, 1, 1, 3, 1, 1, 1];

function lagPriors(lags: readonly number[], deviations: { readonly seasonal: number; readonly other: number }): PriorTerm[] {
  return lags.map((lag) => ({
    mean: LAG_MEANS.get(lag) ?? 0,
    deviation: SEASONAL_LAGS.includes(lag) ? deviations.seasonal : deviations.other,
  }));
}
