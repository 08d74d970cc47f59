import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { rendezvousBoundedReference, rendezvousReference, rendezvousTopKReference } from "#wasm/reference/rendezvous.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { kernels } from "../support/kernels.ts";

interface LoadedShard {
  readonly weight: number;
  readonly load: number;
}

interface Chooser {
  choose(key: string): number;
  chooseBounded(key: string, ratio: number): number;
  topK(key: string, k: number): number[];
}

const subject = kernels();
const shared = new ShardTable(subject);
const encoder = new TextEncoder();

const IMPLEMENTATIONS = [
  {
    name: "kernel",
    over(shards: readonly LoadedShard[]): Chooser {
      shared.replace(shards.map(({ weight }, index) => ({ shardId: `shard-${index}`, weight })));
      for (const [index, { load }] of shards.entries()) shared.setLoad(index, load);
      return shared;
    },
  },
  {
    name: "twin",
    over(shards: readonly LoadedShard[]): Chooser {
      const seeded = shards.map((shard, index) => ({ ...shard, seed: xxh64Reference(encoder.encode(`shard-${index}`), 0n) }));
      const hash = (key: string): bigint => xxh64Reference(encoder.encode(key), 0n);
      return {
        choose: (key) => rendezvousReference(hash(key), seeded),
        chooseBounded: (key, ratio) => rendezvousBoundedReference(hash(key), seeded, Math.min(Math.ceil(ratio * 256), 0xffff_ffff)),
        topK: (key, k) => rendezvousTopKReference(hash(key), seeded, k),
      };
    },
  },
] as const;

const anyShards = fc.array(
  fc.record({ weight: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(0)), load: fc.oneof(fc.nat(30), fc.nat(2 ** 20)) }),
  { maxLength: 40 },
);
const anyRatio = fc.oneof(fc.constantFrom(1, 1.25, 2, Infinity), fc.double({ min: 1, max: 100, noNaN: true }));

/** ⌈ratio × (loads + 1) × weight / weights⌉ in exact integers; the ratio in 256ths, as the contract says. */
function boundOf(shards: readonly LoadedShard[], index: number, ratio: number): bigint {
  const usable = shards.filter(({ weight }) => weight > 0);
  const loads = BigInt(usable.reduce((sum, { load }) => sum + load, 0));
  const weights = BigInt(usable.reduce((sum, { weight }) => sum + weight, 0));
  const above = BigInt(Math.min(Math.ceil(ratio * 256), 0xffff_ffff)) * (loads + 1n) * BigInt(shards[index]?.weight ?? 0);
  const below = 256n * weights;
  return (above + below - 1n) / below;
}

describe.for(IMPLEMENTATIONS)("rendezvous with bounded load, $name", ({ over }) => {
  it("goes to the best shard below its bound, and always finds one where one has weight", () => {
    fc.assert(
      fc.property(anyShards, fc.string({ maxLength: 20 }), anyRatio, (shards, key, ratio) => {
        const chooser = over(shards);
        const ranked = chooser.topK(key, 16);
        const chosen = chooser.chooseBounded(key, ratio);
        if (shards.every(({ weight }) => weight === 0)) {
          expect(chosen).toBe(-1);
          return;
        }
        expect(BigInt(shards[chosen]?.load ?? 0)).toBeLessThan(boundOf(shards, chosen, ratio));
        // Whatever the key prefers to its choice is full; and what is full is never the choice.
        const rank = ranked.indexOf(chosen);
        for (const index of rank === -1 ? ranked : ranked.slice(0, rank))
          expect(BigInt(shards[index]?.load ?? 0)).toBeGreaterThanOrEqual(boundOf(shards, index, ratio));
      }),
      { numRuns: 1_000 },
    );
  });

  it("chooses as without bounds where the ratio is without limit", () => {
    fc.assert(
      fc.property(anyShards, fc.string({ maxLength: 20 }), (shards, key) => {
        const light = shards.map(({ weight, load }) => ({ weight, load: load % 1_000 }));
        const chooser = over(light);
        expect(chooser.chooseBounded(key, Infinity)).toBe(chooser.choose(key));
      }),
      { numRuns: 300 },
    );
  });

  it.for([{ ratio: 1 }, { ratio: 1.25 }, { ratio: 2 }])(
    "fills no shard above ⌈$ratio × mean⌉, and moves no key without need",
    ({ ratio }) => {
      const shards = Array.from({ length: 10 }, () => ({ weight: 50, load: 0 }));
      for (let key = 0; key < 300; key += 1) {
        const chooser = over(shards);
        const [wanted, chosen] = [chooser.choose(`key-${key}`), chooser.chooseBounded(`key-${key}`, ratio)];
        const bound = Math.ceil((Math.ceil(ratio * 256) / 256) * ((key + 1) / 10));
        if (chosen !== wanted) expect(shards[wanted]?.load).toBeGreaterThanOrEqual(bound);
        const shard = shards[chosen];
        if (shard !== undefined) shard.load += 1;
        expect(Math.max(...shards.map(({ load }) => load))).toBeLessThanOrEqual(bound);
      }
    },
  );
});

