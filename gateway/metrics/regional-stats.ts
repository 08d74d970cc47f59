// A service's pools as one: the home pool's stats with what the regional pools counted and have. Slots are the home pool's to tell: what a
// region has is lent by it, so nothing is counted twice.
import type { Region } from "#shared/config/regions.ts";
import type { FlowStats, PoolCounters, PoolStats, RegionalStats } from "#shared/protocol/pool-rpc.ts";

interface RegionOf {
  readonly region: Region;
  readonly stats: RegionalStats;
}

export function withRegions(home: PoolStats, regions: readonly RegionOf[]): PoolStats {
  const sum = regions.reduce<PoolStats>(
    (before, { stats: { holderCount, queueLength, longestWaitMsNow, counters, flows = [] } }) => ({
      ...before,
      holderCount: before.holderCount + holderCount,
      queueLength: before.queueLength + queueLength,
      longestWaitMsNow: Math.max(before.longestWaitMsNow, longestWaitMsNow),
      counters: sumOfCounters(before.counters, counters),
      flows: sumOfFlows(before.flows ?? [], flows),
    }),
    home,
  );
  return { ...sum, regions: regions.map(({ region, stats }) => ({ region, requests: totalOf(stats.counters.outcomes) })) };
}

function totalOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function sumOfCounters(a: PoolCounters, b: PoolCounters): PoolCounters {
  return {
    outcomes: sumOfCounts(a.outcomes, b.outcomes),
    edgeOutcomes: sumOfCounts(a.edgeOutcomes, b.edgeOutcomes),
    shadow: sumOfCounts(a.shadow, b.shadow),
    socketFaults: sumOfCounts(a.socketFaults, b.socketFaults),
    bytes: sumOfCounts(a.bytes, b.bytes),
    serviceMs: sumOfCounts(a.serviceMs ?? {}, b.serviceMs ?? {}),
    latency: sumOfLatencies(a.latency, b.latency),
    slotsReclaimed: a.slotsReclaimed + b.slotsReclaimed,
    slotsOvershot: a.slotsOvershot + b.slotsOvershot,
    staleReleases: a.staleReleases + b.staleReleases,
    renewCalls: a.renewCalls + b.renewCalls,
    acquireCalls: a.acquireCalls + b.acquireCalls,
    exchangeCalls: a.exchangeCalls + b.exchangeCalls,
    releaseCalls: a.releaseCalls + b.releaseCalls,
    paceCalls: a.paceCalls + b.paceCalls,
    waits: a.waits + b.waits,
    waitMsSum: a.waitMsSum + b.waitMsSum,
    waitMsMax: Math.max(a.waitMsMax, b.waitMsMax),
    idleWhileWaitingMs: a.idleWhileWaitingMs + b.idleWhileWaitingMs,
  };
}

function sumOfFlows(a: readonly FlowStats[], b: readonly FlowStats[]): readonly FlowStats[] {
  const sum = new Map(a.map((of) => [of.flow, of]));
  for (const of of b) {
    const known = sum.get(of.flow);
    if (known === undefined) sum.set(of.flow, of);
    else {
      const memoryBytes = known.memoryBytes === null ? of.memoryBytes : known.memoryBytes + (of.memoryBytes ?? 0);
      const [slotsOut, slotsInUse] = [known.slotsOut + of.slotsOut, known.slotsInUse + of.slotsInUse];
      sum.set(of.flow, { flow: of.flow, slotsOut, slotsInUse, waiting: known.waiting + of.waiting, memoryBytes });
    }
  }
  return [...sum.values()];
}

type Counts = Readonly<Record<string, number>>;

function sumOfCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = { ...a };
  for (const [key, count] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

function sumOfLatencies(a: PoolCounters["latency"], b: PoolCounters["latency"]): PoolCounters["latency"] {
  const sum = { ...a };
  for (const [flow, { buckets, sumMs }] of Object.entries(b)) {
    const known = sum[flow];
    sum[flow] =
      known === undefined
        ? { buckets, sumMs }
        : { buckets: known.buckets.map((count, index) => count + (buckets[index] ?? 0)), sumMs: known.sumMs + sumMs };
  }
  return sum;
}
