import { quotaName, type QuotaRpc } from "#shared/protocol/quota-rpc.ts";
import type { ObjectEnv } from "./env.ts";

/** The tenants' quotas, by tenant. */
export function quotasOf({ QUOTA }: Pick<ObjectEnv, "QUOTA">): (tenant: string) => Pick<QuotaRpc, "renew"> {
  return (tenant) => QUOTA.get(QUOTA.idFromName(quotaName(tenant)));
}
