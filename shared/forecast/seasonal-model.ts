// The training-free seasonal model: every constant of it, for a day and a week of any length in slots (a slot is an hour
// for a service). Where none is named otherwise a constant comes from the exploration in docs/design/forecasting.md;
// those marked "validation" were chosen on the five validation origins of bench/forecast.

/** The most slots of the two seasons. */
export const DAY_MAX = 24;
export const WEEK_MAX = 168;
/** The most steps ahead that can be asked for. */
export const HORIZON_MAX = 168;
/** Forecasts that wait for their slots at once: one every `issueEvery` slots, each judged over four times as many. */
export const PENDING_COUNT = 4;
export const ISSUE_EVERY_MAX = 12;
/** An observation above this is held to be this: its square still fits a double a hundred times over. */
export const VALUE_MAX = 1e15;
/** Features of a regression that are smoothed profiles of the seasons. */
export const PROFILE_COUNT = 9;

export const MIXTURE = {
  /** Weight share × exp(−eta (loss / best − 1)). Validation; the exploration's is 8. */
  eta: 4,
  /** Daily origins whose loss counts. */
  originCount: 12,
} as const;

export const INTERVAL = {
  long: 0.5,
  recent: 0.3,
  pending: 0.2,
  floor: 0.002,
  /** Matured origins, half a day apart, that count as long, and as recent. */
  longCount: 24,
  recentCount: 4,
} as const;

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

export interface SmootherRates {
  readonly level: number;
  readonly daily: number;
  readonly weekly: number;
  /** How much of the last residual stays a step later. */
  readonly residual: number;
}

/** The first is the exploration's ES0; the others were chosen on validation among sixty. */
const SMOOTHERS: readonly SmootherRates[] = [
  { level: 0, daily: 0.1, weekly: 0.3, residual: 0 },
  { level: 0.02, daily: 0.1, weekly: 0.3, residual: 0.7 },
  { level: 0.2, daily: 0.3, weekly: 0.1, residual: 0 },
];

/** Every expert's weight before anything has matured: the regressions, the smoothers, the day before. Validation. */
const EXPERT_SHARES: readonly number[] = [1, 1, 1, 3, 1, 1, 1];

/** One coefficient of a regression, and what is thought of it before the first observation. */
export interface RegressionTerm {
  /** Index into the features of its scale: the lags, for logs then the profiles, the intercept. */
  readonly feature: number;
  readonly mean: number;
  readonly deviation: number;
}

export interface RegressionSpec {
  readonly scale: "log" | "raw";
  readonly terms: readonly RegressionTerm[];
}

export interface Seasons {
  /** Slots of the short season, 1 to 24; 1 is none. */
  readonly day: number;
  /** Slots of the long one, from `day` to 168; equal to `day` where there is none. */
  readonly week: number;
}

export interface SeasonalModel extends Seasons {
  /** Slots between two forecasts that are kept to be judged, and between two solves. */
  readonly issueEvery: number;
  /** Regressions look back so far, and begin to learn a slot later. */
  readonly lagMax: number;
  readonly lags: Readonly<Record<RegressionSpec["scale"], readonly number[]>>;
  readonly regressions: readonly RegressionSpec[];
  readonly smoothers: readonly SmootherRates[];
  /** One per expert: the regressions, the smoothers, the day before. */
  readonly shares: readonly number[];
}

export const DAY_AND_WEEK: Seasons = { day: 24, week: 168 };

