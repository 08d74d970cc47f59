// A pool as it is watched: what /metrics and the operator's pages are made of.
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import type { Counters } from "./counters.ts";
import type { Pool } from "./pool.ts";
import type { Demand } from "./scaled-demand.ts";
import type { ShardMeters } from "./shard-meters.ts";

interface PoolParts {
  readonly pool: Pool;
  readonly meters: ShardMeters;
  readonly counters: Counters;
  readonly demand: Demand;
  readonly nowMs: number;
}

export function poolStatsOf(service: string, { pool, meters, counters, demand, nowMs }: PoolParts): PoolStats {
  const { ledger, shards } = pool;
  const { lanes, queueLength, longestWaitMsNow } = pool.view(nowMs);
  return {
    service,
    endpoints: [...lanes].map(([endpointUrl, capacity]) => ({
      endpointUrl,
      capacity,
      slotsOut: ledger.slotsOfLane(endpointUrl),
      slotsInUse: ledger.inUseOfLane(endpointUrl),
      latencyMs: meters.latencyOf(endpointUrl),
    })),
    shards: shards.map((shard) => ({ ...shard, ...meters.countsOf(shard.shardId) })),
    holderCount: ledger.counts.holders,
    queueLength,
    longestWaitMsNow,
    counters: counters.snapshot(),
    demand: demand.stats(nowMs),
  };
}
