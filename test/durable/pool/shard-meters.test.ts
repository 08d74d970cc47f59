import { expect, it } from "vitest";
import { ShardMeters } from "#durable/pool/shard-meters.ts";
import { LIMITS } from "#shared/limits.ts";
import { kernels } from "#test/support/kernels.ts";

it("a shard is counted however many there were before it, and one that goes on is not forgotten for them", () => {
  const meters = new ShardMeters(kernels());
  const add = (shardId: string) =>
    meters.add({ shardId, endpointUrl: "https://e.example", requests: 2, failures: 1, latency: new Uint8Array(0) });
  const count = 2 * LIMITS.shardCountMax;
  for (let number = 1; number <= count; number += 1) {
    add("stays");
    add(`gone-${number}`);
  }
  expect(meters.countsOf(`gone-${count}`)).toEqual({ requests: 2, failures: 1 });
  expect(meters.countsOf("stays")).toEqual({ requests: 2 * count, failures: count });
  expect(meters.countsOf("gone-1")).toEqual({ requests: 0, failures: 0 });
});
