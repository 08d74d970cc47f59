import type { AppliedIdentifier } from "../identifier/entitlement.ts";
import type { QuotaPolicy, QuotaState } from "../protocol/quota-state.ts";
import { KIB_BYTES, SECOND_MS } from "../units.ts";
import type { Configuration, QuotaConfig } from "./schema.ts";

/** What the configuration limits of one flow at one service. */
export function quotaOf(
  { tenants }: Configuration,
  { tenant, service, className }: Pick<AppliedIdentifier, "tenant" | "service" | "className">,
): QuotaConfig | undefined {
  const services = Object.hasOwn(tenants, tenant) ? tenants[tenant]?.services : undefined;
  const quotas = services !== undefined && Object.hasOwn(services, service) ? services[service] : undefined;
  return quotas !== undefined && Object.hasOwn(quotas, className) ? quotas[className] : undefined;
}

/** A rate as it acts: the bucket holds a second's worth where no burst is configured. */
function rateOf({ ratePerSecond, burst }: QuotaConfig): { readonly ratePerSecond: number; readonly burst: number } | null {
  return ratePerSecond === undefined ? null : { ratePerSecond, burst: burst ?? ratePerSecond };
}

/** Of the smallest bandwidth so much may go at once: of less nothing could be lent to isolates. */
const BANDWIDTH_BURST_BYTES_MIN = 32 * KIB_BYTES;

/** A bandwidth as it acts: a second's worth at once, in whole KiB. */
export function bandwidthOf({
  bandwidthBytesPerSecond,
}: QuotaConfig): { readonly bytesPerSecond: number; readonly burstBytes: number } | null {
  if (bandwidthBytesPerSecond === undefined) return null;
  const burstBytes = Math.max(BANDWIDTH_BURST_BYTES_MIN, bandwidthBytesPerSecond - (bandwidthBytesPerSecond % KIB_BYTES));
  return { bytesPerSecond: bandwidthBytesPerSecond, burstBytes };
}

/**
 * The advertised policies of a quota that is enforced; one in shadow limits nobody and is not advertised. A bucket of
 * `burst` that fills at `rate` is said as rate × w in a window w of burst ÷ rate, rounded up to seconds: the mean is exact, and
 * what is left never exceeds the quota.
 */
export function policiesOf(quota: QuotaConfig): readonly QuotaPolicy[] {
  if (quota.mode === "shadow") return [];
  const rate = rateOf(quota);
  const bandwidth = bandwidthOf(quota);
  const policies: QuotaPolicy[] = [];
  if (rate !== null) policies.push({ kind: "rate", ...windowOf(rate.ratePerSecond, rate.burst) });
  if (quota.slots !== undefined) policies.push({ kind: "slots", quota: quota.slots });
  if (bandwidth !== null) policies.push({ kind: "bandwidth", ...windowOf(bandwidth.bytesPerSecond, bandwidth.burstBytes) });
  return policies;
}

function windowOf(perSecond: number, burst: number): Pick<QuotaPolicy, "quota" | "windowMs"> {
  const seconds = Math.max(1, Math.ceil(burst / Math.max(1, perSecond)));
  return { quota: perSecond * seconds, windowMs: seconds * SECOND_MS };
}

/** A bandwidth as it is advertised, used up; null: there is none. */
export function bandwidthState(quota: QuotaConfig | undefined): QuotaState | null {
  const policy = quota === undefined ? undefined : policiesOf(quota).find(({ kind }) => kind === "bandwidth");
  return policy === undefined ? null : { ...policy, remaining: 0, resetAfterMs: SECOND_MS };
}

/** A rate as it is advertised, used up; null: there is none. */
export function rateState(quota: QuotaConfig | undefined, resetAfterMs: number | undefined): QuotaState | null {
  const policy = quota === undefined ? undefined : policiesOf(quota).find(({ kind }) => kind === "rate");
  return policy === undefined ? null : { ...policy, remaining: 0, ...(resetAfterMs === undefined ? {} : { resetAfterMs }) };
}

/** Service time as it is configured, used up. */
export function costState(quota: QuotaConfig | undefined, resetAfterMs: number): QuotaState {
  const costMs = Math.floor((quota?.cpuSecondsPerSecond ?? 0) * SECOND_MS);
  return { kind: "cpu", quota: costMs, windowMs: SECOND_MS, remaining: 0, resetAfterMs };
}
