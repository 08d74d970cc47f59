// What a service's fleet needs of the pool's object.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { CanaryMeters } from "./canary-meters.ts";
import { FleetKeeper } from "./fleet-keeper.ts";
import { FleetStore } from "./fleet-store.ts";
import type { Pool } from "./pool.ts";
import type { PoolStore } from "./store.ts";

/** How long devices on a shard that drains have to leave by themselves. */
const MOVE_GRACE_MS = 30 * SECOND_MS;

interface FleetParts {
  readonly kernels: Kernels;
  readonly sql: SqlStorage;
  readonly store: PoolStore;
  readonly env: Pick<ObjectEnv, "SHARD">;
  /** Runs what writes, and does not return where the disk does not follow. */
  readonly write: (save: () => void) => void;
  readonly onChanged: (nowMs: number) => void;
}

export function openFleet(pool: Pool, { kernels, sql, store, env, write, onChanged }: FleetParts): FleetKeeper {
  const fleetStore = new FleetStore(sql);
  const warn = (event: string, details: Readonly<Record<string, unknown>>): void =>
    console.warn(JSON.stringify({ level: "warn", event, ...details }));
  return new FleetKeeper({
    pool,
    meters: new CanaryMeters(kernels),
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
    moveSockets: (shardId) => {
      const name = shardObjectName(pool.configuration.name, shardId);
      const moving = Promise.resolve(env.SHARD.get(env.SHARD.idFromName(name)).drain({ reason: "drain", graceMs: MOVE_GRACE_MS }));
      void moving.catch((error: unknown) => warn("drain-failed", { shardId, error: String(error).slice(0, 500) }));
    },
    onChanged,
    warn,
  });
}
