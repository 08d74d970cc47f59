import type { AppliedIdentifier } from "../identifier/entitlement.ts";
import type { QuotaPolicy, QuotaState } from "../protocol/quota-state.ts";
import type { QuotaPace } from "../protocol/shard-rpc.ts";
import { LENT_BURST_MIN } from "../lease/token-meter.ts";
import { KIB_BYTES, SECOND_MS } from "../units.ts";
import type { Configuration, QuotaConfig, TotalConfig } from "./schema.ts";

/** What limits a flow at one service: its own quota, and what its tenant may use over all services. */
export interface FlowQuota extends QuotaConfig {
  readonly total?: TotalConfig;
}

/** The same object for the same version of the configuration. */
const withTotals = new WeakMap<QuotaConfig, FlowQuota>();

/** What the configuration limits of one flow at one service. */
export function quotaOf(
  { tenants }: Configuration,
  { tenant, service, className }: Pick<AppliedIdentifier, "tenant" | "service" | "className">,
): FlowQuota | undefined {
  const config = Object.hasOwn(tenants, tenant) ? tenants[tenant] : undefined;
  const services = config?.services;
  const quotas = services !== undefined && Object.hasOwn(services, service) ? services[service] : undefined;
  const quota = quotas !== undefined && Object.hasOwn(quotas, className) ? quotas[className] : undefined;
  return quota === undefined || config?.total === undefined ? quota : withTotal(quota, config.total);
}

function withTotal(quota: QuotaConfig, total: TotalConfig): FlowQuota {
  let whole = withTotals.get(quota);
  if (whole?.total !== total) withTotals.set(quota, (whole = { ...quota, total }));
  return whole;
}

/** Whether the flow's bodies are paced: by its own bandwidth, or its tenant's over all services. */
export function isBandwidthLimited(quota: FlowQuota | undefined): boolean {
  return quota !== undefined && (enforces(quota, "bandwidthBytesPerSecond") || enforces(quota.total, "bandwidthBytesPerSecond"));
}

/** Asked for every request, so without a list of the two. */
function enforces(limits: QuotaConfig | TotalConfig | undefined, limit: "ratePerSecond" | "bandwidthBytesPerSecond"): boolean {
  return limits?.[limit] !== undefined && limits.mode === "enforce";
}

/** Whether its bytes are counted, be it for a limit in shadow. */
export function isBandwidthCounted(quota: FlowQuota | undefined): boolean {
  return quota?.bandwidthBytesPerSecond !== undefined || quota?.total?.bandwidthBytesPerSecond !== undefined;
}

/** Whether its service time is counted, be it for a limit in shadow. */
function isTimeCounted(quota: FlowQuota | undefined): boolean {
  return quota?.cpuSecondsPerSecond !== undefined || quota?.total?.cpuSecondsPerSecond !== undefined;
}

/** What the messages of its flow's sockets are held to, or counted for. */
export function quotaPaceOf(quota: FlowQuota | undefined): QuotaPace {
  const bytes = isBandwidthLimited(quota) ? "held" : isBandwidthCounted(quota) ? "counted" : null;
  return { bytes, isTimed: isTimeCounted(quota) };
}

/** A rate as it acts: the bucket holds a second's worth where no burst is configured. */
function rateOf({ ratePerSecond, burst }: QuotaConfig): { readonly ratePerSecond: number; readonly burst: number } | null {
  return ratePerSecond === undefined ? null : { ratePerSecond, burst: burst ?? ratePerSecond };
}

/** Of the smallest bandwidth so much may go at once: of less nothing could be lent to isolates. */
const BANDWIDTH_BURST_BYTES_MIN = 32 * KIB_BYTES;

/** Over all services: two seconds' worth where no burst is configured, since what is lent twice lies about for twice as long. */
export function totalRateOf({
  ratePerSecond,
  burst,
}: Partial<TotalConfig>): { readonly ratePerSecond: number; readonly burst: number } | null {
  return ratePerSecond === undefined ? null : { ratePerSecond, burst: burst ?? Math.max(LENT_BURST_MIN, 2 * ratePerSecond) };
}

/** Whether a request of the flow costs a token: by its own rate, or its tenant's over all services. */
export function isRated(quota: FlowQuota | undefined): boolean {
  return quota !== undefined && (enforces(quota, "ratePerSecond") || enforces(quota.total, "ratePerSecond"));
}

export interface Bandwidth {
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
}

