import { expect, it } from "vitest";
import { filesNeeded } from "#scripts/fleet/open-files.ts";

const needed = (size: Partial<Parameters<typeof filesNeeded>[0]>): Record<string, number> =>
  Object.fromEntries(
    filesNeeded({ count: 10_000, mode: "http", shardSize: 1_000, frontCount: 0, ...size }).map(({ process: name, files }) => [name, files]),
  );

it.for([
  {
    name: "two for each device and 128 for each shard where the gateway's process has the connections",
    size: {},
    want: { "the gateway's process": 21_908, "this process": 11_204 },
  },
  {
    name: "none for a device where fronts have them, and of each front one and a half of an even part",
    size: { frontCount: 2 },
    want: { "the gateway's process": 1_908, "this process": 11_204, "each of 2 fronts": 15_500 },
  },
  {
    name: "no more of a front than there are devices",
    size: { frontCount: 1 },
    want: { "the gateway's process": 1_908, "this process": 11_204, "each of 1 fronts": 20_500 },
  },
  {
    name: "one connection to the endpoint for each device in websocket mode",
    size: { mode: "websocket" as const, frontCount: 2 },
    want: { "the gateway's process": 20_500, "this process": 20_500, "each of 2 fronts": 15_500 },
  },
  {
    name: "no more to the endpoint than there are devices",
    size: { count: 100, shardSize: 10 },
    want: { "the gateway's process": 900, "this process": 700 },
  },
])("a fleet needs $name", ({ size, want }) => {
  expect(needed(size)).toEqual(want);
});
