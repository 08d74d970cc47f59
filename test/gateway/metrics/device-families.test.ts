import { expect, it } from "vitest";
import { deviceFamilies } from "#gateway/metrics/device-families.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";

it("what devices' words have come to is shown by shard, a suspect only while there is one", () => {
  const shards = [{ shardId: "echo-1", evidenceRatio: 1.5, devices: 8, worse: 8 }];
  const health = { shards, shardsDrained: 2, devicesMoved: 3, suspect: { shardId: "echo-1", sinceMs: 0 } };
  const valuesOf = (deviceHealth: PoolStats["deviceHealth"]): Record<string, number[]> => {
    const pool = { service: "echo", devices: [], deviceHealth } as unknown as PoolStats;
    const families = deviceFamilies([pool]).filter(({ name }) => !name.startsWith("tidegate_device_"));
    return Object.fromEntries(families.map(({ name, samples }) => [name, samples.map(({ value }) => value)]));
  };
  expect(valuesOf(health)).toEqual({
    tidegate_shard_evidence_ratio: [1.5],
    tidegate_shard_suspect: [1],
    tidegate_shards_unhealthy_total: [2],
    tidegate_devices_moved_total: [3],
  });
  expect(valuesOf({ ...health, suspect: null })["tidegate_shard_suspect"]).toEqual([]);
});
