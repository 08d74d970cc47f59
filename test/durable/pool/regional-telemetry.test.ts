import { describe, expect, it } from "vitest";
import { RegionalTelemetry } from "#durable/pool/regional-telemetry.ts";
import { LATENCY_BUCKETS_MS, type FlowTelemetry, type ShardTelemetry } from "#shared/protocol/telemetry.ts";

const BUCKETS = LATENCY_BUCKETS_MS.length + 1;
const flowOf = (more: Partial<FlowTelemetry>): FlowTelemetry => ({
  flow: "acme/gold",
  arrivals: 1,
  outcomes: { "admitted-local": 1 },
  buckets: Array.from({ length: BUCKETS }, () => 1),
  sumMs: 10,
  busyMs: 20,
  ...more,
});
const shardOf = (more: Partial<ShardTelemetry>): ShardTelemetry => ({
  shardId: "echo-1",
  endpointUrl: "https://echo.example",
  requests: 3,
  failures: 1,
  latency: new Uint8Array([1, 2]),
  ...more,
});

describe("what a region's holders measured", () => {
  it("is summed per flow, with what the pool itself decided", () => {
    const telemetry = new RegionalTelemetry();
    telemetry.add({ flows: [flowOf({}), flowOf({ flow: "beta/gold" })], shards: [] });
    telemetry.add({ flows: [flowOf({ outcomes: { "upstream-failed": 2 }, bytes: 7 })], shards: [] });
    telemetry.decided("acme/gold", "expired-in-queue");
    const [acme, beta] = telemetry.take().flows;
    expect(acme).toMatchObject({ arrivals: 2, sumMs: 20, busyMs: 40, bytes: 7 });
    expect(acme?.outcomes).toEqual({ "admitted-local": 1, "upstream-failed": 2, "expired-in-queue": 1 });
    expect(acme?.buckets).toEqual(Array.from({ length: BUCKETS }, () => 2));
    expect(beta).toEqual(flowOf({ flow: "beta/gold" }));
  });

  it("is handed over once, and put back where it did not arrive", () => {
    const telemetry = new RegionalTelemetry();
    telemetry.add({ flows: [flowOf({})], shards: [shardOf({})], lanes: [laneOf(0.5)] });
    const taken = telemetry.take();
    expect(telemetry.isEmpty).toBe(true);
    telemetry.add(taken);
    expect(telemetry.take()).toEqual(taken);
  });

  it("of lanes is summed, with the load that was heard last", () => {
    const telemetry = new RegionalTelemetry();
    telemetry.add({ flows: [], shards: [], lanes: [laneOf(0.5)] });
    telemetry.add({ flows: [], shards: [], lanes: [laneOf(null), laneOf(0.7)] });
    expect(telemetry.take().lanes).toEqual([{ lane: "e", answers: 9, latencyMsSum: 30, drops: 3, utilization: 0.7 }]);
  });

  it("of more shards' reports than are told at a time loses latencies, and no count", () => {
    const telemetry = new RegionalTelemetry();
    for (let report = 0; report < 2_000; report += 1) telemetry.add({ flows: [], shards: [shardOf({ refused: 1 })] });
    const { shards } = telemetry.take();
    expect(shards).toHaveLength(1_024);
    const sumOf = (key: "requests" | "failures" | "refused"): number => shards.reduce((sum, shard) => sum + (shard[key] ?? 0), 0);
    expect([sumOf("requests"), sumOf("failures"), sumOf("refused")]).toEqual([6_000, 2_000, 2_000]);
  });

  it("of more flows than are told at a time leaves the others out", () => {
    const telemetry = new RegionalTelemetry();
    for (let flow = 0; flow < 9_000; flow += 1) telemetry.add({ flows: [flowOf({ flow: `t${flow}/gold` })], shards: [] });
    expect(telemetry.take().flows).toHaveLength(8_192);
  });
});

function laneOf(utilization: number | null) {
  return { lane: "e", answers: 3, latencyMsSum: 10, drops: 1, utilization };
}
