// What of the configuration concerns one pool, and what its ledger makes of it. Pure.
import { LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { LedgerRows } from "#durable/lease/lease-rows.ts";
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { Region } from "#shared/config/regions.ts";
import { quotaPaceOf, type FlowQuota } from "#shared/config/quota-policies.ts";
import type { Configuration, QuotaConfig, ServiceConfig, TotalConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import { flowOfBytes } from "#shared/lease/byte-flow.ts";
import type { PaceAnswer } from "#shared/protocol/pace-question.ts";
import { SLOT_GRACE_MS } from "#shared/protocol/pool-rpc.ts";
import { quotaFlowOf } from "#shared/protocol/quota-rpc.ts";
import type { AdaptiveLanes } from "./adaptive-lanes.ts";
import { LiveFlowPolicy } from "./flow-policy.ts";
import { flowLimitsOf } from "./flow-quotas.ts";
import { staticEndpoints, type PoolShard } from "./layout.ts";
import { lentPolicyOf } from "./lent-policy.ts";
import type { RegionalParts } from "./regional-parts.ts";
import type { TenantCredits } from "./tenant-credits.ts";

/** Isolates and regional pools that may hold slots of one service at a time. */
const HOLDERS_MAX = 4_096;
/** Tenants' and their bandwidths'. */
const FLOWS_PER_HOLDER_MAX = 2 * 4_096;
/** Whose policies are kept ready. */
const FLOWS_KNOWN_MAX = 8 * FLOWS_PER_HOLDER_MAX;
/** Of a flow without a limit of its own. */
const FLOW_SLOTS_MAX = LIMITS.capacityMax * LIMITS.endpointCountMax;

/** What the pool knows of its service, with the version of the configuration that said so. */
export interface PoolConfiguration {
  readonly version: number;
  /** The service's name; empty until the first call told it. */
  readonly name: string;
  /** Null: the configuration has no such service. */
  readonly service: ServiceConfig | null;
  /** Highest class first. */
  readonly classes: readonly { readonly className: string; readonly weight: number; readonly reserveRatio: number }[];
  /** Of tenants whose weight is not 1. */
  readonly tenantWeights: Readonly<Record<string, number>>;
  /** By flow; those that limit nothing are left out. */
  readonly quotas: Readonly<Record<string, FlowQuota>>;
  /** Tenants whose slots are limited over all their services. */
  readonly tenantsWithTotal: readonly string[];
  /** By tenant: what it may use over all its services, or would. */
  readonly totals?: Readonly<Record<string, TotalConfig>>;
  /** Flows of `quotas` that are not configured any more. */
  readonly gone?: readonly string[];
  /** Of a regional pool: where it is. */
  readonly region?: Region;
}

/** A pool as it was written down. */
export interface StoredPool {
  readonly configuration: PoolConfiguration;
  readonly shards: readonly PoolShard[];
  readonly rows: LedgerRows;
  readonly tableVersion: number;
  /** Of endpoints whose concurrency is adaptive, by URL. */
  readonly limits: Readonly<Record<string, number>>;
}

export const NO_CONFIGURATION: PoolConfiguration = {
  version: 0,
  name: "",
  service: null,
  classes: [],
  tenantWeights: {},
  quotas: {},
  tenantsWithTotal: [],
};

export function configurationOf(name: string, version: number, { services, classes, tenants }: Configuration): PoolConfiguration {
  const service = Object.hasOwn(services, name) ? (services[name] ?? null) : null;
  const weighted = Object.entries(tenants).filter(([, { weight, services: of }]) => weight !== 1 && Object.hasOwn(of, name));
  return {
    version,
    name,
    service,
    classes: Object.entries(classes).map(([className, { weight, reserve }]) => ({
      className,
      weight: service?.classes[className]?.weight ?? weight,
      reserveRatio: service?.classes[className]?.reserve ?? reserve,
    })),
    tenantWeights: Object.fromEntries(weighted.map(([tenant, { weight }]) => [tenant, weight])),
    quotas: quotasOf(name, tenants),
    tenantsWithTotal: Object.values(tenants)
      .filter(({ total, services: of }) => total?.slots !== undefined && total.mode === "enforce" && Object.hasOwn(of, name))
      .map(({ tenant }) => tenant),
    totals: Object.fromEntries(
      Object.values(tenants).flatMap(({ tenant, total, services: of }) => (total && Object.hasOwn(of, name) ? [[tenant, total]] : [])),
    ),
  };
}

function quotasOf(service: string, tenants: Configuration["tenants"]): PoolConfiguration["quotas"] {
  const quotas = Object.values(tenants).flatMap(({ tenant, services, total }) =>
    Object.entries(Object.hasOwn(services, service) ? (services[service] ?? {}) : {})
      .filter(([, quota]) => total !== undefined || isLimit(quota))
      .map(([className, quota]) => [`${tenant}/${className}`, total === undefined ? quota : { ...quota, total }] as const),
  );
  return Object.fromEntries(quotas);
}

/** What the messages of the flows' sockets are held to; of the others nothing is limited. */
export function pacesOf(flows: readonly string[], { quotas, version }: Pick<PoolConfiguration, "quotas" | "version">): PaceAnswer {
  const paces = flows.flatMap((flow) => (Object.hasOwn(quotas, flow) ? [{ flow, version, ...quotaPaceOf(quotas[flow]) }] : []));
  return { version, paces: paces.filter(({ bytes, isTimed }) => bytes !== null || isTimed) };
}

function isLimit({ weight: _weight, mode: _mode, ...limits }: QuotaConfig): boolean {
  return Object.keys(limits).length > 0;
}

/** An endpoint takes what its shards have, never more than its capacity, and where that is adaptive no more than its limit. */
export function capacityOf(
  { service, classes }: PoolConfiguration,
  shards: readonly PoolShard[],
  adaptive: Pick<AdaptiveLanes, "slotsMaxOf">,
): Pick<LedgerPolicy, "capacity" | "lanes" | "classes"> {
  const lanes = new Map<string, number>();
  const endpoints = service === null ? [] : staticEndpoints(service);
  const known = new Set(endpoints.map(({ url }) => url));
  for (const { url, capacity } of endpoints) {
    const sharded = shards.filter(({ endpointUrl, state }) => endpointUrl === url && state === "active");
    lanes.set(
      url,
      Math.min(
        capacity,
        sharded.reduce((sum, { size }) => sum + size, 0),
        adaptive.slotsMaxOf(url),
      ),
    );
  }
  // A unit is an endpoint of its own, and its shard has all of it.
  for (const { endpointUrl, size, state } of shards)
    if (state === "active" && !known.has(endpointUrl)) lanes.set(endpointUrl, (lanes.get(endpointUrl) ?? 0) + size);
  const capacity = [...lanes.values()].reduce((sum, slots) => sum + slots, 0);
  return {
    capacity,
    lanes,
    classes: new Map(
      classes.map(({ className, weight, reserveRatio }) => [className, { weight, reserve: Math.floor(reserveRatio * capacity) }]),
    ),
  };
}

interface PolicyParts {
  readonly credits: Pick<TenantCredits, "slotsMaxOf" | "sharedOf" | "look">;
  readonly adaptive: Pick<AdaptiveLanes, "slotsMaxOf">;
  readonly regions: Pick<RegionalParts, "home">;
}

export function policyOf(
  configuration: PoolConfiguration,
  shards: readonly PoolShard[],
  { credits, adaptive, regions }: PolicyParts,
): LedgerPolicy {
  const { service } = configuration;
  // Each request asks several times.
  const known = new Map<string, LiveFlowPolicy>();
  const policy: LedgerPolicy = {
    ...capacityOf(configuration, shards, adaptive),
    flow: (name): FlowPolicy => {
      let flow = known.get(name);
      if (flow === undefined) {
        if (known.size >= FLOWS_KNOWN_MAX) known.clear();
        known.set(name, (flow = flowPolicyOf(name, configuration, credits)));
      }
      return flow;
    },
    flowChanged: (flow) => credits.look(flow),
    requestDurationMsMax: service?.requestDurationMsMax ?? 0,
    // A request, or a socket that opens.
    lentDurationMsMax: Math.max(service?.requestDurationMsMax ?? 0, (service?.deadlineMs ?? 0) + SLOT_GRACE_MS) + LEASE_MS_MAX,
    holdersMax: HOLDERS_MAX,
    flowsPerHolderMax: FLOWS_PER_HOLDER_MAX,
  };
  return regions.home === null ? policy : lentPolicyOf(policy, regions.home);
}

function flowPolicyOf(
  name: string,
  { name: serviceName, tenantWeights, quotas }: PoolConfiguration,
  credits: PolicyParts["credits"],
): LiveFlowPolicy {
  const ofBytes = flowOfBytes(name);
  const flow = ofBytes ?? name;
  const [tenant = "", className = ""] = flow.split("/");
  const { slotsMax, rate, bandwidth } = flowLimitsOf(Object.hasOwn(quotas, flow) ? quotas[flow] : undefined);
  const fixed = {
    tenant,
    className,
    weight: weightOf(tenantWeights, tenant),
    slotsMax: Math.min(slotsMax, FLOW_SLOTS_MAX),
    rate: ofBytes === null ? rate : bandwidth,
    limit: quotaFlowOf(serviceName, className),
    isOfBytes: ofBytes !== null,
  };
  return new LiveFlowPolicy(fixed, credits);
}

export function flowShareOf({ tenantWeights }: PoolConfiguration, flow: string): { className: string; weight: number } {
  const [tenant = "", className = ""] = flow.split("/");
  return { className, weight: weightOf(tenantWeights, tenant) };
}

/** A tenant may be called constructor. */
function weightOf(tenantWeights: PoolConfiguration["tenantWeights"], tenant: string): number {
  return Object.hasOwn(tenantWeights, tenant) ? (tenantWeights[tenant] ?? 1) : 1;
}
