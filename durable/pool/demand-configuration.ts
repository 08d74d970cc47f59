// What of a service's configuration concerns its forecast and its plan. Pure.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { hourlySeasons } from "#shared/forecast/hourly-seasons.ts";
import { learnedModel } from "#shared/forecast/learned-model.ts";
import { DAY_AND_WEEK, priorFreeModel, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import type { DemandEvent } from "#wasm/binding/forecast/event-uplifts.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import type { PoolShard } from "./layout.ts";
import type { PlanPolicy } from "./planner.ts";

let learned: SeasonalModel | undefined;

/**
 * For a day and a week the learned model, which weighs its choices, those without training among them, by what each has lost at this
 * service. Decoded at its first use in an isolate: some milliseconds that no start waits for. docs/decisions/0045-the-pool-forecasts-with-learned-priors.md.
 */
export function modelOf({ forecast }: Pick<ServiceConfig, "forecast">): SeasonalModel {
  const seasons = hourlySeasons(forecast.seasonsMs) ?? DAY_AND_WEEK;
  if (seasons.day !== DAY_AND_WEEK.day || seasons.week !== DAY_AND_WEEK.week) return priorFreeModel(seasons);
  learned ??= learnedModel(bytesOf(atob(LEARNED_CONSTANTS_BASE64)));
  return learned;
}

// Not by Uint8Array.from, which takes five times as long before it is compiled.
function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export function eventsOf({ forecast }: Pick<ServiceConfig, "forecast">): DemandEvent[] {
  return forecast.events.map(({ name, start, end, uplift }) => ({
    name,
    startMs: Date.parse(start),
    endMs: Date.parse(end),
    upliftRatio: uplift,
  }));
}

/** The shards that a plan is made for and held against, where it is done and not only shown. */
export interface PlannedFleet {
  /** Slots of one shard. */
  readonly shardSlots: number;
  /** Of one shard, as it is paid; null: nothing is paid yet. */
  readonly pricePerHour: number | null;
  /** Shards there, ready and starting, without warm and draining ones. */
  readonly counts: () => { readonly count: number; readonly readyCount: number };
  /** Start-up times since the last call. */
  readonly takeStarts: () => readonly number[];
}

interface PlannedShards {
  readonly current: readonly PoolShard[];
  readonly fleet: PlannedFleet | null;
}

/** A shard is as large as the service's are in the mean, and costs its part of the endpoints' prices; or as its fleet says. */
export function planPolicyOf({ provisioning, shards, endpoints }: ServiceConfig, { current, fleet }: PlannedShards): PlanPolicy {
  const sizes = current.filter(({ state }) => state === "active").map(({ size }) => size);
  const shardSlots = fleet?.shardSlots ?? (sizes.length === 0 ? shards.sizeMax : Math.max(1, Math.round(sum(sizes) / sizes.length)));
  const capacity = sum(endpoints.map((endpoint) => endpoint.capacity));
  const pricePerHour = sum(endpoints.map((endpoint) => endpoint.pricePerHour));
  return {
    shortfallRatio: provisioning.shortfallRatio,
    drainPrice: provisioning.drainPrice,
    startMsPrior: provisioning.startMsPrior,
    stepMax: provisioning.stepMax,
    warmCount: provisioning.warmCount,
    costPerHourMax: provisioning.costPerHourMax,
    countMin: shards.countMin,
    countMax: shards.countMax,
    pricePerHour: fleet?.pricePerHour ?? (capacity === 0 ? 0 : (pricePerHour * shardSlots) / capacity),
    shardSlots,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
