// What a service's fleet needs of the pool's object.
import type { ObjectEnv } from "#durable/lib/env.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { CanaryMeters } from "./canary-meters.ts";
import { FleetKeeper } from "./fleet-keeper.ts";
import { FleetStore } from "./fleet-store.ts";
import type { Pool } from "./pool.ts";
import type { PoolStore } from "./store.ts";

interface FleetParts {
  readonly env: Pick<ObjectEnv, "CAPACITY_AGENT_KEYS">;
  readonly kernels: Kernels;
  readonly sql: SqlStorage;
  readonly store: PoolStore;
  /** Runs what writes, and does not return where the disk does not follow. */
  readonly write: (save: () => void) => void;
  readonly onChanged: (nowMs: number) => void;
}

export function openFleet(pool: Pool, { env, kernels, sql, store, write, onChanged }: FleetParts): FleetKeeper {
  const fleetStore = new FleetStore(sql);
  return new FleetKeeper({
    pool,
    meters: new CanaryMeters(kernels),
    agentKeys: env.CAPACITY_AGENT_KEYS,
    load: () => fleetStore.load(),
    loadNextNumber: () => store.loadNextNumber(),
    loadService: () => fleetStore.loadService(),
    save: (changes, { nextNumber, table, service }) =>
      write(() => {
        fleetStore.save(changes);
        if (nextNumber !== null) store.saveNextNumber(nextNumber);
        if (table !== null) store.saveTable(table, pool.routes.version);
        if (service !== null) fleetStore.saveService(service);
      }),
    onChanged,
    warn: (event, details) => console.warn(JSON.stringify({ level: "warn", event, ...details })),
  });
}
