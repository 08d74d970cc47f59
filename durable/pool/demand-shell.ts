// What a service's demand needs of the pool's object.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { DemandStore } from "./demand-store.ts";
import { ServiceDemand } from "./service-demand.ts";

/** `write` runs what writes, and does not return where the disk does not follow. */
export function openDemand(
  kernels: Kernels,
  { sql, env }: { readonly sql: SqlStorage; readonly env: ObjectEnv },
  write: (save: () => void) => void,
): ServiceDemand {
  const store = new DemandStore(sql);
  return new ServiceDemand({
    kernels,
    loadFacts: () => store.loadFacts(),
    loadStates: () => store.loadStates(),
    exchangeShares: async (message) => env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).exchangeShares(message),
    save: (facts, states) => write(() => store.save(facts, states)),
    warn: (event, details) => console.warn(JSON.stringify({ level: "warn", event, ...details })),
  });
}
