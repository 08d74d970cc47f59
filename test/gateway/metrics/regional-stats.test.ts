import { describe, expect, it } from "vitest";
import { withRegions } from "#gateway/metrics/regional-stats.ts";
import type { PoolCounters, PoolStats, RegionalStats } from "#shared/protocol/pool-rpc.ts";

const countersOf = (factor: number): PoolCounters => ({
  outcomes: { "acme/gold admitted-local": 10 * factor, [`only ${factor}`]: 1 },
  edgeOutcomes: { unauthorized: factor },
  shadow: {},
  socketFaults: {},
  bytes: { "acme/gold": 100 * factor },
  serviceMs: { "acme/gold": 9 * factor },
  latency: { "acme/gold": { buckets: [factor, 2 * factor], sumMs: 5 * factor } },
  slotsReclaimed: factor,
  slotsOvershot: 0,
  staleReleases: factor,
  renewCalls: factor,
  acquireCalls: factor,
  exchangeCalls: factor,
  releaseCalls: factor,
  paceCalls: factor,
  waits: factor,
  waitMsSum: 7 * factor,
  waitMsMax: factor,
  idleWhileWaitingMs: factor,
});

const HOME = {
  service: "echo",
  endpoints: [{ endpointUrl: "https://echo.example", slotsInUse: 3 }],
  holderCount: 4,
  queueLength: 1,
  longestWaitMsNow: 20,
  counters: countersOf(1),
  flows: [{ flow: "acme/gold", slotsOut: 5, slotsInUse: 4, waiting: 1, memoryBytes: 100 }],
} as unknown as PoolStats;
const regional = (factor: number): RegionalStats => ({
  holderCount: factor,
  queueLength: factor,
  longestWaitMsNow: 10 * factor,
  counters: countersOf(factor),
  flows: [
    { flow: "acme/gold", slotsOut: 0, slotsInUse: 0, waiting: factor, memoryBytes: 10 * factor },
    { flow: `only ${factor}`, slotsOut: 0, slotsInUse: 0, waiting: factor, memoryBytes: null },
  ],
});

describe("a service's pools as one", () => {
  it("are the home pool's figures where it has no other", () => {
    expect(withRegions(HOME, [])).toEqual({ ...HOME, regions: [] });
  });

  it("have the sums of what each counted, the longest of waits, and the home pool's slots", () => {
    const together = withRegions(HOME, [
      { region: "enam", stats: regional(2) },
      { region: "apac", stats: regional(3) },
    ]);
    expect(together.endpoints).toBe(HOME.endpoints);
    expect(together).toMatchObject({ holderCount: 9, queueLength: 6, longestWaitMsNow: 30 });
    expect(together.flows).toEqual([
      { flow: "acme/gold", slotsOut: 5, slotsInUse: 4, waiting: 6, memoryBytes: 150 },
      { flow: "only 2", slotsOut: 0, slotsInUse: 0, waiting: 2, memoryBytes: null },
      { flow: "only 3", slotsOut: 0, slotsInUse: 0, waiting: 3, memoryBytes: null },
    ]);
    expect(together.counters).toMatchObject({
      outcomes: { "acme/gold admitted-local": 60, "only 1": 1, "only 2": 1, "only 3": 1 },
      edgeOutcomes: { unauthorized: 6 },
      serviceMs: { "acme/gold": 54 },
      latency: { "acme/gold": { buckets: [6, 12], sumMs: 30 } },
      waitMsSum: 42,
      waitMsMax: 3,
      renewCalls: 6,
    });
    expect(together.regions).toEqual([
      { region: "enam", requests: 21 },
      { region: "apac", requests: 31 },
    ]);
  });
});