/** The model for these seasons, judged over 4 × `issueEvery` steps: two days, unless said otherwise. */
export function seasonalModel(
  { day, week }: Seasons,
  issueEvery: number = Math.min(ISSUE_EVERY_MAX, Math.max(3, Math.floor(day / 2))),
): SeasonalModel {
  const lagMax = Math.max(day + week, LAG_MIN);
  const short = lagTerms(shortLags(day, week), { day, week });
  const long = lagTerms(longLags(day, week), { day, week });
  const log = short.map(({ lag }) => lag);
  const raw = long.map(({ lag }) => lag);
  const profiles = (means: readonly number[], deviation: number): RegressionTerm[] =>
    means.map((mean, index) => ({ feature: log.length + index, mean, deviation }));
  return {
    day,
    week,
    issueEvery,
    lagMax,
    lags: { log, raw },
    regressions: [
      {
        scale: "log",
        terms: [...withDeviations(short, SHORT), ...profiles(PROFILE_MEANS, 0.15), intercept(log.length + PROFILE_COUNT)],
      },
      // Without profiles and with a wide prior: chosen on validation, chiefly for MASE.
      { scale: "raw", terms: [...withDeviations(long, LONG), intercept(raw.length)] },
      {
        scale: "log",
        terms: [
          ...withDeviations(short, UNINFORMED).map((term) => ({ ...term, mean: 0 })),
          ...profiles(
            Array.from({ length: PROFILE_COUNT }, () => 0),
            0.2,
          ),
          intercept(log.length + PROFILE_COUNT),
        ],
      },
    ],
    smoothers: SMOOTHERS,
    shares: EXPERT_SHARES,
  };
}

/** A series without seasons has at least so many slots to look back on. */
const LAG_MIN = 12;
/** Prior deviations of the lags next to a season, and of the others. */
const SHORT = { seasonal: 0.2, other: 0.07 };
const LONG = { seasonal: 0.5, other: 0.2 };
const UNINFORMED = { seasonal: 0.3, other: 0.1 };
const PROFILE_MEANS = [0.25, -0.17, 0, 0, 0, 0.1, -0.08];

// The exploration does not name its twelve; for a day and a week these give its figure (8.63 / .773, there 8.62 / .774).
function shortLags(day: number, week: number): number[] {
  const lags = [1, 2, 3, day - 1, day, day + 1, 2 * day, 3 * day, 6 * day, week - 1, week, week + 1];
  return lags.filter((lag) => lag >= 1 && lag <= Math.max(week + 1, 3));
}

// For a day and a week the exploration's for its raw-scale expert.
function longLags(day: number, week: number): number[] {
  const around = (lag: number): number[] => [lag - 1, lag, lag + 1];
  const days = [2, 3, 4, 5, 6].flatMap((count) => around(count * day));
  const lags = [1, 2, 3, 4, 6, 12, ...around(day), day + 2, ...days, week - 2, ...around(week), week + 2, week + day];
  return lags.filter((lag) => lag >= 1 && lag <= Math.max(week + day, LAG_MIN));
}

interface LagTerm {
  readonly lag: number;
  readonly mean: number;
  /** How many roles next to a season fall on this lag; 0: none. */
  readonly seasonalCount: number;
}

/**
 * A random walk with a little of its seasons: v(t) − P(t) ≈ .7 (v(t−1) − P(t−1)) + … Where short seasons let several roles
 * fall on one lag, it has the sum of their means and variances: what a regression with each of them would say.
 */
function lagTerms(lags: readonly number[], { day, week }: Seasons): LagTerm[] {
  const roles: readonly (readonly [lag: number, mean: number])[] = [
    [1, 0.7],
    [day - 1, 0],
    [day, 0.25],
    [day + 1, -0.17],
    [week - 1, 0],
    [week, 0.15],
    [week + 1, -0.1],
  ];
  return [...new Set(lags)].map((lag) => {
    const own = roles.filter(([at]) => at === lag);
    return { lag, mean: own.reduce((sum, [, mean]) => sum + mean, 0), seasonalCount: own.length };
  });
}

function withDeviations(
  terms: readonly LagTerm[],
  { seasonal, other }: { readonly seasonal: number; readonly other: number },
): RegressionTerm[] {
  return terms.map(({ mean, seasonalCount }, feature) => ({
    feature,
    mean,
    deviation: seasonalCount === 0 ? other : seasonal * Math.sqrt(seasonalCount),
  }));
}

function intercept(feature: number): RegressionTerm {
  return { feature, mean: 0, deviation: 0.01 };
}
