import type { TenantQuota } from "#durable/quota/quota-object.ts";
import type { Registry } from "#durable/registry/registry-object.ts";
import type { RegionalPool } from "#durable/pool/regional-pool-object.ts";
import type { ServicePool } from "#durable/pool/pool-object.ts";
import type { Shard } from "#durable/shard/shard-object.ts";

declare global {
  namespace Cloudflare {
    interface Env {
      readonly POOL: DurableObjectNamespace<ServicePool>;
      readonly REGIONAL_POOL: DurableObjectNamespace<RegionalPool>;
      readonly QUOTA: DurableObjectNamespace<TenantQuota>;
      readonly SHARD: DurableObjectNamespace<Shard>;
      readonly REGISTRY: DurableObjectNamespace<Registry>;
      readonly GATEWAY_NAME: string;
    }
  }
}
