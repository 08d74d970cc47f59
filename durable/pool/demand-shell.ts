// What a service's demand needs of the pool's object.
import type { Kernels } from "#wasm/binding/kernels.ts";
import { DemandStore } from "./demand-store.ts";
import { ScaledDemand, type Demand } from "./scaled-demand.ts";
import { ServiceDemand, type DemandShell } from "./service-demand.ts";

/** `write` runs what writes, and does not return where the disk does not follow. */
export function openDemand(
  kernels: Kernels,
  { sql, speed, write }: { sql: SqlStorage; speed: number; write: (save: () => void) => void },
): Demand {
  const store = new DemandStore(sql);
  const shell: DemandShell = {
    kernels,
    loadFacts: () => store.loadFacts(),
    loadStates: () => store.loadStates(),
    save: (facts, states) => write(() => store.save(facts, states)),
    warn: (event, details) => console.warn(JSON.stringify({ level: "warn", event, ...details })),
  };
  return speed === 1 ? new ServiceDemand(shell) : new ScaledDemand(shell, speed);
}
