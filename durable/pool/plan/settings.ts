// Every constant of the planner: one configuration for every service. docs/design/provisioning.md says where each
// comes from, and what was rejected for it.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** Between two plans, and the forecaster's own grid. */
export const PLAN_STEP_MS = 10 * SECOND_MS;

export const QUANTILES = {
  /** With what probability demand exceeds what a rung provides. */
  exceedances: [
    0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 5e-4,
    2e-4, 1e-4, 3e-5,
  ],
  /** Beyond the rarest: its margin over the median, in logs, times this. */
  stretches: [1.2, 1.45, 1.75, 2.1, 2.6, 3.2],
  /** The rung of the first hour: one in a hundred. */
  rungAtFirst: 16,
} as const;

export const MULTIPLIERS = { count: 26, least: 0.8, most: 4.8 } as const;

/**
 * How many rungs more careful a shard is kept than it is started, by the time that a new one takes. Where that is short,
 * drains are many and the next rise is soon; where it is long, the most wanted until then is already more than is wanted for long.
 */
export const HOLDS: readonly { readonly belowMs: number; readonly quantileRungs: number; readonly multiplierRungs: number }[] = [
  { belowMs: 30 * SECOND_MS, quantileRungs: 4, multiplierRungs: 1.5 },
  { belowMs: 5 * MINUTE_MS, quantileRungs: 3, multiplierRungs: 1 },
  { belowMs: Infinity, quantileRungs: 0, multiplierRungs: 0 },
];

export const BUSIEST = {
  /** A week. */
  hourCount: 168,
  /** Plans in a minute: what the busiest minute is the mean of. */
  planCount: 6,
} as const;

/** No rung provides more than this many times the busiest minute of the last week, and one shard. */
export const CEILING_RATIO = 3;

/**
 * Where demand is above all that the replays have seen, no replay tells what it may do next: it may grow on, while a
 * shard starts, by some power of what it grew beyond.
 */
export const BEYOND = {
  exponent: 0.5,
  /** Where a start-up takes so long; else less, by its cube root. */
  startMs: 900 * SECOND_MS,
  ratioMax: 2,
  /** So many last hours are the present, not what was seen. */
  recentHours: 12,
  /** Before so much is known, everything is beyond. */
  knownHoursMin: 48,
  /** Rungs of at least this exceedance take no part, rarer ones in proportion. */
  exceedanceMax: 0.2,
} as const;

/** A rise that noise does not explain is followed to when a shard started now would serve, not to what was measured. */
export const TREND = {
  /** Standard deviations of the noise from one plan to the next. */
  deviationsMin: 3,
  /** Plans ahead, at most, and at most so many times what is measured. */
  stepsMax: 6,
  ratioMax: 2,
  /** Plans over which that noise is learned: its variance is in proportion to the slots in use. */
  memoryPlans: 2_000,
} as const;

/** The reactive floor gives way by this much of the rung's exceedance. */
export const FLOOR_SLACK = 0.3;

export const CONTROL = {
  periodMs: HOUR_MS,
  /** How long replays are remembered: candidates, chosen by how they would have done. */
  memoriesMs: [3 * DAY_MS, 7 * DAY_MS, 14 * DAY_MS],
  /** How long the candidates' own record is remembered: longer than any of them remembers. */
  recordMs: 21 * DAY_MS,
  /** How long the shortfall actually seen is. */
  seenMs: 14 * DAY_MS,
  /** What was seen is paid back over the load of about this long. */
  paybackMs: 7 * DAY_MS,
  /** Aimed at: this much of the accepted shortfall; what is left is for what the replays could not know. */
  aim: 0.8,
  targetRatioMin: 0.3,
  targetRatioMax: 0.9,
  /**
   * Worth paying for a shard-second of shortfall saved, in shard-seconds: 1 ÷ .01 where that much is accepted, and this power
   * of the accepted share less where less is: a tenth as much shortfall is not worth ten times as much.
   */
  priceShortfallRatio: 0.01,
  priceExponent: 0.7,
  /** A candidate must be better by this much to take over. */
  hysteresis: 0.005,
  /** Before anything was seen: a day on which a rung's shortfall was this much of its exceedance. */
  priorRatio: 0.015,
  priorMs: DAY_MS,
  /** The price of shortfall is finite even where none is accepted. */
  shortfallRatioMin: 1e-5,
  /** Told as not attainable above this many times the accepted shortfall. */
  attainableRatioMax: 1.25,
} as const;

export const START_TIME = {
  /** Start-up times remembered. */
  countMax: 32,
  /** Planned with: this quantile of them. */
  quantile: 0.9,
  /** The prior weighs as much as this many observations. */
  priorCount: 2,
  /** The plan's horizon moves when the quantile has moved by more than this. */
  hysteresis: 0.1,
  msMax: 6 * HOUR_MS,
} as const;

/** Entries of a shadow's memory of its own size: a start-up time in plans, longer ones in coarser entries. */
export const RING_COUNT = 128;
