// What a service's demand needs of the pool's object.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { DemandStore } from "./demand-store.ts";
import type { PlannedFleet } from "./demand-configuration.ts";
import { ScaledDemand, type Demand } from "./scaled-demand.ts";
import { ServiceDemand, type DemandShell } from "./service-demand.ts";

/** `write` runs what writes, and does not return where the disk does not follow. */
export function openDemand(
  kernels: Kernels,
  {
    env,
    sql,
    speed,
    write,
    fleet,
  }: {
    readonly env: Pick<ObjectEnv, "REGISTRY">;
    readonly sql: SqlStorage;
    readonly speed: number;
    readonly write: (save: () => void) => void;
    readonly fleet: () => PlannedFleet | null;
  },
): Demand {
  const store = new DemandStore(sql);
  const shell: DemandShell = {
    kernels,
    loadFacts: () => store.loadFacts(),
    loadStates: () => store.loadStates(),
    exchangeShares: async (message) => env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).exchangeShares(message),
    save: (facts, states) => write(() => store.save(facts, states)),
    fleet,
    warn: (event, details) => console.warn(JSON.stringify({ level: "warn", event, ...details })),
  };
  return speed === 1 ? new ServiceDemand(shell) : new ScaledDemand(shell, speed);
}
