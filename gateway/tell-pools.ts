import { poolName } from "#shared/protocol/pool-rpc.ts";
import type { GatewayEnv } from "./gateway-env.ts";

/** Pools asked at the same time. */
const CONCURRENCY_MAX = 32;

/**
 * Has the pools of these services follow a version at once. Requests would tell them; a service with nothing but idle sockets has
 * none, and its devices have to leave an endpoint that is not configured any more. One that does not answer learns it from the next request.
 */
export async function tellPools({ POOL }: GatewayEnv, services: readonly string[], version: number): Promise<void> {
  for (let start = 0; start < services.length; start += CONCURRENCY_MAX) {
    const told = services.slice(start, start + CONCURRENCY_MAX);
    await Promise.allSettled(told.map(async (service) => POOL.get(POOL.idFromName(poolName(service))).stats(service, version)));
  }
}
