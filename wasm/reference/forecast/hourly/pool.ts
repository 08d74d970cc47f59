// The experts of the pool, in order, and the two mixtures of them.
import { independentPrior, type Prior, type PriorTerm } from "./prior.ts";
import { LOG_LAGS, LOG_ORDER, RAW_LAGS, RAW_ORDER, DAY, WEEK, type MixtureSpec } from "./settings.ts";
import type { SmootherRates } from "./smoother.ts";
import { triangleSize } from "./triangle.ts";

const KAPPA = 0.2;
/** The hand-written cluster's share, and the deviation of what it does not speak of. */
const HAND_SHARE = 0.05;
const OTHER_DEVIATION = 0.03;
/** A random walk with a little of its seasons: v(t) − P(t) ≈ .7 (v(t−1) − P(t−1)) + … */
const LAG_MEANS: ReadonlyMap<number, number> = new Map([
  [1, 0.7],
  [DAY, 0.25],
  [DAY + 1, -0.17],
  [WEEK, 0.15],
  [WEEK + 1, -0.1],
]);
const SEASONAL_LAGS = [1, DAY - 1, DAY, DAY + 1, WEEK - 1, WEEK, WEEK + 1];
/** The lags of the hand-written prior in logs: with more of them a prior without correlations loses. */
const HAND_LAGS = [1, 2, 3, DAY - 1, DAY, DAY + 1, 2 * DAY, 3 * DAY, WEEK - DAY, WEEK - 1, WEEK, WEEK + 1];
const PROFILE_MEANS = [0.25, -0.17, 0, 0, 0, 0.1, -0.08];

/** The exploration's hand-written prior: chosen by nobody's data but M4 Hourly's validation. */
export const HAND_LOG: Prior = independentPrior(
  [
    ...HAND_LAGS.map((lag) => lagTerm(LOG_LAGS.indexOf(lag), lag, { seasonal: 0.2, other: 0.07 })),
    ...PROFILE_MEANS.map((mean, index) => ({ feature: LOG_LAGS.length + index, mean, deviation: 0.15 })),
    { feature: LOG_ORDER - 1, mean: 0, deviation: 0.01 },
  ],
  KAPPA,
);

/** What a learned mixture prior knows nothing of: the hand-written prior, all other coefficients near 0, as one more cluster. */
export function withHandCluster(prior: Prior): Prior {
  const { order, clusterCount } = prior;
  const size = triangleSize(order);
  const means = new Float64Array((clusterCount + 1) * order);
  const roots = new Float64Array((clusterCount + 1) * size);
  means.set(prior.means);
  roots.set(prior.roots);
  for (let row = 0; row < order; row += 1) {
    const hand = HAND_LOG.features.indexOf(row);
    means[clusterCount * order + row] = hand < 0 ? 0 : HAND_LOG.means[hand]!;
    const diagonal = triangleSize(row + 1) - 1;
    roots[clusterCount * size + diagonal] = hand < 0 ? 1 / OTHER_DEVIATION : HAND_LOG.roots[triangleSize(hand + 1) - 1]!;
  }
  const logShares = new Float64Array(clusterCount + 1).fill(Math.log(HAND_SHARE));
  for (let cluster = 0; cluster < clusterCount; cluster += 1) logShares[cluster] = prior.logShares[cluster]! + Math.log(1 - HAND_SHARE);
  return { ...prior, clusterCount: clusterCount + 1, logShares, means, roots };
}

/** Without profiles and with a wide prior: chiefly for MASE. */
export const HAND_RAW: Prior = independentPrior(
  [
    ...RAW_LAGS.map((lag, index) => lagTerm(index, lag, { seasonal: 0.5, other: 0.2 })),
    { feature: RAW_ORDER - 1, mean: 0, deviation: 0.01 },
  ],
  KAPPA,
);

export const SMOOTHERS: readonly SmootherRates[] = [{ level: 0, daily: 0.1, weekly: 0.45, residual: 0 }];

/** What is forecast and judged side by side: the experts, in the order of Experts.forecasts, then the mixtures. */
export const Column = {
  learnedLog: 0,
  handLog: 1,
  learnedRaw: 2,
  handRaw: 3,
  smoother: 4,
  yesterday: 5,
  last: 6,
  priorFree: 7,
  /** The learned mixture, which the nets correct. */
  learned: 8,
  corrected: 9,
  count: 10,
} as const;

export const PRIOR_FREE: MixtureSpec = { shares: [0, 1, 0, 1, 3, 1, 0], eta: 4 };
/** Over the experts and the prior-free mixture. */
export const LEARNED: MixtureSpec = { shares: [1, 0, 1, 0, 1, 0, 0, 1], eta: 7 };

export interface Choice {
  readonly column: number;
  readonly share: number;
  /** Half the width of the 95 % interval, in mean absolute log errors; the corrected column has its own interval. */
  readonly half: number;
}

/** What "auto" weighs by measured loss; the learned variant until something has matured, and where nothing is better. */
export const CHOICES: readonly Choice[] = [
  { column: Column.corrected, share: 1, half: 2.3 },
  { column: Column.priorFree, share: 0.4, half: 2.2 },
  { column: Column.last, share: 0.05, half: 2.4 },
  { column: Column.yesterday, share: 0.01, half: 2.4 },
];

function lagTerm(feature: number, lag: number, { seasonal, other }: { seasonal: number; other: number }): PriorTerm {
  return { feature, mean: LAG_MEANS.get(lag) ?? 0, deviation: SEASONAL_LAGS.includes(lag) ? seasonal : other };
}
