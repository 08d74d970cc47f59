// What a fleet's keeper needs of the pool's object.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { CapacityAnswer, CapacityOffer, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { CanaryMeters } from "./canary-meters.ts";
import type { FleetChanges, FleetRows } from "./fleet/fleet-state.ts";
import type { PoolShard } from "./layout.ts";
import type { Pool } from "./pool.ts";

export interface FleetSave {
  /** Of the next shard. */
  readonly nextNumber: number | null;
  readonly table: readonly PoolShard[] | null;
  /** Whose fleet it is. */
  readonly service: ServiceConfig | null;
}

export interface FleetKeeperShell {
  readonly pool: Pool;
  readonly meters: CanaryMeters;
  /** As the Worker's secret says. */
  readonly agentKeys: string | undefined;
  readonly load: () => FleetRows;
  /** One transaction; null: unchanged. Does not return where the disk does not follow. */
  readonly save: (changes: FleetChanges, beside: FleetSave) => void;
  readonly loadNextNumber: () => number;
  readonly loadService: () => ServiceConfig | null;
  /** Slots may have come or gone. */
  readonly onChanged: (nowMs: number) => void;
  readonly warn: (event: string, details: Readonly<Record<string, unknown>>) => void;
}

/** What the provider says. */
export interface Told {
  readonly offered: CapacityAnswer<readonly CapacityOffer[]>;
  readonly listed: CapacityAnswer<readonly CapacityUnit[]>;
}
