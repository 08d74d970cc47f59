// Asking a service's pool for one slot by name: for a request that its isolate has none for.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { AdmissionInput, Asked } from "./admission.ts";
import { askAndHear } from "./exchange.ts";
import type { HeldSlot } from "./held-slot.ts";
import { isUnreachable, refuseUnreachable } from "./pool-call.ts";
import { settle } from "./renewal.ts";

/** A slot of the pool's, by name; waits there where none is free. */
export async function slotOfPool(
  { scope, identifier, service }: AdmissionInput,
  { lease, flow, key }: Asked,
  {
    slotId,
    refusedBy,
  }: { readonly slotId: string; /** The endpoint that has just refused a connection for it. */ readonly refusedBy?: string },
): Promise<HeldSlot | Refusal> {
  const nowMs = Date.now();
  const { clockEpoch } = lease.ask(flow, slotId, nowMs);
  const { urgency } = identifier;
  const ask = { slotId, flow, urgency, affinityKey: key === "" ? null : key, ...(refusedBy !== undefined && { refusedBy }) };
  const waitsUntilMs = nowMs + lease.waitMsMax(scope.startedAtMs + service.deadlineMs - nowMs);
  try {
    const verdict = await askAndHear(scope, lease, { ask, waitsUntilMs });
    if (verdict === null) {
      lease.refused(flow, { slotId, nowMs: Date.now() });
      return refuseUnreachable(identifier.service);
    }
    const heardAtMs = Date.now();
    if (!verdict.ok) {
      const { shed, dry, slotId: _, askedAtMs: __, ...refusal } = verdict;
      lease.refused(flow, { slotId, ...(shed && { shed }), ...(dry && { dry }), nowMs: heardAtMs });
      return refusal;
    }
    const slot = lease.take(flow, verdict.slot, { askedAtMs: verdict.askedAtMs, clockEpoch, nowMs: heardAtMs });
    if (slot !== null) return slot;
    settle(scope, lease, heardAtMs);
    return refuse("rejected-capacity", "The slot that was granted came too late to be used.", { retryAfterMs: 0, decidedBy: "lease" });
  } catch (error) {
    lease.refused(flow, { slotId, nowMs: Date.now() });
    if (!isUnreachable(error)) throw error;
    return refuseUnreachable(identifier.service);
  }
}
