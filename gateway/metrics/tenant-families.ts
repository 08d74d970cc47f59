// What tenants use over all their services, of those that are limited so, or would be: their quotas' word.
import type { QuotaUsage } from "#shared/protocol/quota-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Family, Sample } from "./prometheus-text.ts";

export function tenantFamilies(usages: readonly QuotaUsage[]): Family[] {
  const perTenant = (value: (usage: QuotaUsage) => number): Sample[] =>
    usages.map((usage) => ({ labels: { tenant: usage.tenant }, value: value(usage) }));
  const counter = (name: string, help: string, value: (usage: QuotaUsage) => number): Family => ({
    name,
    type: "counter",
    help,
    samples: perTenant(value),
  });
  return [
    {
      name: "tidegate_tenant_slots_out",
      type: "gauge",
      help: "Slots of a tenant that its quota has lent to its services' pools.",
      samples: perTenant(({ slotsOut }) => slotsOut),
    },
    {
      name: "tidegate_tenant_slots_over_max",
      type: "gauge",
      help: "The most slots that were lent beyond the tenant's limit: 0 unless it casts a shadow only, or was made smaller.",
      samples: perTenant(({ slotsOverMax }) => slotsOverMax),
    },
    counter(
      "tidegate_tenant_body_bytes_total",
      "Bytes of bodies and of messages of sockets over all services of a tenant, as pools told its quota; where a limit over all of them needs them.",
      ({ bytes }) => bytes,
    ),
    counter(
      "tidegate_tenant_service_seconds_total",
      "Service time of requests and of messages of sockets over all services of a tenant, times each one's cost weight, as pools told its quota.",
      ({ costMs }) => costMs / SECOND_MS,
    ),
    counter("tidegate_tenant_quota_calls_total", "Calls of pools to a tenant's quota that were answered.", ({ renewals }) => renewals),
    {
      name: "tidegate_tenant_quota_shadow_total",
      type: "counter",
      help: "What a tenant's limits over all services would have held back, were they not in shadow: slots at each call, bytes, requests.",
      samples: usages.flatMap(({ tenant, shadow }) =>
        Object.entries(shadow).map(([limit, value]) => ({ labels: { tenant, limit }, value })),
      ),
    },
  ];
}
