// Asking a service's pool for one slot by name: for a request that its isolate has none for.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { RequestScope } from "../request-scope.ts";
import type { AdmissionInput, Asked } from "./admission.ts";
import type { HeldSlot } from "./held-slot.ts";
import { callPool, isUnreachable, refuseUnreachable, warnOf } from "./pool-call.ts";
import type { PoolPlace } from "./pool-place.ts";
import { settle } from "./renewal.ts";

/** A slot of the pool's, by name; waits there where none is free. */
export async function slotOfPool(
  { scope, identifier, active, service }: AdmissionInput,
  { lease, flow, key }: Asked,
  {
    slotId,
    refusedBy,
  }: { readonly slotId: string; /** The endpoint that has just refused a connection for it. */ readonly refusedBy?: string },
): Promise<HeldSlot | Refusal> {
  const { env, isolate } = scope;
  const askedAtMs = Date.now();
  const { clockEpoch } = lease.ask(flow, slotId, askedAtMs);
  const request: AcquireRequest = {
    slotId,
    holder: isolate.holder,
    service: identifier.service,
    flow,
    urgency: identifier.urgency,
    affinityKey: key === "" ? null : key,
    kind: "request",
    waitMsMax: lease.waitMsMax(scope.startedAtMs + service.deadlineMs - askedAtMs),
    configurationVersion: active.snapshot.version,
    ...(refusedBy !== undefined && { refusedBy }),
    ...(lease.place.region && { region: lease.place.region }),
  };
  const stopWatching = cancelWhenGone(scope, lease.place, slotId);
  try {
    const answer = await callPool(env, lease.place, (pool) => pool.acquire(request));
    stopWatching();
    const nowMs = Date.now();
    isolate.configuration.expire(answer.configurationVersion);
    if (!answer.ok) {
      const { shed, dry } = answer;
      lease.refused(flow, { slotId, ...(shed && { shed }), ...(dry && { dry }), nowMs });
      return answer;
    }
    const slot = lease.take(flow, answer.slot, { askedAtMs, clockEpoch, nowMs });
    if (slot !== null) return slot;
    settle(scope, lease, nowMs);
    return refuse("rejected-capacity", "The slot that was granted came too late to be used.", { retryAfterMs: 0 });
  } catch (error) {
    stopWatching();
    lease.refused(flow, { slotId, nowMs: Date.now() });
    scope.ctx.waitUntil(giveUp(scope, lease.place, slotId));
    if (!isUnreachable(error)) throw error;
    warnOf("acquire-failed", identifier.service, error);
    return refuseUnreachable(identifier.service);
  }
}

/** A device whose reset the runtime reports waits no longer. */
function cancelWhenGone(scope: RequestScope, place: PoolPlace, slotId: string): () => void {
  const { request, env, isolate, ctx } = scope;
  const cancel = (): void => {
    const cancelling = callPool(env, place, (pool) => pool.cancel(slotId, isolate.holder));
    ctx.waitUntil(cancelling.catch((error: unknown) => warnOf("cancel-failed", place.service, error)));
  };
  request.signal.addEventListener("abort", cancel);
  return () => request.signal.removeEventListener("abort", cancel);
}

/** The call may have arrived and its answer not: neither a place in the queue nor a slot may stay behind. */
async function giveUp({ env, isolate }: RequestScope, place: PoolPlace, slotId: string): Promise<void> {
  try {
    await callPool(env, place, (pool) => pool.cancel(slotId, isolate.holder));
    await callPool(env, place, (pool) => pool.giveBack([slotId], isolate.holder));
  } catch (error) {
    warnOf("give-up-failed", place.service, error);
  }
}
