// The forecasts that cost nothing, each with the constants that were best on an earlier part of the same trace.

/** What is expected in bin `at`, made `steps` bins before. */
export type Rival = (at: number) => number;

export interface RivalTask {
  readonly values: Float64Array;
  readonly stepMs: number;
  readonly steps: number;
  /** Where constants are chosen: bins from `from` until `until`. */
  readonly from: number;
  readonly until: number;
}

const DAY_MS = 86_400_000;
const EWMA_RATES = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const DAMPINGS = [0.25, 0.5, 0.75, 0.9, 1];
const SMOOTHINGS = [1, 3, 5, 15, 61];

export const RIVALS = ["persistence", "EWMA", "seasonal naive", "ratio naive"] as const;

/** EWMA by its rate; seasonal naive by day or week; ratio naive by day or week, damping of the ratio, and smoothing. */
export function tunedRivals(task: RivalTask): Readonly<Record<(typeof RIVALS)[number], Rival>> {
  const { steps, stepMs } = task;
  const values = filled(task.values);
  const seasons = [DAY_MS, 7 * DAY_MS].map((seasonMs) => Math.round(seasonMs / stepMs));
  const persistence: Rival = (at) => values[at - steps] ?? 0;
  const sums = new Float64Array(values.length + 1);
  for (const [index, value] of values.entries()) sums[index + 1] = (sums[index] ?? 0) + value;
  const meanOf = (from: number, until: number): number => {
    const [first, end] = [Math.max(0, from), Math.min(values.length, until)];
    return ((sums[end] ?? 0) - (sums[first] ?? 0)) / (end - first);
  };
  const ratios = seasons.flatMap((season) => DAMPINGS.flatMap((damping) => SMOOTHINGS.map((width) => ({ season, damping, width }))));
  return {
    persistence,
    EWMA: best(
      task,
      EWMA_RATES.map((rate) => ewma(values, steps, rate)),
    ),
    "seasonal naive": best(
      task,
      seasons.map((season) => (at) => (at < season ? persistence(at) : (values[at - season] ?? 0))),
    ),
    "ratio naive": best(
      task,
      ratios.map(({ season, damping, width }) => (at) => {
        if (at - steps - season < 0) return persistence(at);
        const [here, half] = [at - steps, width >> 1];
        const now = meanOf(here - width + 1, here + 1);
        const then = meanOf(here - season - width + 1, here - season + 1);
        return meanOf(at - season - half, at - season + half + 1) * (Math.max(now, 1e-9) / Math.max(then, 1e-3)) ** damping;
      }),
    ),
  };
}

function ewma(values: Float64Array, steps: number, rate: number): Rival {
  const means = new Float64Array(values.length);
  let mean = values[0] ?? 0;
  for (const [index, value] of values.entries()) {
    mean += rate * (value - mean);
    means[index] = mean;
  }
  return (at) => means[at - steps] ?? 0;
}

function best({ values, steps, from, until }: RivalTask, rivals: readonly Rival[]): Rival {
  let [least, chosen] = [Infinity, rivals[0]];
  for (const rival of rivals) {
    let loss = 0;
    for (let at = from; at < until; at += 1) {
      const value = values[at] ?? Number.NaN;
      if (!Number.isNaN(value) && !Number.isNaN(values[at - steps] ?? Number.NaN)) loss += Math.abs(value - rival(at));
    }
    if (loss < least) [least, chosen] = [loss, rival];
  }
  if (chosen === undefined) throw new RangeError("Cannot choose among rivals: there is none");
  return chosen;
}

// A missing value says what the one before it said.
function filled(values: Float64Array): Float64Array {
  let last = 0;
  return values.map((value) => (last = Number.isNaN(value) ? last : value));
}
