// What a pool knows of its shards' lives: one record each, written down before anything is done about it, so that an
// eviction between any two steps changes nothing. Pure data.
import type { CapacityOrder, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { FleetReason, FleetShardState, FleetTransition } from "#shared/protocol/fleet-stats.ts";
import type { CanaryTrial } from "./canary.ts";

/** What the provider last said of a unit. */
export type KnownUnit = Pick<CapacityUnit, "state" | "url" | "slots" | "pricePerHour">;

export interface FleetShard {
  /** Its unit's id with the provider, too. */
  readonly shardId: string;
  readonly state: FleetShardState;
  readonly sinceMs: number;
  readonly order: CapacityOrder;
  readonly orderedAtMs: number;
  /** Null: nothing was heard of it yet. */
  readonly unit: KnownUnit | null;
  /** Slots that it has in the shard table. */
  readonly size: number;
  /** Draining: it does not come back. */
  readonly isFinal: boolean;
  /** Gone: its unit costs nothing any more. */
  readonly isReleased: boolean;
  /** Was active once: no canary any more. */
  readonly isProven: boolean;
  /** Null: no canary. */
  readonly trial: CanaryTrial | null;
  readonly history: readonly FleetTransition[];
}

/** Failures of an offer in a row. */
export interface OfferBackoff {
  readonly failureCount: number;
  readonly failedAtMs: number;
  readonly untilMs: number;
}

export interface FleetFacts {
  /** As the last plan says; null: none yet. */
  readonly wanted: { readonly count: number; readonly warmCount: number } | null;
  /** Until then a request that waited keeps one shard, whatever the plan says. */
  readonly awakeUntilMs: number;
  readonly offers: Readonly<Record<string, OfferBackoff>>;
  /** `${state} ${reason}` → how often a shard came into that state for that reason. */
  readonly transitions: Readonly<Record<string, number>>;
  /** Units that nobody had ordered, or that came back after their end: stopped. */
  readonly strayCount: number;
  /** Start-up times that no plan has taken in yet. */
  readonly startsMs: readonly number[];
}

export interface FleetRows {
  readonly facts: FleetFacts;
  readonly shards: readonly FleetShard[];
}

/** What changed since the last time it was written. */
export interface FleetChanges {
  /** Null: unchanged. */
  readonly facts: FleetFacts | null;
  readonly shards: readonly FleetShard[];
  readonly shardsGone: readonly string[];
}

export const NO_FLEET_FACTS: FleetFacts = { wanted: null, awakeUntilMs: 0, offers: {}, transitions: {}, strayCount: 0, startsMs: [] };

export const SERVING: ReadonlySet<FleetShardState> = new Set<FleetShardState>(["canary", "active"]);
export const COMING: ReadonlySet<FleetShardState> = new Set<FleetShardState>(["planned", "starting"]);

/** Ordered, and not on its way out. */
export const THERE: ReadonlySet<FleetShardState> = new Set<FleetShardState>([...COMING, "warm", ...SERVING]);
export const WARM: ReadonlySet<FleetShardState> = new Set<FleetShardState>(["warm"]);

/** A row of the shard table: a slice of an endpoint, or a unit. */
export interface TableShard {
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly size: number;
  readonly state: "active" | "draining";
}

/** Oldest first. */
export function compareAge(a: FleetShard, b: FleetShard): number {
  return a.orderedAtMs - b.orderedAtMs || a.shardId.length - b.shardId.length || (a.shardId < b.shardId ? -1 : 1);
}

/** The most slots that it may have. */
export function slotsOf({ order, unit }: Pick<FleetShard, "order" | "unit">): number {
  return Math.min(order.slots, unit?.slots ?? order.slots);
}

export function slotsIn(shards: readonly FleetShard[]): number {
  return shards.reduce((sum, shard) => sum + slotsOf(shard), 0);
}

/** What it costs, or would. */
export function priceOf({ order, unit }: Pick<FleetShard, "order" | "unit">): number {
  return unit?.pricePerHour ?? order.pricePerHourMax;
}

export function isBilled({ state, isReleased }: Pick<FleetShard, "state" | "isReleased">): boolean {
  return state !== "gone" || !isReleased;
}

export type Reason = FleetReason;
