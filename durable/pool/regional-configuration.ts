// What of the configuration concerns a regional pool. Pure. What spans regions is the home pool's to keep: here are the deadline, the
// classes and weights of the queue, and the limits that hold for each request by itself.
import type { Region } from "#shared/config/regions.ts";
import type { FlowQuota } from "#shared/config/quota-policies.ts";
import type { Configuration } from "#shared/config/schema.ts";
import { configurationOf, type PoolConfiguration } from "./pool-configuration.ts";

interface Place {
  readonly name: string;
  readonly region: Region;
}

export function regionalConfigurationOf({ name, region }: Place, version: number, whole: Configuration): PoolConfiguration {
  const configuration = configurationOf(name, version, whole);
  const { service } = configuration;
  // Adapting is the home pool's: what it gives less of an endpoint it lends less.
  const adapted = service && { ...service, concurrency: { mode: "fixed" as const, capacityRatioMin: 1 } };
  const isServed = service?.regions?.includes(region) === true;
  return {
    ...configuration,
    service: isServed ? adapted : null,
    quotas: enforcedOf(configuration.quotas),
    tenantsWithTotal: [],
    totals: {},
    region,
  };
}

/** A shadow is cast at home, where all of a flow is seen. What its tenant may use over all services holds beside it. */
function enforcedOf(quotas: Readonly<Record<string, FlowQuota>>): Readonly<Record<string, FlowQuota>> {
  const enforced = Object.entries(quotas).flatMap(([flow, quota]) => {
    if (quota.mode === "enforce") return [[flow, quota] as const];
    const { weight, total } = quota;
    return total === undefined ? [] : [[flow, { weight, mode: "enforce", total }] as const];
  });
  return Object.fromEntries(enforced);
}
