import type { Configuration } from "#shared/config/schema.ts";
import type { GatewayEnv } from "./gateway-env.ts";
import { homePool } from "./lease/pool-call.ts";

/** Pools asked at the same time. */
const CONCURRENCY_MAX = 32;

/**
 * Has the pools of these services follow a version at once. Requests would tell them; a service with nothing but idle sockets has
 * none, and its devices have to leave an endpoint that is not configured any more. One that does not answer learns it from the next request.
 * Regional pools have no sockets, and hear of it with their next renewal.
 */
export async function tellPools(env: GatewayEnv, configurations: readonly Configuration[], version: number): Promise<void> {
  const homes = new Map(
    configurations.flatMap(({ services }) => Object.entries(services)).map(([name, { regions }]) => [name, regions?.[0]]),
  );
  const services = [...homes];
  for (let start = 0; start < services.length; start += CONCURRENCY_MAX) {
    const told = services.slice(start, start + CONCURRENCY_MAX);
    await Promise.allSettled(told.map(async ([service, home]) => homePool(env, { service, home }).stats(service, version)));
  }
}
