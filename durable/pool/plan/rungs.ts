// The ladder of settings that are replayed as shadows: two families, each from bold to careful.
//
// Quantiles: the newsvendor's rule. Shard k + 1 is worth starting when the demand in its slab exceeds it with at least
// probability p; with one p for all hours, the marginal cost of shortfall is the same in all hours.
// Multipliers: a constant factor on what is expected or seen, whichever is more: for services whose surprises grow with
// their size and are not told by recent errors.
import { assert } from "#shared/assert.ts";
import { askFor } from "#shared/forecast/minute-demand.ts";
import type { DemandForecast } from "./demand-forecast.ts";
import { BEYOND, CEILING_RATIO, FLOOR_SLACK, HOLDS, MULTIPLIERS, PLAN_STEP_MS, QUANTILES } from "./settings.ts";

/** No forecast is taken for more. */
const SLOTS_MAX = 1e9;

interface Family {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

const FACTOR_PER_RUNG = (MULTIPLIERS.most / MULTIPLIERS.least) ** (1 / (MULTIPLIERS.count - 1));
const QUANTILE_COUNT = QUANTILES.exceedances.length;
const QUANTILE_RUNG_COUNT = QUANTILE_COUNT + QUANTILES.stretches.length;
export const RUNG_COUNT = QUANTILE_RUNG_COUNT + MULTIPLIERS.count;
export const FAMILIES: readonly Family[] = [
  { first: 0, end: QUANTILE_RUNG_COUNT },
  { first: QUANTILE_RUNG_COUNT, end: RUNG_COUNT },
];

/** Of the rung: the probability that its quantile is exceeded; of a multiplier, a guess before anything was seen. */
export const EXCEEDANCES = Float64Array.from({ length: RUNG_COUNT }, (_, rung) => {
  if (rung < QUANTILE_COUNT) return QUANTILES.exceedances[rung]!;
  if (rung < QUANTILE_RUNG_COUNT) return QUANTILES.exceedances.at(-1)! * 0.4 ** (rung - QUANTILE_COUNT + 1);
  return 0.3 * (multiplierOf(rung) / MULTIPLIERS.least) ** -4.9;
});
const FACTORS = Float64Array.from({ length: RUNG_COUNT }, (_, rung) => (rung < QUANTILE_RUNG_COUNT ? 0 : multiplierOf(rung)));
/** Whole shards: exact where the forecast is a point, where shard k + 1 pays if p of it is used. */
const ROUNDINGS = EXCEEDANCES.map((p, rung) => (rung < QUANTILE_RUNG_COUNT ? 1 - Math.min(0.5, p) : 0.5));

/** In whole shards, per rung: what there should be at least, and what is kept if it is there. */
export interface Levels {
  readonly up: Int32Array;
  readonly down: Int32Array;
}

export interface LevelInput {
  readonly forecast: DemandForecast;
  readonly startMs: number;
  /** Slots of one shard. */
  readonly shardSlots: number;
  /** Measured need, in shards. */
  readonly need: number;
  /** The same when a shard started now would serve, if it rises on; at least `need`. */
  readonly trend: number;
  /** No level is above this many shards. */
  readonly ceiling: number;
  /** Nor below: 1, or 0 where the service may go to sleep. */
  readonly least: 0 | 1;
}

export function newLevels(): Levels {
  return { up: new Int32Array(RUNG_COUNT), down: new Int32Array(RUNG_COUNT) };
}

/** Where one half exceeds it. */
const MEDIAN_RUNG = QUANTILES.exceedances.indexOf(0.5);
assert(MEDIAN_RUNG >= 0, "the median is one of the quantiles");
/** What is asked of a forecaster at every plan, from bold to careful. */
export const ASKED_PROBABILITIES = Float64Array.from(QUANTILES.exceedances, (p) => 1 - p);
const asked = askFor(ASKED_PROBABILITIES);
const soon = new Float64Array(QUANTILE_RUNG_COUNT);
const most = new Float64Array(QUANTILE_RUNG_COUNT);

/** Fills `levels`. The horizon is when a shard started now would serve its first whole step. */
export function setLevels(levels: Levels, { forecast, startMs, shardSlots, need, trend, ceiling, least }: LevelInput): void {
  const horizonMs = startMs + PLAN_STEP_MS;
  forecast.quantiles(horizonMs, asked);
  const median = stretched(soon, shardSlots, asked.soon);
  const medianMost = stretched(most, shardSlots, asked.most);
  const hold = HOLDS.find(({ belowMs }) => startMs < belowMs);
  assert(hold !== undefined, "every start-up time has a hold");
  for (let rung = 0; rung < QUANTILE_RUNG_COUNT; rung++) {
    const kept = Math.min(QUANTILE_RUNG_COUNT - 1, Math.max(0, rung + hold.quantileRungs));
    const up = Math.max(least, floorOf(rung, trend), Math.floor(Math.min(ceiling, soon[rung]!) + ROUNDINGS[rung]!));
    levels.up[rung] = up;
    levels.down[rung] = Math.max(up, Math.floor(Math.min(ceiling, most[kept]!) + ROUNDINGS[kept]!));
  }
  const expected = Math.max(median, need);
  const expectedMost = Math.max(expected, medianMost);
  const holdFactor = FACTOR_PER_RUNG ** hold.multiplierRungs;
  for (let rung = QUANTILE_RUNG_COUNT; rung < RUNG_COUNT; rung++) {
    const up = Math.max(least, floorOf(rung, trend), Math.floor(FACTORS[rung]! * expected + ROUNDINGS[rung]!));
    levels.up[rung] = up;
    levels.down[rung] = Math.max(up, Math.floor(holdFactor * FACTORS[rung]! * expectedMost + ROUNDINGS[rung]!));
  }
}

/** Room above the busiest minute of the last week: a quantile far out is a guess. */
export function ceilingOf(busiest: number): number {
  return CEILING_RATIO * busiest + 1;
}

/** The least that a rung leaves whatever the forecast says, in shards: φ × need, in whole shards. */
export function floorOf(rung: number, need: number): number {
  if (rung >= QUANTILE_RUNG_COUNT) return Math.floor(Math.min(1, FACTORS[rung]!) * need + ROUNDINGS[rung]!);
  return Math.floor((1 - FLOOR_SLACK * EXCEEDANCES[rung]!) * need + ROUNDINGS[rung]!);
}

/** What a rung leaves where need is `beyond` times all that was seen before, in whole shards. */
export function beyondLevelOf(rung: number, { need, beyond, startMs }: { need: number; beyond: number; startMs: number }): number {
  const share = Math.max(0, 1 - EXCEEDANCES[rung]! / BEYOND.exceedanceMax);
  const exponent = BEYOND.exponent * Math.cbrt(Math.min(1, startMs / BEYOND.startMs));
  const room = share * (Math.min(BEYOND.ratioMax, beyond ** exponent) - 1);
  return room > 0 ? Math.floor((1 + room) * need + 0.5) : 0;
}

/**
 * Quantiles of every rung of the first family, in shards, never falling along it; returns the median. What is no number is 0:
 * a forecaster that fails leaves the floor.
 */
function stretched(out: Float64Array, shardSlots: number, said: Float64Array): number {
  let above = 0;
  for (let rung = 0; rung < QUANTILE_COUNT; rung++) {
    if (said[rung]! > above) above = Math.min(SLOTS_MAX, said[rung]!);
    out[rung] = above / shardSlots;
  }
  const middle = said[MEDIAN_RUNG]!;
  const median = middle > 0 ? Math.min(SLOTS_MAX, middle) : 0;
  const margin = Math.max(0, Math.log1p(above) - Math.log1p(median));
  for (let rung = QUANTILE_COUNT; rung < QUANTILE_RUNG_COUNT; rung++) {
    out[rung] = Math.expm1(Math.log1p(median) + margin * QUANTILES.stretches[rung - QUANTILE_COUNT]!) / shardSlots;
  }
  return median / shardSlots;
}

function multiplierOf(rung: number): number {
  return MULTIPLIERS.least * FACTOR_PER_RUNG ** (rung - QUANTILE_RUNG_COUNT);
}