describe.for(IMPLEMENTATIONS)("the best k shards, $name", ({ over }) => {
  it("are distinct, have weight, begin with the choice, and continue it: without the first, the second is chosen", () => {
    fc.assert(
      fc.property(anyShards, fc.string({ maxLength: 20 }), fc.integer({ min: 1, max: 16 }), (shards, key, k) => {
        const picks = over(shards).topK(key, k);
        expect(picks.length).toBe(Math.min(k, shards.filter(({ weight }) => weight > 0).length));
        expect(new Set(picks).size).toBe(picks.length);
        const left = shards.map((shard) => ({ ...shard }));
        for (const pick of picks) {
          expect(over(left).choose(key)).toBe(pick);
          const shard = left[pick];
          if (shard !== undefined) shard.weight = 0;
        }
      }),
      { numRuns: 300 },
    );
  });

  it("share second places by weight too, within 1.5 percentage points", () => {
    const counts = [0, 0, 0];
    const chooser = over([3, 2, 1].map((weight) => ({ weight, load: 0 })));
    for (let key = 0; key < 6_000; key += 1) {
      const second = chooser.topK(`key-${key}`, 2)[1] ?? -1;
      counts[second] = (counts[second] ?? 0) + 1;
    }
    // P(second is i) = Σ over the first j ≠ i of w_j / 6 × w_i / (6 - w_j).
    for (const [index, part] of [(2 / 6) * (3 / 4) + (1 / 6) * (3 / 5), (3 / 6) * (2 / 3) + (1 / 6) * (2 / 5)].entries())
      expect(Math.abs((counts[index] ?? 0) / 6_000 - part)).toBeLessThan(0.015);
  });
});

describe("bounded rendezvous and the best k", () => {
  it("are the same in the kernel and its twin, for any weights, loads, keys and ratios", () => {
    const weights = fc.oneof(
      fc.integer({ min: 0, max: 1_000 }),
      fc.float({ min: 0, max: 2 ** 99, noNaN: true }),
      fc.constantFrom(1e-300, 1e300),
    );
    const shards = fc.array(fc.record({ weight: weights, load: fc.oneof(fc.nat(3), fc.nat(2 ** 20)) }), { maxLength: 70 });
    fc.assert(
      fc.property(shards, fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 10 }), anyRatio, (table, keys, ratio) => {
        const [a, b] = [IMPLEMENTATIONS[0].over(table), IMPLEMENTATIONS[1].over(table)];
        for (const key of keys) {
          expect(a.chooseBounded(key, ratio)).toBe(b.chooseBounded(key, ratio));
          expect(a.topK(key, 16)).toEqual(b.topK(key, 16));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("refuse what is none: a ratio below 1, a load that is no count, more than 16 shards", () => {
    shared.replace([{ shardId: "a", weight: 1 }]);
    for (const ratio of [0.99, 0, -1, Number.NaN]) expect(() => shared.chooseBounded("key", ratio)).toThrow(RangeError);
    for (const load of [-1, 0.5, Number.NaN, Infinity, 2 ** 20 + 1]) expect(() => shared.setLoad(0, load)).toThrow(RangeError);
    for (const k of [0, 17, 1.5, Number.NaN]) expect(() => shared.topK("key", k)).toThrow(RangeError);
    expect(() => shared.choose("k".repeat(8_193))).toThrow(RangeError);
  });

  it("forget loads when the table is replaced", () => {
    shared.replace([
      { shardId: "a", weight: 1 },
      { shardId: "b", weight: 1 },
    ]);
    const wanted = shared.choose("key");
    shared.setLoad(wanted, 9);
    expect(shared.chooseBounded("key", 1)).toBe(1 - wanted);
    shared.replace([
      { shardId: "a", weight: 1 },
      { shardId: "b", weight: 1 },
    ]);
    expect(shared.chooseBounded("key", 1)).toBe(wanted);
  });
});
