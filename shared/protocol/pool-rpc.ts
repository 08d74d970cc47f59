// What edge, Shard and Registry say to a service's pool. Plain data: it crosses RPC.
import type { Outcome } from "../errors/outcomes.ts";
import type { Refusal } from "../errors/refusal.ts";

/** Whoever holds slots: an edge isolate, or a Shard object for the life of a socket. */
export type HolderId = string;

export interface AcquireRequest {
  /** Chosen by the holder: asking again with the same id gives the same slot. */
  readonly slotId: string;
  readonly holder: HolderId;
  readonly service: string;
  /** (tenant, class). */
  readonly flow: string;
  readonly urgency: number;
  /** Requests with the same key go to the same shard while it has room; null: any shard. */
  readonly affinityKey: string | null;
  readonly kind: "request" | "socket";
  /** What the holder knows; a pool that knows less asks the Registry first. */
  readonly configurationVersion: number;
}

export interface GrantedSlot {
  readonly slotId: string;
  readonly shardId: string;
  readonly endpointUrl: string;
  /** Extend or release it before. */
  readonly expiresAtMs: number;
}

export type AcquireAnswer = ({ readonly ok: true; readonly slot: GrantedSlot } | Refusal) & {
  /** Newer than the holder's: it asks the Registry. */
  readonly configurationVersion: number;
};

/** What became of a slot's request, measured at its holder. */
export interface ReleaseReport {
  readonly slotId: string;
  readonly holder: HolderId;
  readonly flow: string;
  readonly outcome: Outcome;
  /** Arrival to the response's headers; absent where none came. */
  readonly latencyMs?: number;
}

export interface ReleaseAnswer {
  readonly freed: boolean;
}

/** Refusals that needed no pool, counted in an isolate and brought along. */
export interface EdgeCounts {
  readonly [outcome: string]: number;
}

export interface PoolStats {
  readonly service: string;
  readonly shards: readonly {
    readonly shardId: string;
    readonly endpointUrl: string;
    readonly size: number;
    readonly slotsInUse: number;
    readonly state: string;
  }[];
  readonly counters: PoolCounters;
}

/** Monotonic since the pool's creation; on disk within seconds. */
export interface PoolCounters {
  /** `${flow} ${outcome}` → count. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Outcome → count, decided without this pool but reported to it. */
  readonly edgeOutcomes: Readonly<Record<string, number>>;
  /** Flow → histogram of latency, counts per bucket of LATENCY_BUCKETS_MS, the last one +Inf. */
  readonly latency: Readonly<Record<string, { readonly buckets: readonly number[]; readonly sumMs: number }>>;
  /** Slots that came back by expiry, not by release. */
  readonly slotsReclaimed: number;
  /** Releases that freed nothing: repeated, late, or not the owner's. */
  readonly staleReleases: number;
  readonly acquireCalls: number;
  readonly releaseCalls: number;
}

/** http.server.request.duration's buckets, in milliseconds. */
export const LATENCY_BUCKETS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000] as const;

/** A slot lasts this much longer than the service's deadline for response headers … */
export const SLOT_GRACE_MS = 5_000;
/** … and while a body streams, each extension moves its expiry this far ahead … */
export const SLOT_EXTENSION_MS = 30_000;
/** … so a holder extends this often. */
export const SLOT_EXTENSION_INTERVAL_MS = 10_000;

export interface PoolRpc {
  acquire(request: AcquireRequest, edgeCounts?: EdgeCounts): Promise<AcquireAnswer> | AcquireAnswer;
  /** Idempotent: a stale release frees nothing and says so. */
  release(report: ReleaseReport, edgeCounts?: EdgeCounts): Promise<ReleaseAnswer> | ReleaseAnswer;
  /** Moves a slot's expiry ahead; false: the slot is no longer the holder's. */
  extend(slotId: string, holder: HolderId): Promise<boolean> | boolean;
  /** Takes over a granted slot for the life of a socket: no expiry, owned by the Shard object. */
  keep(slotId: string, from: HolderId, shardObject: HolderId): Promise<boolean> | boolean;
  stats(service: string, configurationVersion: number, edgeCounts?: EdgeCounts): Promise<PoolStats> | PoolStats;
}

export const poolName = (service: string): string => service;
