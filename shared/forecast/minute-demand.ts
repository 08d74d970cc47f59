// What the minutes' forecaster is told and what it says: the contract of its kernel's binding and of its twin.

/** Horizons that one forecaster fits; what lies between is interpolated. */
export const FITTED_HORIZON_COUNT_MAX = 5;
export const EVENT_COUNT_MAX = 8;
/** ln 1,000: no event does more, either way. */
export const UPLIFT_LOG_MAX = Math.log(1_000);
/** Hours of the hourly core's that are kept. */
export const OUTLOOK_COUNT_MAX = 32;

/** What became of an observation. */
export const OBSERVED = ["opened", "merged", "missing", "late", "refused"] as const;
export type Observed = (typeof OBSERVED)[number];

/** A known future: a campaign, a holiday. */
export interface Uplift {
  readonly startMs: number;
  readonly endMs: number;
  /** ln of demand in it ÷ demand without it. */
  readonly log: number;
}

export interface LocalTime {
  /** Local minus universal time. */
  readonly offsetMs: number;
  /** From this moment on the offset is `offsetAfterMs`. */
  readonly changeAtMs: number;
  readonly offsetAfterMs: number;
}

export interface DemandRow {
  readonly horizonMs: number;
  /** The median of what is expected: what Σ |error| is least for. */
  readonly mean: number;
  /** Of the narrowest interval that is expected to hold 95 %. */
  readonly lower: number;
  readonly upper: number;
}

/** Quantiles asked for at once. */
export const QUANTILE_COUNT_MAX = 64;

/** A question and its answers: as many of each. */
export interface DemandQuantiles {
  /** Each the share of cases that stay below; ascending ones are answered fastest. */
  readonly probabilities: Float64Array;
  /** The value at a time. */
  readonly soon: Float64Array;
  /** The highest until then, never below. */
  readonly most: Float64Array;
}

/** With no answers yet. */
export function askFor(probabilities: Float64Array): DemandQuantiles {
  return { probabilities, soon: new Float64Array(probabilities.length), most: new Float64Array(probabilities.length) };
}

/** What one horizon's forecasts were worth over the last week, beside others from the same origins. NaN before any was judged. */
export interface Verdict {
  /** Σ |error| ÷ Σ value. */
  readonly wape: number;
  readonly persistenceWape: number;
  /** The day before; NaN where none was known. */
  readonly seasonalWape: number;
  /** Of the 95 % interval. */
  readonly coverageRatio: number;
  /** Mean width of the 95 % interval ÷ mean value. */
  readonly widthRatio: number;
  /** Mean pinball loss of the median and the interval's two ends ÷ mean value. */
  readonly pinballRatio: number;
  /** Σ (forecast − value) ÷ Σ value. */
  readonly biasRatio: number;
  /** Whether persistence was better over a week, and is what is said now. */
  readonly yields: boolean;
}

/** Running sums behind a verdict, in the kernel's order. */
export interface VerdictSums {
  readonly weight: number;
  readonly value: number;
  readonly error: number;
  readonly persistence: number;
  readonly seasonal: number;
  readonly seasonalValue: number;
  readonly inside: number;
  readonly width: number;
  readonly pinball: number;
  readonly bias: number;
}

export function verdictOf(sums: VerdictSums, yields: boolean): Verdict {
  return {
    wape: sums.error / sums.value,
    persistenceWape: sums.persistence / sums.value,
    seasonalWape: sums.seasonal / sums.seasonalValue,
    coverageRatio: sums.inside / sums.weight,
    widthRatio: sums.width / sums.value,
    pinballRatio: sums.pinball / sums.value,
    biasRatio: sums.bias / sums.value,
    yields,
  };
}
