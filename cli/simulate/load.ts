// From a trace's rows to the load at every tick, in shards.
import { DAY_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { Random } from "../load/random.ts";
import type { Series } from "./series.ts";
import { TICK_MS } from "./tick.ts";

/** Slots of one shard: what the occupancy noise is drawn in, and the planner counts in. */
export const SHARD_SLOTS = 50;
/** Longer steps get detail of their own. */
const REFINED_STEP_MS_MIN = 75 * SECOND_MS;
/** The detail of a coarse step is taken around its time of day's own. */
const SEASONAL_STEP_MS_MIN = 30 * MINUTE_MS;
/** Steps beyond this many of the trace's own are gaps: a line across, no detail. */
const GAP_STEPS = 4;
/** Of the normal distribution: sd ÷ median absolute deviation. */
const SD_PER_MAD = 1.4826;
const OCCUPANCY_CORRELATION_MS = 30 * SECOND_MS;

export interface LoadOptions {
  /** noise: detail below the trace's step and the occupancy's own noise; lin: straight lines between the rows. */
  readonly kind: "noise" | "lin";
  /** Trace units that one shard carries. */
  readonly shardLoad: number;
  readonly seed: number;
}

/** The load in shards at each tick from the first row to the last. The same seed gives the same load. */
export function loadOf(series: Series, { kind, shardLoad, seed }: LoadOptions): Float32Array {
  const random = new Random(seed);
  const refined = kind === "noise" ? refine(series, random) : series;
  const load = interpolate(refined);
  for (let tick = 0; tick < load.length; tick++) load[tick] = (load[tick] ?? 0) / shardLoad;
  if (kind === "noise") addOccupancyNoise(load, new Random(seed, 1));
  return load;
}

function interpolate({ atMs, values }: Series): Float32Array {
  const startMs = atMs[0] ?? 0;
  const load = new Float32Array(Math.floor(((atMs.at(-1) ?? 0) - startMs) / TICK_MS) + 1);
  let row = 0;
  for (let tick = 0; tick < load.length; tick++) {
    const nowMs = startMs + tick * TICK_MS;
    while (row < atMs.length - 2 && (atMs[row + 1] ?? 0) <= nowMs) row++;
    const left = atMs[row] ?? 0;
    const part = (nowMs - left) / ((atMs[row + 1] ?? 0) - left);
    load[tick] = (values[row] ?? 0) * (1 - part) + (values[row + 1] ?? 0) * part;
  }
  return load;
}

/**
 * Random midpoint displacement in logs (Fournier, Fussell and Carpenter 1982), H = ½, down to steps of a minute: each halving
 * displaces by 2^−½ of the one before. The first follows from the series' own second differences, whose half is the displacement
 * of a row from its neighbours' mean, at twice the step.
 */
function refine(series: Series, random: Random): Series {
  const stepMs = medianStepMs(series.atMs);
  if (stepMs <= REFINED_STEP_MS_MIN) return series;
  const logs = series.values.map((value) => Math.log1p(value));
  const sd = displacementSd(series.atMs, logs, stepMs) / 2 / Math.SQRT2;
  const halvings = Math.ceil(Math.log2(stepMs / REFINED_STEP_MS_MIN));
  const parts = 2 ** halvings;
  const atMs: number[] = [];
  const values: number[] = [];
  const detail = new Float64Array(parts + 1);
  for (let row = 0; row + 1 < logs.length; row++) {
    const [left = 0, right = 0] = [series.atMs[row], series.atMs[row + 1]];
    detail.fill(0);
    if (right - left <= GAP_STEPS * stepMs) displace(detail, sd, random);
    for (let part = 0; part < parts; part++) {
      const share = part / parts;
      atMs.push(left + share * (right - left));
      values.push(Math.max(0, Math.expm1((logs[row] ?? 0) * (1 - share) + (logs[row + 1] ?? 0) * share + (detail[part] ?? 0))));
    }
  }
  atMs.push(series.atMs.at(-1) ?? 0);
  values.push(series.values.at(-1) ?? 0);
  return { atMs: Float64Array.from(atMs), values: Float64Array.from(values) };
}

function displace(detail: Float64Array, sdFirst: number, random: Random): void {
  let sd = sdFirst;
  for (let span = detail.length - 1; span > 1; span /= 2) {
    for (let left = 0; left + span < detail.length; left += span) {
      detail[left + span / 2] = ((detail[left] ?? 0) + (detail[left + span] ?? 0)) / 2 + sd * random.normal();
    }
    sd *= Math.SQRT1_2;
  }
}

/** Of the second differences of the logs, robustly; around the time of day's median where the step is coarse. */
function displacementSd(atMs: Float64Array, logs: Float64Array, stepMs: number): number {
  const differences: number[] = [];
  const groups = new Map<number, number[]>();
  for (let row = 1; row + 1 < logs.length; row++) {
    const difference = (logs[row + 1] ?? 0) - 2 * (logs[row] ?? 0) + (logs[row - 1] ?? 0);
    differences.push(difference);
    const timeOfDay = (atMs[row] ?? 0) % DAY_MS;
    const group = groups.get(timeOfDay);
    if (group === undefined) groups.set(timeOfDay, [difference]);
    else group.push(difference);
  }
  if (stepMs < SEASONAL_STEP_MS_MIN) return SD_PER_MAD * median(differences.map(Math.abs));
  const rests = [...groups.values()].flatMap((group) => {
    const middle = median(group);
    return group.map((difference) => Math.abs(difference - middle));
  });
  return SD_PER_MAD * median(rests);
}

/**
 * Occupancy of infinitely many servers (M/M/∞): its variance is its mean, in slots, and it forgets exponentially with the
 * holding time.
 */
function addOccupancyNoise(load: Float32Array, random: Random): void {
  const kept = Math.exp(-TICK_MS / OCCUPANCY_CORRELATION_MS);
  const fresh = Math.sqrt(1 - kept ** 2);
  let noise = random.normal();
  for (let tick = 0; tick < load.length; tick++) {
    noise = kept * noise + fresh * random.normal();
    const slots = (load[tick] ?? 0) * SHARD_SLOTS;
    load[tick] = Math.max(0, slots + Math.sqrt(slots) * noise) / SHARD_SLOTS;
  }
}

function medianStepMs(atMs: Float64Array): number {
  return median(Array.from(atMs.subarray(1), (at, index) => at - (atMs[index] ?? 0)));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
