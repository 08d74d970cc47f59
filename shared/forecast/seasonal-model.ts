// The seasonal model: every constant of it that no training gives, for a day and a week of any length in slots (a slot is an
// hour for a service). Where none is named otherwise a constant comes from the exploration in docs/design/forecasting.md;
// those marked "validation" were chosen on the five validation origins of bench/forecast.

/** The most slots of the two seasons. */
export const DAY_MAX = 24;
export const WEEK_MAX = 168;
/** The most steps ahead that can be asked for. */
export const HORIZON_MAX = 168;
export const ISSUE_EVERY_MAX = 12;
/** An observation above this is held to be this: its square still fits a double a hundred times over. */
export const VALUE_MAX = 1e15;
/** Features of a regression on logs that are smoothed profiles of the seasons. */
export const PROFILE_COUNT = 7;
/** Matured origins whose loss weighs the experts: the last, every second, a day apart where the seasons are a day and a week. */
export const DAILY_COUNT = 12;
/** Steps of a forecast are judged in so many blocks. */
export const BLOCK_COUNT = 8;

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
  forgetting: 0.9995,
  interceptFeature: 0.3,
  varianceMin: 1e-7,
  roundsFirst: 6,
  rounds: 1,
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

/** What is believed of a regression's coefficients before the series has spoken: a mixture of Gaussians. */
export interface RegressionPrior {
  /** The features it speaks of, ascending, among those of its scale: the lags, for logs then the profiles, the intercept. */
  readonly features: readonly number[];
  /** Tempers the likelihood: neighbouring hours do not err independently. */
  readonly kappa: number;
  readonly clusters: readonly PriorCluster[];
}

export interface PriorCluster {
  readonly logShare: number;
  /** One per feature. */
  readonly means: readonly number[];
  /** The lower triangle R of the precision R Rᵀ, row after row; or its diagonal alone, where no two coefficients are correlated. */
  readonly root: readonly number[];
}

export interface MixtureSpec {
  /** Weight share × exp(−eta (loss ÷ best − 1)) of each expert, then of each mixture before it; share 0: not in it. */
  readonly shares: readonly number[];
  readonly eta: number;
}

/** What is said in the end: one of these, or all of them weighed by what each has lost of late. */
export interface Choice {
  /** The experts', then the mixtures', then the last mixture as the nets correct it. */
  readonly column: number;
  readonly share: number;
  /** Half the width of the 95 % interval, in mean absolute log errors; what the nets correct has an interval of its own. */
  readonly half: number;
}

export interface Seasons {
  /** Slots of the short season, 1 to 24; 1 is none. */
  readonly day: number;
  /** Slots of the long one, from `day` to 168; equal to `day` where there is none. */
  readonly week: number;
}

export type Scale = "log" | "raw";

/** Experts: the regressions on logs, those on the raw scale, the smoothers, the same slot yesterday, the last value. */
export interface SeasonalModel extends Seasons {
  /** Slots between two forecasts that are kept to be judged, over four times as many, and between two solves. */
  readonly issueEvery: number;
  /** Regressions look back so far, and begin to learn then. */
  readonly lagMax: number;
  readonly lags: Readonly<Record<Scale, readonly number[]>>;
  readonly priors: Readonly<Record<Scale, readonly RegressionPrior[]>>;
  readonly smoothers: readonly SmootherRates[];
  readonly mixtures: readonly MixtureSpec[];
  /** What stands first is a forecaster's word until something has matured. */
  readonly choices: readonly Choice[];
  readonly nets: Nets | null;
}

/** Small nets that correct the last mixture, averaged. */
export interface Nets {
  /** Slots to see before anything is corrected. */
  readonly correctFrom: number;
  /** Of them so many are the same for every step. */
  readonly originInputCount: number;
  readonly quantileCount: number;
  /** Share of the gates' shift that the mean follows; it follows the median's whole. */
  readonly gateShare: number;
  /** The interval is stretched from the median by so much. */
  readonly stretch: number;
  /** Columns that the gates weigh. */
  readonly gated: readonly number[];
  /** One per input. */
  readonly means: readonly number[];
  readonly deviations: readonly number[];
  /** Three layers each. */
  readonly members: readonly (readonly NetLayer[])[];
}

export interface NetLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Those of one input together. */
  readonly weights: readonly number[];
  readonly biases: readonly number[];
}

