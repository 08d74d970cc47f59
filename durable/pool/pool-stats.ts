// A pool as it is watched: what /metrics and the operator's pages are made of.
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import type { Counters } from "./counters.ts";
import type { FleetKeeper } from "./fleet-keeper.ts";
import { flowStatsOf } from "./flow-stats.ts";
import type { Pool } from "./pool.ts";
import { capacityOf } from "./pool-configuration.ts";
import type { Demand } from "./scaled-demand.ts";
import type { ShardMeters } from "./shard-meters.ts";

interface PoolParts {
  readonly pool: Pool;
  readonly meters: ShardMeters;
  readonly counters: Counters;
  readonly demand: Demand;
  readonly fleet: FleetKeeper;
  readonly nowMs: number;
}

/** What the shards may use where nothing adapts. */
const FIXED = { slotsMaxOf: () => Infinity };

export function poolStatsOf(service: string, { pool, meters, counters, demand, fleet, nowMs }: PoolParts): PoolStats {
  const { ledger, shards } = pool;
  const { lanes, queueLength, longestWaitMsNow } = pool.view(nowMs);
  const { lanes: configured } = capacityOf(pool.configuration, shards, FIXED);
  const counted = counters.snapshot();
  return {
    service,
    endpoints: [...configured].map(([endpointUrl, capacity]) => ({
      endpointUrl,
      capacity,
      limit: lanes.get(endpointUrl) ?? 0,
      utilization: pool.adaptive.utilizationOf(endpointUrl),
      slotsOut: ledger.slotsOfLane(endpointUrl),
      slotsInUse: ledger.flows.lanes.runningOf(endpointUrl) - pool.regions.lent.idleIn(endpointUrl),
      latencyMs: meters.latencyOf(endpointUrl),
    })),
    shards: shards.map((shard) => ({ ...shard, ...meters.countsOf(shard.shardId) })),
    holderCount: ledger.counts.holders,
    queueLength,
    longestWaitMsNow,
    counters: counted,
    flows: flowStatsOf(pool, counted),
    demand: demand.stats(nowMs),
    fleet: fleet.stats(nowMs),
  };
}
