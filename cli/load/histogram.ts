// Quantiles of durations in bounded memory: logarithmic buckets, so that every quantile is within one percent of
// the exact one (Masson, Rim, Lee, DDSketch, VLDB 2019, with a fixed range instead of a growing one).

export const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
/** Below this everything is one bucket, reported as 0. */
const VALUE_MS_MIN = 0.001;
const VALUE_MS_MAX = 3_600_000;
const BUCKET_COUNT = bucketOf(VALUE_MS_MAX) + 1;

export interface Quantiles {
  /** Null: nothing was recorded. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export class Histogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  record(valueMs: number): void {
    const bucket = bucketOf(Math.min(valueMs, VALUE_MS_MAX));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
  }

  /** The smallest value that at least `ratio` of the recorded ones do not exceed, or null where there are none. */
  quantile(ratio: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(ratio * this.#count));
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => (seen += count) >= rank);
    return valueOf(bucket);
  }

  /** In milliseconds with three digits. */
  quantiles(): Quantiles {
    return { p50: rounded(this.quantile(0.5)), p95: rounded(this.quantile(0.95)), p99: rounded(this.quantile(0.99)) };
  }
}

/** Bucket i holds (min·γ^(i−1), min·γ^i]; bucket 0 everything up to min. */
function bucketOf(valueMs: number): number {
  return valueMs <= VALUE_MS_MIN ? 0 : Math.ceil(Math.log(valueMs / VALUE_MS_MIN) / Math.log(GAMMA));
}

/** The point of the bucket whose relative distance to both ends is the same. */
function valueOf(bucket: number): number {
  return bucket === 0 ? 0 : (2 * VALUE_MS_MIN * GAMMA ** bucket) / (GAMMA + 1);
}

function rounded(valueMs: number | null): number | null {
  return valueMs === null ? null : Number(valueMs.toFixed(3));
}