/** A bandwidth as it acts: a second's worth at once, in whole KiB. */
export function bandwidthOf(quota: Pick<QuotaConfig, "bandwidthBytesPerSecond">): Bandwidth | null {
  return bandwidthWith(quota, 1);
}

/** Over all services: two seconds' worth, since what is lent twice lies about for twice as long. */
export function totalBandwidthOf(total: Partial<TotalConfig>): Bandwidth | null {
  return bandwidthWith(total, 2);
}

function bandwidthWith({ bandwidthBytesPerSecond }: Pick<QuotaConfig, "bandwidthBytesPerSecond">, seconds: number): Bandwidth | null {
  if (bandwidthBytesPerSecond === undefined) return null;
  const burstBytes = seconds * Math.max(BANDWIDTH_BURST_BYTES_MIN, bandwidthBytesPerSecond - (bandwidthBytesPerSecond % KIB_BYTES));
  return { bytesPerSecond: bandwidthBytesPerSecond, burstBytes };
}

/**
 * The advertised policies of a quota that is enforced; one in shadow limits nobody and is not advertised. A bucket of
 * `burst` that fills at `rate` is said as rate × w in a window w of burst ÷ rate, rounded up to seconds: the mean is exact, and
 * what is left never exceeds the quota.
 */
export function policiesOf(quota: FlowQuota): readonly QuotaPolicy[] {
  return [...(quota.mode === "shadow" ? [] : ownPoliciesOf(quota)), ...totalPoliciesOf(quota.total)];
}

/** Over all services; of no class, and so named otherwise. */
function totalPoliciesOf(total: TotalConfig | undefined): readonly QuotaPolicy[] {
  if (total === undefined || total.mode === "shadow") return [];
  const [rate, bandwidth] = [totalRateOf(total), totalBandwidthOf(total)];
  const policies: QuotaPolicy[] = [];
  if (rate !== null) policies.push({ kind: "total-rate", ...windowOf(rate.ratePerSecond, rate.burst) });
  if (total.slots !== undefined) policies.push({ kind: "total-slots", quota: total.slots });
  if (bandwidth !== null) policies.push({ kind: "total-bandwidth", ...windowOf(bandwidth.bytesPerSecond, bandwidth.burstBytes) });
  return policies;
}

function ownPoliciesOf(quota: QuotaConfig): readonly QuotaPolicy[] {
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

/** Bandwidths as they are advertised, used up: the flow's own, its tenant's over all services, or both, since a body waits for both. */
export function bandwidthStates(quota: FlowQuota | undefined): readonly QuotaState[] {
  const policies = quota === undefined ? [] : policiesOf(quota).filter(({ kind }) => kind === "bandwidth" || kind === "total-bandwidth");
  return policies.map((policy) => ({ ...policy, remaining: 0, resetAfterMs: SECOND_MS }));
}

/** Rates as they are advertised, used up: the flow's own, its tenant's over all services, or both, since a request needs a token of both. */
export function rateStates(quota: FlowQuota | undefined, resetAfterMs: number | undefined): readonly QuotaState[] {
  const policies = quota === undefined ? [] : policiesOf(quota).filter(({ kind }) => kind === "rate" || kind === "total-rate");
  return policies.map((policy) => ({ ...policy, remaining: 0, ...(resetAfterMs === undefined ? {} : { resetAfterMs }) }));
}

export function rateDetail(quota: FlowQuota | undefined): string {
  const own = quota?.mode === "shadow" ? undefined : quota?.ratePerSecond;
  const total = quota?.total?.mode === "shadow" ? undefined : quota?.total?.ratePerSecond;
  const limits = [
    ...(own === undefined ? [] : [`Your tenant and class have ${own} requests a second here`]),
    ...(total === undefined ? [] : [`your tenant has ${total} requests a second over all services`]),
  ].join(", ");
  return `${limits.slice(0, 1).toUpperCase()}${limits.slice(1)}: they are used up.`;
}

export function costDetail(isTotal: boolean): string {
  return isTotal ? "Your tenant has used up its service time over all services." : "Your tenant and class have used up their service time.";
}

/** Service time as it is configured, used up: the flow's own, or its tenant's over all services. */
export function costState(quota: FlowQuota | undefined, { resetAfterMs, isTotal }: { resetAfterMs: number; isTotal: boolean }): QuotaState {
  const of = isTotal ? quota?.total : quota;
  const costMs = Math.floor((of?.cpuSecondsPerSecond ?? 0) * SECOND_MS);
  return { kind: isTotal ? "total-cpu" : "cpu", quota: costMs, windowMs: SECOND_MS, remaining: 0, resetAfterMs };
}
