import { expect, it } from "vitest";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { shardObjectName, SOCKET_ASSIGNMENT_HEADER, SOCKET_REFUSAL_HEADER } from "#shared/protocol/shard-rpc.ts";
import { LATENCY_BUCKETS_MS } from "#shared/protocol/telemetry.ts";

it("latency buckets ascend, so that a cumulative histogram can be made of them", () => {
  expect(LATENCY_BUCKETS_MS).toEqual([...new Set(LATENCY_BUCKETS_MS)].toSorted((a, b) => a - b));
});

it("objects of different services and shards have different names: neither may contain the separator", () => {
  expect(poolName("echo")).toBe("echo");
  expect(shardObjectName("echo", "0")).toBe("echo/0");
  expect(shardObjectName("echo-1", "0")).not.toBe(shardObjectName("echo", "1-0"));
});

it("internal headers carry the prefix that the edge strips from what devices send", () => {
  for (const header of [SOCKET_ASSIGNMENT_HEADER, SOCKET_REFUSAL_HEADER]) expect(header).toMatch(/^tidegate-[a-z-]+$/);
});
