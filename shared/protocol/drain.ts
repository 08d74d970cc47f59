// How an operator empties shards: what the pool is asked, and what it answers. Plain data: it crosses RPC.
import type { Refusal } from "../errors/refusal.ts";
import { MINUTE_MS, SECOND_MS } from "../units.ts";

/** One word, for the devices. */
export const DRAIN_REASON_PATTERN = /^[a-z][a-z-]{0,31}$/;
export const DRAIN = {
  graceMsDefault: 30 * SECOND_MS,
  graceMsMax: 60 * MINUTE_MS,
} as const;

export interface DrainOrder {
  /** Null: every shard in use, one after the other. */
  readonly shardIds: readonly string[] | null;
  readonly reason: string;
  /** How long the devices of one shard have to leave by themselves. */
  readonly graceMs: number;
}

/** Neither of them: only tells how far it is. */
export interface DrainCommand {
  readonly order?: DrainOrder;
  /** Of these shards; null: of all. */
  readonly cancel?: readonly string[] | null;
}

export interface ShardDrainStatus {
  readonly shardId: string;
  /** waiting: for its turn; draining: it gets nothing new; returning: cancelled, its Shard object is being told; drained: gone. */
  readonly state: "waiting" | "draining" | "returning" | "drained";
  readonly reason: string;
  readonly startedAtMs: number | null;
  /** As its Shard object last said; null: it has not been asked yet. */
  readonly left: { readonly sessions: number; readonly connections: number; readonly plainSockets: number } | null;
}

export interface DrainStatus {
  /** In the order of their turns; those that are done stay until the next order. */
  readonly shards: readonly ShardDrainStatus[];
}

export type DrainAnswer = ({ readonly ok: true } & DrainStatus) | Refusal;
