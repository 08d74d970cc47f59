// Asking a service's pool for one slot by name: for a request that its isolate has none for.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { Dry } from "#shared/protocol/pool-rpc.ts";
import type { AdmissionInput, Asked } from "./admission.ts";
import { askAndHear } from "./exchange.ts";
import type { HeldSlot } from "./held-slot.ts";
import { isUnreachable, refuseUnreachable } from "./pool-call.ts";
import { settle } from "./renewal.ts";

interface PoolAsk {
  readonly slotId: string;
  /** The endpoint that has just refused a connection for it. */
  readonly refusedBy?: string;
}

/** `dry`: the pool had no token for it. */
type Answer = HeldSlot | (Refusal & { readonly dry?: Dry });

/** A slot of the pool's, by name; waits there where none is free. */
export async function slotOfPool(input: AdmissionInput, asked: Asked, ask: PoolAsk): Promise<HeldSlot | Refusal> {
  const { lease, flow } = asked;
  let answer = await askOnce(input, asked, ask);
  // What the pool had lent to this isolate meanwhile it had not for those that asked.
  if (isDry(answer) && lease.tokens.areLeft(flow, Date.now()))
    answer = await askOnce(input, asked, { ...ask, slotId: `${ask.slotId}-paid` });
  if (isDry(answer)) lease.gaveUp(flow, answer.outcome);
  return answer;
}

function isDry(answer: Answer): answer is Refusal & { readonly dry: Dry } {
  return "dry" in answer;
}

async function askOnce(
  { scope, identifier, service }: AdmissionInput,
  { lease, flow, key, quota }: Asked,
  { slotId, refusedBy }: PoolAsk,
): Promise<Answer> {
  const nowMs = Date.now();
  const { clockEpoch } = lease.ask(flow, slotId, nowMs);
  const { urgency } = identifier;
  const waitsUntilMs = nowMs + lease.waitMsMax(scope.startedAtMs + service.deadlineMs - nowMs);
  const isPaid = lease.tokens.putAside(slotId, quota, { flow, waitsUntilMs, nowMs });
  const affinityKey = key === "" ? null : key;
  const ask = { slotId, flow, urgency, affinityKey, ...(refusedBy !== undefined && { refusedBy }), ...(isPaid && { isPaid }) };
  try {
    const verdict = await askAndHear(scope, lease, { ask, waitsUntilMs });
    if (verdict === null) {
      lease.refused(flow, { slotId, nowMs: Date.now() });
      return refuseUnreachable(identifier.service);
    }
    const heardAtMs = Date.now();
    if (!verdict.ok) {
      const { shed, slotId: _, askedAtMs: __, ...refusal } = verdict;
      const { dry } = refusal;
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
  } finally {
    if (isPaid) lease.tokens.giveBackAside(slotId);
  }
}
