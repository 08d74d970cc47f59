// What a Durable Object finds in its environment. Objects meet by RPC: each knows the others by contract only.
import type { PoolRpc, RegionalPoolRpc } from "#shared/protocol/pool-rpc.ts";
import type { QuotaRpc } from "#shared/protocol/quota-rpc.ts";
import type { RegistryRpc } from "#shared/protocol/registry-rpc.ts";
import type { ShardRpc } from "#shared/protocol/shard-rpc.ts";

export interface ObjectEnv {
  readonly POOL: DurableObjectNamespace<PoolRpc & Rpc.DurableObjectBranded>;
  readonly REGIONAL_POOL: DurableObjectNamespace<RegionalPoolRpc & Rpc.DurableObjectBranded>;
  readonly QUOTA: DurableObjectNamespace<QuotaRpc & Rpc.DurableObjectBranded>;
  readonly SHARD: DurableObjectNamespace<ShardRpc & Rpc.DurableObjectBranded>;
  readonly REGISTRY: DurableObjectNamespace<RegistryRpc & Rpc.DurableObjectBranded>;
  /** What the capacity agents' keys are: shared/config/agent-keys.ts. Absent: none is asked. */
  readonly CAPACITY_AGENT_KEYS?: string;
  /** For development: shared/demand-clock.ts. Counts only where IS_LOOPBACK is "true". */
  readonly DEMAND_SPEED?: string;
  /** For tests: how often a Shard object asks what holds, in milliseconds. Counts only where IS_LOOPBACK is "true". */
  readonly LIMITS_ASK_MS?: string;
  readonly IS_LOOPBACK?: string;
  /** Another one after each deployment, or start of the process here: whatever ran before has ended with its sockets. */
  readonly VERSION?: { readonly id: string };
}
