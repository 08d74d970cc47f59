// What a pool says of its shards' lives. Plain data: it crosses RPC.

/** In the order of a life; a draining shard may come back. */
export const FLEET_STATES = ["planned", "starting", "warm", "canary", "active", "draining", "gone"] as const;
export type FleetShardState = (typeof FLEET_STATES)[number];

/** Why a shard came into a state: a label of metrics, so a closed list. */
export type FleetReason =
  // planned, canary, active, warm
  | "demand"
  | "warm-pool"
  | "first-request"
  | "adopted"
  | "reserved"
  | "ready"
  | "came-back"
  | "proven"
  | "untried"
  // draining, gone
  | "surplus"
  | "cost"
  | "errors"
  | "latency"
  | "provider-drains"
  | "not-wanted"
  | "operator"
  | "drained"
  | "refused"
  | "no-answer"
  | "start-timeout"
  | "unit-failed"
  | "unit-gone"
  | "unit-unready"
  | "unit-refuses";

export interface FleetTransition {
  readonly atMs: number;
  readonly to: FleetShardState;
  readonly reason: FleetReason;
  /** For people; empty: the reason says it all. */
  readonly detail: string;
}

export interface FleetShardStats {
  readonly shardId: string;
  readonly state: FleetShardState;
  readonly sinceMs: number;
  readonly offerId: string;
  readonly url: string | null;
  readonly size: number;
  readonly slotsMax: number;
  readonly pricePerHour: number;
  /** Oldest first; at most the last dozen. */
  readonly history: readonly FleetTransition[];
}

export interface FleetStats {
  /** With those that are gone since lately. */
  readonly shards: readonly FleetShardStats[];
  /** Of all units that cost something. */
  readonly costPerHour: number;
  /** `${state} ${reason}` → how often. */
  readonly transitions: Readonly<Record<string, number>>;
  readonly strayCount: number;
  /** Offers that rest after failures, and for how long still. */
  readonly resting: readonly { readonly offerId: string; readonly failureCount: number; readonly forMs: number }[];
}
