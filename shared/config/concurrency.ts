import type { ServiceConfig } from "./schema.ts";

type Concurrency = ServiceConfig["concurrency"];

const FIXED: Concurrency = { mode: "fixed", capacityRatioMin: 1 };

/** How a service's endpoints are limited. A version that was stored before there was a choice has none. */
export function concurrencyOf(service: ServiceConfig | null): Concurrency {
  return (service as Partial<ServiceConfig> | null)?.concurrency ?? FIXED;
}
