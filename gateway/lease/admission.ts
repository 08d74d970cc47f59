// Admission as the routes see it: a verdict, and a slot that ends exactly once. Today every verdict is one call
// to the pool's ledger and every end another; leases will answer from the isolate behind the same interface.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import { flowOf, type AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import {
  poolName,
  SLOT_EXTENSION_INTERVAL_MS,
  type AcquireRequest,
  type EdgeCounts,
  type GrantedSlot,
  type PoolRpc,
} from "#shared/protocol/pool-rpc.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import type { RequestScope } from "../request-scope.ts";

/** On a fresh stub each, for calls that the runtime marks as safe to repeat; slot ids make repeating harmless. */
const CALL_ATTEMPTS_MAX = 3;
const AFFINITY_KEY_LENGTH_MAX = 1_024;

export interface Admitted {
  readonly ok: true;
  readonly slot: GrantedSlot;
  readonly waitMs: number;
  /** Ends the slot, however often it is called, and reports what became of the request. */
  end(outcome: Outcome, latencyMs?: number): void;
  /** Keeps the slot while a body streams past its expiry; `onLost` where the pool no longer has it. Returns what stops that. */
  keepAlive(onLost: () => void): () => void;
  /** The Shard object has taken the slot over and will end it. */
  handOver(): void;
}

export interface AdmissionInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly active: ActiveConfiguration;
  readonly kind: AcquireRequest["kind"];
}

export async function admit(input: AdmissionInput): Promise<Admitted | Refusal> {
  const { scope, identifier, active, kind } = input;
  const { isolate, env, requestId } = scope;
  const flow = flowOf(identifier);
  const request: AcquireRequest = {
    slotId: requestId,
    holder: isolate.holder,
    service: identifier.service,
    flow,
    urgency: identifier.urgency,
    affinityKey: affinityKeyOf(input),
    kind,
    configurationVersion: active.snapshot.version,
  };
  // A device that goes away ends its request's context at once, unless somebody still waits: here, for the slot's end.
  const ended = Promise.withResolvers<void>();
  scope.ctx.waitUntil(ended.promise);
  const counts = isolate.takeEdgeCounts();
  const askedAtMs = Date.now();
  try {
    const answer = await callPool(env.POOL, identifier.service, (pool) => pool.acquire(request, counts));
    isolate.configuration.expire(answer.configurationVersion);
    if (answer.ok) {
      return {
        ok: true,
        slot: answer.slot,
        waitMs: Date.now() - askedAtMs,
        ...slotLife(scope, { ...request, ...answer.slot }, ended.resolve),
      };
    }
    ended.resolve();
    return answer;
  } catch (error) {
    isolate.restoreEdgeCounts(counts);
    // The call may have arrived and its answer not: give back what may be held.
    void release(scope, { service: identifier.service, flow, outcome: "internal" }).then(ended.resolve);
    throw error;
  }
}

type HeldSlot = Pick<AcquireRequest, "service" | "flow"> & GrantedSlot;

function slotLife(scope: RequestScope, slot: HeldSlot, onEnded: () => void): Pick<Admitted, "end" | "keepAlive" | "handOver"> {
  const { service, flow } = slot;
  let hasEnded = false;
  return {
    end(outcome, latencyMs) {
      if (hasEnded) return;
      hasEnded = true;
      void release(scope, { service, flow, outcome, ...(latencyMs === undefined ? {} : { latencyMs }) }).then(onEnded);
    },
    keepAlive: (onLost) => extendInTime(scope, slot, onLost),
    handOver() {
      hasEnded = true;
      onEnded();
    },
  };
}

/** Extends first when half of what is left has passed, so that short bodies cost no call, and then at the interval. */
function extendInTime(scope: RequestScope, { service, expiresAtMs }: HeldSlot, onLost: () => void): () => void {
  const extend = async (): Promise<void> => {
    // No answer is not a no: the next one may arrive, and the pool's expiry is what counts.
    const isHeld = await callPool(scope.env.POOL, service, (pool) => pool.extend(scope.requestId, scope.isolate.holder)).catch(() => true);
    if (!isHeld) onLost();
    else if (!isStopped) timer = setTimeout(() => void extend(), SLOT_EXTENSION_INTERVAL_MS);
  };
  let isStopped = false;
  let timer = setTimeout(() => void extend(), Math.max(0, Math.min(SLOT_EXTENSION_INTERVAL_MS, (expiresAtMs - Date.now()) / 2)));
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** Never throws: a release that does not arrive is repaired by the slot's expiry. */
async function release(
  scope: RequestScope,
  { service, ...report }: { service: string; flow: string; outcome: Outcome; latencyMs?: number },
): Promise<void> {
  const { isolate, env, requestId } = scope;
  const counts: EdgeCounts | undefined = isolate.takeEdgeCounts();
  try {
    await callPool(env.POOL, service, (pool) => pool.release({ slotId: requestId, holder: isolate.holder, ...report }, counts));
  } catch (error) {
    isolate.restoreEdgeCounts(counts);
    console.warn(JSON.stringify({ level: "warn", event: "release-failed", requestId, error: String(error).slice(0, 500) }));
  }
}

async function callPool<T>(namespace: RequestScope["env"]["POOL"], service: string, call: (pool: PoolRpc) => Promise<T> | T): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(poolName(service))));
    } catch (error) {
      const { retryable = false, overloaded = false } = error as { retryable?: boolean; overloaded?: boolean };
      if (!retryable || overloaded || attempt === CALL_ATTEMPTS_MAX) throw error;
    }
  }
}

/** Requests with the same key meet the same shard. The tenant is part of it: one tenant cannot aim at another's shard. */
function affinityKeyOf({ scope, identifier, active }: AdmissionInput): string | null {
  const affinity = active.snapshot.configuration.services[identifier.service]?.affinity ?? "device";
  if (affinity === "none") return null;
  if (!affinity.startsWith("header:")) return `${identifier.tenant}/${identifier.device}`;
  const value = scope.request.headers.get(affinity.slice("header:".length));
  return value === null ? null : `${identifier.tenant}/${value.slice(0, AFFINITY_KEY_LENGTH_MAX)}`;
}
