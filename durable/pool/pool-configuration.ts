// What of the configuration concerns one pool, and what its ledger makes of it. Pure.
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { Configuration, ServiceConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import type { PoolShard } from "./layout.ts";

/** Isolates and regional pools that may hold slots of one service at a time. */
const HOLDERS_MAX = 4_096;
const FLOWS_PER_HOLDER_MAX = 4_096;
/** A tenant's own limits are not the pool's business yet. */
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
}

export const NO_CONFIGURATION: PoolConfiguration = { version: 0, name: "", service: null, classes: [], tenantWeights: {} };

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
  };
}

/** An endpoint takes what its shards have, and never more than its capacity. */
export function policyOf({ service, classes, tenantWeights }: PoolConfiguration, shards: readonly PoolShard[]): LedgerPolicy {
  const lanes = new Map<string, number>();
  for (const { url, capacity } of service?.endpoints ?? []) {
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
    flow: (flow): FlowPolicy => ({ ...partsOf({ tenantWeights }, flow), slotsMax: FLOW_SLOTS_MAX, rate: null }),
    requestDurationMsMax: service?.requestDurationMsMax ?? 0,
    holdersMax: HOLDERS_MAX,
    flowsPerHolderMax: FLOWS_PER_HOLDER_MAX,
  };
}

/** The class of a flow, and its weight in it. */
export function partsOf({ tenantWeights }: Pick<PoolConfiguration, "tenantWeights">, flow: string): { className: string; weight: number } {
  const [tenant = "", className = ""] = flow.split("/");
  return { className, weight: tenantWeights[tenant] ?? 1 };
}
