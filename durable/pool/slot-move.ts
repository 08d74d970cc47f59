// Sockets' slots that come from elsewhere: of a session that moves, and of a regional pool.
//
// A session that goes to another shard of the same endpoint takes its slot along: nothing is asked of the queue, and nothing is free in between.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { isCountLimited } from "#shared/config/socket-limits.ts";
import type { HandedSlot } from "#shared/protocol/lease.ts";
import { SLOT_GRACE_MS, type AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";
import type { QuotaGate } from "./quota-gate.ts";
import type { Routes } from "./routes.ts";
import { grantOf, type Verdict } from "./verdict.ts";

interface PoolParts {
  readonly ledger: LeaseLedger;
  readonly routes: Routes;
  readonly configuration: PoolConfiguration;
}

interface Gated {
  readonly gate: Pick<QuotaGate, "limitsOf">;
}

/**
 * Whether a slot that a regional pool named may become one of this pool: its shard is one here, so that a drain waits for it; and its sockets are
 * not limited in number or by memory, which this pool alone can count.
 */
export function mayTakeOver(
  { shardId, flow }: HandedSlot,
  { routes, gate, configuration: { service } }: Omit<PoolParts, "ledger"> & Gated,
): boolean {
  if (gate.limitsOf(flow).memory !== null) return false;
  return service !== null && !isCountLimited(service.sockets, flow) && routes.shards.some((shard) => shard.shardId === shardId);
}

/** Null: it is no move, or none that needs no slot of its own, and is admitted as any other. */
export function moveSlot(request: AcquireRequest, { ledger, routes, configuration }: PoolParts, nowMs: number): Verdict | null {
  const { slotId, holder, flow, device, affinityKey, inPlaceOf } = request;
  const before = inPlaceOf === undefined ? undefined : ledger.slot(inPlaceOf);
  if (before === undefined) return null;
  const { lane, shardId: left, memoryBytes } = before;
  const shard = routes.choice.choose(affinityKey ?? slotId, (candidate) => candidate === lane, left);
  if (shard === undefined || shard.shardId === left) return null;
  const lifeMs = (configuration.service?.deadlineMs ?? 0) + SLOT_GRACE_MS;
  const { shardId } = shard;
  // What it keeps already goes with it.
  const slot = ledger.acquire(
    { slotId, owner: holder, flow, lane, shardId, lifeMs, isDurable: true, device, inPlaceOf, memoryBytes },
    nowMs,
  );
  return slot === null ? null : { ok: true, slot: grantOf(slot, { waitedMs: 0, lifeMs }) };
}
