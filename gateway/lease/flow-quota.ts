// A flow's quota as an isolate applies it, and tells it.
import { bandwidthState, costState, rateState } from "#shared/config/quota-policies.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import { refuse, type LeaseFacts, type Refusal } from "#shared/errors/refusal.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import { SECOND_MS } from "#shared/units.ts";

/** Whether a request costs a token. */
export function isRated(quota: QuotaConfig | undefined): boolean {
  return quota?.ratePerSecond !== undefined && quota.mode === "enforce";
}

export function leaseFactsOf(held: HeldLease, flow: string, nowMs: number): LeaseFacts {
  return {
    slots: held.slots(flow, nowMs),
    running: held.running(flow),
    tokens: held.tokens(flow, nowMs),
    expiresInMs: Math.max(0, held.expiresAtMs - nowMs),
  };
}

export function costRefusal(quota: QuotaConfig | undefined, { retryAfterMs, lease }: { retryAfterMs: number; lease: LeaseFacts }): Refusal {
  const violated = [costState(quota, retryAfterMs)];
  return refuse("rejected-quota", "Your tenant and class have used up their service time.", {
    retryAfterMs,
    violated,
    decidedBy: "lease",
    lease,
  });
}

export function rateRefusal(quota: QuotaConfig | undefined, { retryAfterMs, lease }: { retryAfterMs: number; lease: LeaseFacts }): Refusal {
  const state = rateState(quota, retryAfterMs);
  const detail = `Your tenant and class have used up their rate of ${quota?.ratePerSecond ?? 0} requests a second.`;
  return refuse("rejected-quota", detail, { retryAfterMs, violated: state === null ? [] : [state], decidedBy: "lease", lease });
}

/** A body that its deadline found waiting for credit. */
export function bandwidthRefusal(quota: QuotaConfig | undefined): Refusal {
  const state = bandwidthState(quota);
  const detail = `Your tenant and class have used up their bandwidth of ${quota?.bandwidthBytesPerSecond ?? 0} bytes a second: the body was not through in time.`;
  return refuse("rejected-quota", detail, { retryAfterMs: SECOND_MS, violated: state === null ? [] : [state], decidedBy: "lease" });
}

export function isBandwidthLimited(quota: QuotaConfig | undefined): boolean {
  return quota?.bandwidthBytesPerSecond !== undefined && quota.mode === "enforce";
}
