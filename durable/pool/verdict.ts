// What the pool says to one that asked. Plain data: it crosses RPC.
import { GAP_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { NamedSlot } from "#durable/lease/named-slots.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { AcquireVerdict, GrantedSlot } from "#shared/protocol/pool-rpc.ts";

/** A queued request's slot is the ledger's for so long: by then its holder has renewed, or returned it. */
export const NAMED_SLOT_MS = 3 * SECOND_MS;

export type Verdict = AcquireVerdict;

/** What became of one that asked, or waited. */
export interface Decision {
  readonly slotId: string;
  readonly verdict: Verdict;
}

export function grantOf(
  { slotId, shardId, lane, memoryBytes }: NamedSlot,
  { waitedMs, lifeMs }: { waitedMs: number; lifeMs: number },
): GrantedSlot {
  const goodForMs = Math.max(0, Math.min(lifeMs, Number.MAX_SAFE_INTEGER) - GAP_MS_MAX);
  return { slotId, shardId, endpointUrl: lane, waitedMs, lifeMs: goodForMs, ...(memoryBytes !== undefined && { memoryBytes }) };
}
