// Limits of flows that a new configuration does not have any more: of a tenant that was removed, or may use a class or the service no longer. Its
// sockets live on, and isolates that have not heard of it yet still admit it. Pure.
import { tenantOf } from "#shared/identifier/entitlement.ts";
import type { Configuration } from "#shared/config/schema.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";

/** Beyond it the others are let go. */
const GONE_FLOWS_MAX = 1_024;

/**
 * What they were limited to last holds on: by one more version, in which isolates hear of it, and then for as long as anything of them is out. One
 * that had no limits has none.
 */
export function withGone(
  configuration: PoolConfiguration,
  before: PoolConfiguration,
  { whole: { tenants }, isOut }: { readonly whole: Configuration; readonly isOut: (flow: string) => boolean },
): PoolConfiguration {
  const { name } = configuration;
  const wasGone = new Set(before.gone);
  const isConfigured = (flow: string): boolean => {
    const [tenant = "", className = ""] = flow.split("/");
    const services = Object.hasOwn(tenants, tenant) ? (tenants[tenant]?.services ?? {}) : {};
    return Object.hasOwn(services, name) && Object.hasOwn(services[name] ?? {}, className);
  };
  const left = Object.keys(before.quotas).filter((flow) => !isConfigured(flow) && (!wasGone.has(flow) || isOut(flow)));
  const gone = left.toSorted((a, b) => Number(isOut(b)) - Number(isOut(a))).slice(0, GONE_FLOWS_MAX);
  if (gone.length === 0) return configuration;
  const tenantsGone = new Set(gone.map(tenantOf));
  const { totals = {}, tenantsWithTotal, quotas } = before;
  return {
    ...configuration,
    gone,
    quotas: { ...Object.fromEntries(gone.flatMap((flow) => (quotas[flow] ? [[flow, quotas[flow]]] : []))), ...configuration.quotas },
    totals: { ...Object.fromEntries(Object.entries(totals).filter(([tenant]) => tenantsGone.has(tenant))), ...configuration.totals },
    tenantsWithTotal: [...new Set([...configuration.tenantsWithTotal, ...tenantsWithTotal.filter((tenant) => tenantsGone.has(tenant))])],
  };
}
