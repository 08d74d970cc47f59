// A flow's quota as an isolate applies it, and tells it.
import { bandwidthStates, costDetail, costState, rateDetail, rateStates, type FlowQuota } from "#shared/config/quota-policies.ts";
import { refuse, type LeaseFacts, type Refusal } from "#shared/errors/refusal.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import { SECOND_MS } from "#shared/units.ts";

export function leaseFactsOf(held: HeldLease, flow: string, nowMs: number): LeaseFacts {
  return {
    slots: held.slots(flow, nowMs),
    running: held.running(flow),
    tokens: held.tokens(flow, nowMs),
    expiresInMs: Math.max(0, held.expiresAtMs - nowMs),
  };
}

export function costRefusal(
  quota: FlowQuota | undefined,
  { retryAfterMs, lease, isTotal }: { retryAfterMs: number; lease: LeaseFacts; isTotal: boolean },
): Refusal {
  const violated = [costState(quota, { resetAfterMs: retryAfterMs, isTotal })];
  return refuse("rejected-quota", costDetail(isTotal), { retryAfterMs, violated, decidedBy: "lease", lease });
}

export function rateRefusal(quota: FlowQuota | undefined, { retryAfterMs, lease }: { retryAfterMs: number; lease: LeaseFacts }): Refusal {
  return refuse("rejected-quota", rateDetail(quota), {
    retryAfterMs,
    violated: rateStates(quota, retryAfterMs),
    decidedBy: "lease",
    lease,
  });
}

/** A body that its deadline found waiting for credit. */
export function bandwidthRefusal(quota: FlowQuota | undefined): Refusal {
  const violated = bandwidthStates(quota);
  const limits = violated.map(({ kind }) =>
    kind === "bandwidth"
      ? `your tenant and class have ${quota?.bandwidthBytesPerSecond ?? 0} bytes a second here`
      : `your tenant has ${quota?.total?.bandwidthBytesPerSecond ?? 0} bytes a second over all services`,
  );
  const detail = `The body was not through in time: ${limits.join(", ")}.`;
  return refuse("rejected-quota", detail, { retryAfterMs: SECOND_MS, violated, decidedBy: "lease" });
}
