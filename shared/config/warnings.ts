import { hourlySeasons } from "../forecast/hourly-seasons.ts";
import type { FromFile } from "./read-documents.ts";
import type { QuotaConfig, ServiceConfig, TenantConfig, TotalConfig } from "./schema.ts";

export interface ConfigurationWarning {
  readonly file: string;
  readonly message: string;
}

/** What is accepted, but acts as something else in this version: said at every apply, so that nobody relies on it. */
export function warningsOf({ file, value: service, asWritten }: FromFile<ServiceConfig>): ConfigurationWarning[] {
  const warnings: string[] = [];
  if (service.endpoints.length === 0) warnings.push("has no endpoints: every request is refused with no-endpoint");
  if (service.deadlineMs > service.requestDurationMsMax)
    warnings.push("deadlineMs is beyond requestDurationMsMax: no request lives to see it");
  const capacity = service.endpoints.reduce((sum, endpoint) => sum + endpoint.capacity, 0);
  const usable = service.shards.countMax * service.shards.sizeMax;
  if (usable < capacity)
    warnings.push(
      `${service.shards.countMax} shards of at most ${service.shards.sizeMax} slots use ${usable} of the endpoints' ${capacity}`,
    );
  if (service.shards.countMax < service.endpoints.length)
    warnings.push(`${service.endpoints.length} endpoints but at most ${service.shards.countMax} shards: the last endpoints get none`);
  // The defaults say nothing; whoever wrote it wants it.
  const { affinity } = asWritten as { affinity?: unknown };
  if (service.balance !== "rendezvous" && affinity !== undefined && affinity !== "none")
    warnings.push(`affinity: ${service.affinity} does nothing with balance: ${service.balance}; only rendezvous keeps a key on its shard`);
  if (service.provisioning.mode === "shadow" && service.endpoints.some(({ provider }) => provider === "process"))
    warnings.push("provisioning.mode: shadow starts no units, expected act beside an endpoint of provider: process");
  if (hourlySeasons(service.forecast.seasonsMs) === null)
    warnings.push("forecast.seasonsMs: expected at most two of whole hours, up to a day and up to a week; a day and a week are followed");
  const { messageBurst, messagesPerSecond, classes } = service.sockets;
  const hasRate = (of: { messagesPerSecond?: number | undefined }): boolean => (of.messagesPerSecond ?? messagesPerSecond) !== undefined;
  if (messageBurst !== undefined && ![service.sockets, ...Object.values(classes)].some(hasRate))
    warnings.push("sockets.messageBurst does nothing without messagesPerSecond");
  for (const [name, own] of Object.entries(classes))
    if (own.messageBurst !== undefined && !hasRate(own))
      warnings.push(`sockets.classes.${name}.messageBurst does nothing without messagesPerSecond`);
  return warnings.map((message) => ({ file, message }));
}

/** The same of a tenant. */
export function tenantWarningsOf({ file, value: { services, total } }: FromFile<TenantConfig>): ConfigurationWarning[] {
  const quotas = Object.entries(services).flatMap(([service, classes]) =>
    Object.entries(classes).flatMap(([name, quota]) => burstWarnings(`services.${service}.${name}`, quota)),
  );
  return [...quotas, ...burstWarnings("total", total ?? {})].map((message) => ({ file, message }));
}

function burstWarnings(path: string, { ratePerSecond, burst }: Partial<QuotaConfig | TotalConfig>): string[] {
  if (burst === undefined) return [];
  if (ratePerSecond === undefined) return [`${path}.burst does nothing without ratePerSecond`];
  return burst === 0 && ratePerSecond > 0 ? [`${path}.burst: 0 admits nobody, whatever ratePerSecond is`] : [];
}