/** The exploration's ES0, quicker on its week (validation). */
const SMOOTHERS: readonly SmootherRates[] = [{ level: 0, daily: 0.1, weekly: 0.45, residual: 0 }];
/** Of the hand-written priors; eta and half by validation. */
const KAPPA = 0.2;
const ETA = 4;
/** Of the choices; the naive ones: the same slot yesterday, the last value. */
export const CHOICE_ETA = 12;
/** Matured daily origins over which all mixtures must lose to the last value before they yield to it. */
export const YIELD_COUNT = 7;
export const PRIOR_FREE_HALF = 2.2;
export const LAST = { share: 0.05, half: 2.4 };
export const YESTERDAY = { share: 0.01, half: 2.4 };

export const DAY_AND_WEEK: Seasons = { day: 24, week: 168 };

/** The model without trained weights for these seasons, judged over 4 × `issueEvery` steps: two days, unless said otherwise. */
export function priorFreeModel(
  { day, week }: Seasons,
  issueEvery: number = Math.min(ISSUE_EVERY_MAX, Math.max(3, Math.floor(day / 2))),
): SeasonalModel {
  const log = shortLags(day, week);
  const raw = longLags(day, week);
  const logPrior = handPrior([
    ...lagTerms(log, { day, week }, { seasonal: 0.2, other: 0.07 }),
    ...PROFILE_MEANS.map((mean) => ({ mean, deviation: 0.15 })),
    INTERCEPT,
  ]);
  // Without profiles and with a wide prior: chosen on validation, chiefly for MASE.
  const rawPrior = handPrior([...lagTerms(raw, { day, week }, { seasonal: 0.5, other: 0.2 }), INTERCEPT]);
  return {
    day,
    week,
    issueEvery,
    lagMax: Math.max(day + week, LAG_MIN),
    lags: { log, raw },
    priors: { log: [logPrior], raw: [rawPrior] },
    smoothers: SMOOTHERS,
    mixtures: [{ shares: [1, 1, 3, 1, 0], eta: ETA }],
    choices: [
      { column: 5, share: 1, half: PRIOR_FREE_HALF },
      { column: 4, ...LAST },
      { column: 3, ...YESTERDAY },
    ],
    nets: null,
  };
}

/** A coefficient's mean and deviation before the first observation. */
interface PriorTerm {
  readonly mean: number;
  readonly deviation: number;
}

const INTERCEPT: PriorTerm = { mean: 0, deviation: 0.01 };

function handPrior(terms: readonly PriorTerm[]): RegressionPrior {
  return {
    features: terms.map((_, index) => index),
    kappa: KAPPA,
    clusters: [{ logShare: 0, means: terms.map(({ mean }) => mean), root: terms.map(({ deviation }) => 1 / deviation) }],
  };
}

/** A series without seasons has at least so many slots to look back on. */
const LAG_MIN = 12;
const PROFILE_MEANS = [0.25, -0.17, 0, 0, 0, 0.1, -0.08];

// The exploration does not name its twelve; for a day and a week these give its figure (8.63 / .773, there 8.62 / .774).
function shortLags(day: number, week: number): number[] {
  const lags = [1, 2, 3, day - 1, day, day + 1, 2 * day, 3 * day, 6 * day, week - 1, week, week + 1];
  return distinct(lags, Math.max(week + 1, 3));
}

// For a day and a week the exploration's for its raw-scale expert.
function longLags(day: number, week: number): number[] {
  const around = (lag: number): number[] => [lag - 1, lag, lag + 1];
  const days = [2, 3, 4, 5, 6].flatMap((count) => around(count * day));
  const lags = [1, 2, 3, 4, 6, 12, ...around(day), day + 2, ...days, week - 2, ...around(week), week + 2, week + day];
  return distinct(lags, Math.max(week + day, LAG_MIN));
}

function distinct(lags: readonly number[], most: number): number[] {
  return [...new Set(lags)].filter((lag) => lag >= 1 && lag <= most);
}

/**
 * A random walk with a little of its seasons: v(t) − P(t) ≈ .7 (v(t−1) − P(t−1)) + … Where short seasons let several roles
 * fall on one lag, it has the sum of their means and variances: what a regression with each of them would say.
 */
function lagTerms(
  lags: readonly number[],
  { day, week }: Seasons,
  deviations: { readonly seasonal: number; readonly other: number },
): PriorTerm[] {
  const roles: readonly (readonly [lag: number, mean: number])[] = [
    [1, 0.7],
    [day - 1, 0],
    [day, 0.25],
    [day + 1, -0.17],
    [week - 1, 0],
    [week, 0.15],
    [week + 1, -0.1],
  ];
  return lags.map((lag) => {
    const own = roles.filter(([at]) => at === lag);
    const deviation = own.length === 0 ? deviations.other : deviations.seasonal * Math.sqrt(own.length);
    return { mean: own.reduce((sum, [, mean]) => sum + mean, 0), deviation };
  });
}
