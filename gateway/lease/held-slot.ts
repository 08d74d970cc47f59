import type { QuotaConfig } from "#shared/config/schema.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";

/** A slot that runs a request. */
export interface HeldSlot {
  readonly flow: string;
  readonly lane: string;
  readonly shardId: string;
  readonly shardIndex: number;
  readonly tableVersion: number;
  /** Granted by the pool under this name; undefined: of the lease. */
  readonly slotId: string | undefined;
  readonly startedAtMs: number;
}

/** What its shard has seen of a request. */
export interface ShardEnd {
  readonly outcome: Outcome;
  /** Sending to response headers; absent where none came. */
  readonly upstreamMs?: number | undefined;
  /** The endpoint answered that it has too much to do: 429 or 503. */
  readonly isOverloaded?: boolean;
  /** Nobody listens at the endpoint: nothing was sent. */
  readonly isRefused?: boolean;
  readonly nowMs: number;
}

export interface SlotEnd extends ShardEnd {
  /** Arrival to response headers; undefined where none came. */
  readonly latencyMs: number | undefined;
}

export interface LocalRequest {
  readonly flow: string;
  readonly urgency: number;
  /** Requests with the same key meet the same shard. */
  readonly key: string;
  /** Undefined: the flow has none. */
  readonly quota: QuotaConfig | undefined;
  readonly nowMs: number;
}
