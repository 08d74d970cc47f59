// A pool's configuration as it is written down: one row, which holds 2 MB. By tenant, as in the Registry's own row, so that what a tenant may
// use over all its services is in it once and not with each of its classes. Pure.
import type { FlowQuota } from "#shared/config/quota-policies.ts";
import type { QuotaConfig, TotalConfig } from "#shared/config/schema.ts";
import { NO_CONFIGURATION, type PoolConfiguration } from "./pool-configuration.ts";

interface StoredTenant {
  readonly total?: TotalConfig;
  readonly classes: Record<string, QuotaConfig>;
}

/** Absent `byTenant`: of an object that wrote `quotas` as they are. */
export interface StoredConfiguration extends Omit<PoolConfiguration, "quotas"> {
  readonly quotas?: PoolConfiguration["quotas"];
  readonly byTenant?: Readonly<Record<string, StoredTenant>>;
}

export function packConfiguration({ quotas, ...rest }: PoolConfiguration): StoredConfiguration {
  const byTenant = new Map<string, StoredTenant>();
  for (const [flow, { total, ...quota }] of Object.entries(quotas)) {
    const [tenant = "", className = ""] = flow.split("/");
    const stored = byTenant.get(tenant) ?? { ...(total && { total }), classes: {} };
    stored.classes[className] = quota;
    byTenant.set(tenant, stored);
  }
  return { ...rest, byTenant: Object.fromEntries(byTenant) };
}

export function unpackConfiguration({ byTenant = {}, ...rest }: Partial<StoredConfiguration>): PoolConfiguration {
  const quotas = Object.entries(byTenant).flatMap(([tenant, { total, classes }]) =>
    Object.entries(classes).map(([className, quota]): [string, FlowQuota] => [
      `${tenant}/${className}`,
      total ? { ...quota, total } : quota,
    ]),
  );
  return { ...NO_CONFIGURATION, quotas: Object.fromEntries(quotas), ...rest };
}
