// Where an object finds the others that it asks.
import type { Region } from "#shared/config/regions.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { quotaName, type QuotaRpc } from "#shared/protocol/quota-rpc.ts";
import type { ObjectEnv } from "./env.ts";

/** The tenants' quotas, by tenant. */
export function quotasOf({ QUOTA }: Pick<ObjectEnv, "QUOTA">): (tenant: string) => Pick<QuotaRpc, "renew"> {
  return (tenant) => QUOTA.get(QUOTA.idFromName(quotaName(tenant)));
}

/** The services' home pools, by service. */
export function homesOf({ POOL }: Pick<ObjectEnv, "POOL">) {
  return (service: string, locationHint: Region | undefined) =>
    POOL.get(POOL.idFromName(poolName(service)), locationHint && { locationHint });
}
