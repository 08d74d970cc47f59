import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { xxh64 } from "#wasm/binding/hash.ts";
import { ShardTable, type WeightedShard } from "#wasm/binding/shard-table.ts";
import { negativeLogReference, rendezvousReference } from "#wasm/reference/rendezvous.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { kernels } from "../support/kernels.ts";

/** proxygen's RendezvousHashTest uses as many. */
const KEY_COUNT = 21_000;

type Choose = (key: string) => number;

const IMPLEMENTATIONS = [
  {
    name: "kernel",
    over(shards: readonly WeightedShard[]): Choose {
      const table = new ShardTable(kernels());
      table.replace(shards);
      return (key) => table.choose(key);
    },
  },
  {
    name: "twin",
    over(shards: readonly WeightedShard[]): Choose {
      const encoder = new TextEncoder();
      const seeded = shards.map(({ shardId, weight }) => ({ seed: xxh64Reference(encoder.encode(shardId), 0n), weight }));
      return (key) => rendezvousReference(xxh64Reference(encoder.encode(key), 0n), seeded);
    },
  },
];

function shardsOf(weights: readonly number[]): WeightedShard[] {
  return weights.map((weight, index) => ({ shardId: `shard-${index}`, weight }));
}

function countChoices(choose: Choose, shardCount: number, keyCount = KEY_COUNT): number[] {
  const counts = Array.from({ length: shardCount }, () => 0);
  for (let key = 0; key < keyCount; key += 1) {
    const index = choose(`key-${key}`);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}

describe.for(IMPLEMENTATIONS)("weighted rendezvous, $name", ({ over }) => {
  it("chooses the same shard again", () => {
    const choose = over(shardsOf([1, 2, 3]));
    for (const key of ["a", "b", "c", ""]) expect(choose(key)).toBe(choose(key));
  });

  it("never chooses weight 0, and says -1 where nothing has weight", () => {
    expect(countChoices(over(shardsOf([0, 1, 0, 1])), 4, 2_000)).toEqual([0, expect.any(Number), 0, expect.any(Number)]);
    expect(over(shardsOf([0, 0, 0]))("key")).toBe(-1);
    expect(over([])("key")).toBe(-1);
  });

  it.for([
    { weights: [1, 1, 1, 1] },
    { weights: [1, 2, 3, 4] },
    { weights: [50, 50, 10, 50, 0, 25, 50] },
    { weights: Array.from({ length: 64 }, (_, i) => i % 7) },
  ])("shares keys as weights say, within 1.0 percentage point: $weights", ({ weights }) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const counts = countChoices(over(shardsOf(weights)), weights.length);
    for (const [index, weight] of weights.entries())
      expect(Math.abs((counts[index] ?? 0) / KEY_COUNT - weight / total)).toBeLessThanOrEqual(0.01);
  });

  it("moves no key when every weight doubles", () => {
    const [before, after] = [over(shardsOf([3, 5, 7])), over(shardsOf([6, 10, 14]))];
    for (let key = 0; key < 5_000; key += 1) expect(after(`key-${key}`)).toBe(before(`key-${key}`));
  });

  it("moves keys only to the shard whose weight rises, and moves some", () => {
    const [before, after] = [over(shardsOf([3, 5, 7])), over(shardsOf([3, 9, 7]))];
    let moved = 0;
    for (let key = 0; key < 5_000; key += 1) {
      if (after(`key-${key}`) === before(`key-${key}`)) continue;
      expect(after(`key-${key}`)).toBe(1);
      moved += 1;
    }
    expect(moved).toBeGreaterThan(0);
  });

  it("moves only the keys of the shard that goes, and spreads them over the others", () => {
    const [before, after] = [over(shardsOf([1, 1, 1, 1])), over(shardsOf([1, 1, 0, 1]))];
    const to = new Set<number>();
    for (let key = 0; key < 5_000; key += 1) {
      if (before(`key-${key}`) === 2) to.add(after(`key-${key}`));
      else expect(after(`key-${key}`)).toBe(before(`key-${key}`));
    }
    expect(to).toEqual(new Set([0, 1, 3]));
  });
});

describe("weighted rendezvous", () => {
  it("is the same in the kernel and its twin, for any keys and weights", () => {
    const [kernel, twin] = IMPLEMENTATIONS;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.float({ min: 0, max: 1e6, noNaN: true })), { maxLength: 70 }),
        fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 20 }),
        (weights, keys) => {
          const shards = shardsOf(weights);
          const [a, b] = [kernel?.over(shards), twin?.over(shards)];
          for (const key of keys) expect(a?.(key)).toBe(b?.(key));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is the same in the kernel and its twin where bounds decide nothing: one shard far above the others", () => {
    const [kernel, twin] = IMPLEMENTATIONS;
    for (const weights of [[1e9, 1, 1, 1], [1e18, 1e-18, 1], [2 ** 70, 2 ** -70], Array.from({ length: 33 }, (_, i) => 10 ** (i % 9))]) {
      const [a, b] = [kernel?.over(shardsOf(weights)), twin?.over(shardsOf(weights))];
      for (let key = 0; key < 1_000; key += 1) expect(a?.(`key-${key}`)).toBe(b?.(`key-${key}`));
    }
  });

  it("gives the same lot to two shards of one name, and the key to the first of them", () => {
    const [kernel, twin] = IMPLEMENTATIONS;
    const shards = ["b", "a", "a", "a", "b"].map((shardId) => ({ shardId, weight: 1 }));
    const [a, b] = [kernel?.over(shards), twin?.over(shards)];
    const seen = new Set(Array.from({ length: 200 }, (_, key) => a?.(`key-${key}`)));
    expect(seen).toEqual(new Set([0, 1]));
    for (let key = 0; key < 200; key += 1) expect(a?.(`key-${key}`)).toBe(b?.(`key-${key}`));
  });

  it("draws its exponentials within 1.5e-6 of the logarithm, in order, and never below the bound, over all 2²³ draws", () => {
    let before = 0;
    for (let v = 1; v < 2 ** 24; v += 2) {
      const log = negativeLogReference(v);
      const exact = -Math.log1p(-v / 2 ** 24) * 2 ** 24;
      if (log < v || log < before || Math.abs(log / exact - 1) > 1.5e-6) expect.unreachable(`${v}: ${log}, exactly ${exact}`);
      before = log;
    }
  });

  it("chooses what it chose before: the table is part of the protocol between versions", () => {
    const [kernel] = IMPLEMENTATIONS;
    const choose = kernel?.over(shardsOf([50, 50, 50, 50, 20]));
    expect(["acme/d-1", "acme/d-2", "globex/d-1", "initech/sensor-9", ""].map((key) => choose?.(key))).toEqual([0, 0, 1, 0, 2]);
  });

  it("refuses a weight that is none, and more shards than the table has places", () => {
    const table = new ShardTable(kernels());
    for (const weight of [-1, Number.NaN, Infinity]) expect(() => table.replace(shardsOf([weight]))).toThrow(RangeError);
    table.replace(shardsOf(Array.from({ length: 1_024 }, () => 1)));
    expect(table.choose("key")).toBeGreaterThanOrEqual(0);
    expect(() => table.replace(shardsOf(Array.from({ length: 1_025 }, () => 1)))).toThrow(RangeError);
  });

  it("hashes shard ids as XXH64 does", () => {
    expect(xxh64(kernels(), "shard-0")).toBe(xxh64Reference(new TextEncoder().encode("shard-0"), 0n));
  });
});
