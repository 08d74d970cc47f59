// What each flow of a pool has now, for those who watch. Pure. No more flows than the configuration has tenants and classes: a token of no tenant
// reaches no pool.
import { queueKey } from "#durable/lease/sources.ts";
import { flowOfBytes } from "#shared/lease/byte-flow.ts";
import type { FlowStats, PoolCounters } from "#shared/protocol/pool-rpc.ts";
import { memoryBytesOf } from "./flow-quotas.ts";
import type { Pool } from "./pool.ts";

export function flowStatsOf(
  { ledger, configuration, regions, gate }: Pick<Pool, "ledger" | "configuration" | "regions" | "gate">,
  { latency, outcomes }: Pick<PoolCounters, "latency" | "outcomes">,
): readonly FlowStats[] {
  const { totals } = ledger.flows;
  const decided = Object.keys(outcomes).map((key) => key.slice(0, key.indexOf(" ")));
  const flows = new Set([...Object.keys(latency), ...decided, ...totals.flows].filter((flow) => flowOfBytes(flow) === null));
  return [...flows].map((flow) => {
    const quota = Object.hasOwn(configuration.quotas, flow) ? configuration.quotas[flow] : undefined;
    const waiting = totals.partOf(flow, queueKey(flow))?.want ?? 0;
    // A region's slots are its home pool's to tell.
    const [slotsOut, slotsInUse] = regions.home === null ? [totals.slotsOf(flow), totals.runningOf(flow)] : [0, 0];
    const bytes = memoryBytesOf(quota, { waiting, slots: slotsOut }) + gate.socketsBytes(flow, ledger);
    return { flow, slotsOut, slotsInUse, waiting, memoryBytes: quota?.memoryBytesMax === undefined ? null : bytes };
  });
}
