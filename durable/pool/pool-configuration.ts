// What of the configuration concerns one pool, and what its ledger makes of it. Pure.
import type { LedgerRows } from "#durable/lease/lease-rows.ts";
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { Configuration, QuotaConfig, ServiceConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import { quotaFlowOf } from "#shared/protocol/quota-rpc.ts";
import { flowLimitsOf } from "./flow-quotas.ts";
import { staticEndpoints, type PoolShard } from "./layout.ts";
import type { TenantCredits } from "./tenant-credits.ts";

/** Isolates and regional pools that may hold slots of one service at a time. */
const HOLDERS_MAX = 4_096;
const FLOWS_PER_HOLDER_MAX = 4_096;
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
  readonly quotas: Readonly<Record<string, QuotaConfig>>;
  /** Tenants that are limited over all their services. */
  readonly tenantsWithTotal: readonly string[];
}

/** A pool as it was written down. */
export interface StoredPool {
  readonly configuration: PoolConfiguration;
  readonly shards: readonly PoolShard[];
  readonly rows: LedgerRows;
  readonly tableVersion: number;
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
  const service = services[name] ?? null;
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
      .filter(({ total, services: of }) => total?.mode === "enforce" && Object.hasOwn(of, name))
      .map(({ tenant }) => tenant),
  };
}

function quotasOf(service: string, tenants: Configuration["tenants"]): PoolConfiguration["quotas"] {
  const quotas = Object.values(tenants).flatMap(({ tenant, services }) =>
    Object.entries(Object.hasOwn(services, service) ? (services[service] ?? {}) : {})
      .filter(([, quota]) => isLimit(quota))
      .map(([className, quota]) => [`${tenant}/${className}`, quota] as const),
  );
  return Object.fromEntries(quotas);
}

function isLimit({ weight: _weight, mode: _mode, ...limits }: QuotaConfig): boolean {
  return Object.keys(limits).length > 0;
}

/** An endpoint takes what its shards have, and never more than its capacity. */
export function policyOf(
  { name, service, classes, tenantWeights, quotas }: PoolConfiguration,
  shards: readonly PoolShard[],
  credits: Pick<TenantCredits, "slotsMaxOf">,
): LedgerPolicy {
  const lanes = new Map<string, number>();
  for (const { url, capacity } of service === null ? [] : staticEndpoints(service)) {
    const sharded = shards.filter(({ endpointUrl, state }) => endpointUrl === url && state === "active");
    lanes.set(
      url,
      Math.min(
        capacity,
        sharded.reduce((sum, { size }) => sum + size, 0),
      ),
    );
  }
  const capacity = [...lanes.values()].reduce((sum, slots) => sum + slots, 0);
  return {
    capacity,
    lanes,
    classes: new Map(
      classes.map(({ className, weight, reserveRatio }) => [className, { weight, reserve: Math.floor(reserveRatio * capacity) }]),
    ),
    flow: (flow): FlowPolicy => {
      const [tenant = "", className = ""] = flow.split("/");
      const { slotsMax, rate } = flowLimitsOf(Object.hasOwn(quotas, flow) ? quotas[flow] : undefined);
      return {
        className,
        weight: tenantWeights[tenant] ?? 1,
        slotsMax: Math.min(slotsMax, FLOW_SLOTS_MAX, credits.slotsMaxOf(tenant, quotaFlowOf(name, className))),
        rate,
      };
    },
    requestDurationMsMax: service?.requestDurationMsMax ?? 0,
    holdersMax: HOLDERS_MAX,
    flowsPerHolderMax: FLOWS_PER_HOLDER_MAX,
  };
}

export function flowShareOf({ tenantWeights }: PoolConfiguration, flow: string): { className: string; weight: number } {
  const [tenant = "", className = ""] = flow.split("/");
  return { className, weight: tenantWeights[tenant] ?? 1 };
}
