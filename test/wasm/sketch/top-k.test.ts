import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopK } from "#wasm/binding/top-k.ts";
import { TopKReference } from "#wasm/reference/top-k.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";
import { truthOf, zipfStream } from "./any-stream.ts";
import { clearAll, fuzzBlobs, isSame } from "./blob-fuzz.ts";

type Options = { capacity?: number };
const IMPLEMENTATIONS = [
  { name: "kernel", make: (options?: Options) => new TopK(kernels(), options) },
  { name: "twin", make: (options?: Options) => new TopKReference(options) },
];
const COUNT_MAX = 2 ** 32 - 1;

describe.for(IMPLEMENTATIONS)("top-k, $name", ({ make }) => {
  type Table = ReturnType<typeof make>;

  function tableOf(stream: readonly string[], options?: Options): Table {
    const table = make(options);
    for (const key of stream) table.add(key);
    return table;
  }

  /** The whole promise, in both directions. */
  function expectPromise(table: Table, stream: readonly string[], capacity: number): void {
    const truth = truthOf(stream);
    const entries = new Map(table.entries().map((entry) => [entry.key, entry]));
    const bound = stream.length / capacity;
    expect(table.total).toBe(stream.length);
    expect(entries.size).toBe(Math.min(capacity, entries.size));
    expect(table.missedCountMax).toBeLessThanOrEqual(bound);
    for (const [key, count] of truth) {
      const entry = entries.get(key);
      if (entry === undefined) {
        expect(count).toBeLessThanOrEqual(table.missedCountMax);
        continue;
      }
      expect(entry.countMin).toBeLessThanOrEqual(count);
      expect(entry.count).toBeGreaterThanOrEqual(count);
      expect(entry.count - entry.countMin).toBeLessThanOrEqual(bound);
    }
    expect([...entries.values()].reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(stream.length);
  }

  it("holds count - error ≤ truth ≤ count, error ≤ N / m, and every key above N / m, after any adds and merges", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(14), { maxLength: 60 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 4, max: 8 }),
        (streams, capacity) => {
          const merged = make({ capacity });
          const all: string[] = [];
          for (const stream of streams.map((numbers) => numbers.map(String))) {
            expect(merged.merge(tableOf(stream, { capacity }) as never)).toEqual({ ok: true });
            for (const key of stream.slice(0, 5)) merged.add(key);
            all.push(...stream, ...stream.slice(0, 5));
            expectPromise(merged, all, capacity);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("is exact while there are no more keys than entries", () => {
    const stream = zipfStream({ length: 2_000, keyCount: 60, seed: 1 });
    const want = [...truthOf(stream)].map(([key, count]) => ({ key, count, countMin: count })).toSorted((a, b) => b.count - a.count);
    const entries = tableOf(stream).entries();
    expect(entries.map(({ count }) => count)).toEqual(want.map(({ count }) => count));
    expect(new Set(entries.map((entry) => JSON.stringify(entry)))).toEqual(new Set(want.map((entry) => JSON.stringify(entry))));
  });

  it("finds the eight most frequent of 5,000 keys with 64 entries", () => {
    const stream = zipfStream({ length: 30_000, keyCount: 5_000, seed: 2 });
    const table = tableOf(stream);
    expectPromise(table, stream, 64);
    const top = [...truthOf(stream)].toSorted(([, a], [, b]) => b - a).slice(0, 8);
    expect(
      table
        .entries()
        .slice(0, 8)
        .map(({ key }) => key),
    ).toEqual(top.map(([key]) => key));
  });

  it("keeps names as they are: empty, 128 bytes, a byte order mark, beyond ASCII", () => {
    const keys = ["", "k".repeat(128), "\uFEFFkey", "key", "schlüssel/😀"];
    const table = tableOf(keys);
    expect(table.entries().map(({ key }) => key)).toEqual(keys);
    expect(() => table.add("k".repeat(129))).toThrow(RangeError);
  });

  it("merges itself", () => {
    const table = tableOf(["a", "a", "b"]);
    table.merge(table as never);
    expect(table.entries()).toEqual([
      { key: "a", count: 4, countMin: 4 },
      { key: "b", count: 2, countMin: 2 },
    ]);
  });

  it("stops at 2³² - 1 instead of beginning again", () => {
    const table = make();
    table.add("a", COUNT_MAX);
    table.add("a", 5);
    expect(table.entries()).toEqual([{ key: "a", count: COUNT_MAX, countMin: COUNT_MAX }]);
    expect(table.total).toBe(COUNT_MAX + 5);
  });

  it("reads back what it wrote, byte for byte", () => {
    for (const stream of [[], ["a"], zipfStream({ length: 3_000, keyCount: 900, seed: 4 })]) {
      const blob = tableOf(stream).toBytes();
      const copy = make();
      expect(copy.mergeBytes(blob)).toEqual({ ok: true });
      expect(copy.toBytes()).toEqual(blob);
    }
  });

  it("refuses a blob with the reason, and keeps what it has", () => {
    const table = tableOf(["a"], { capacity: 4 });
    const blob = table.toBytes();
    const cases: [number[], string][] = [
      [[0x41, 5, 0, 0], "other-shape"],
      [[0x41, 4, 9, 5], "malformed"],
      [[0x41, 4, 9, 2, 1, 0, 1, 97, 1, 0, 1, 97], "inconsistent"],
      [[0x41, 4, 9, 1, 1, 2, 1, 97], "inconsistent"],
      [[0x41, 4, 1, 1, 2, 0, 1, 97], "inconsistent"],
      [[0x41, 4, 9, 1, 2, 0, 0x81, 1], "malformed"],
    ];
    for (const [bytes, reason] of cases) expect(table.mergeBytes(Uint8Array.from(bytes))).toEqual({ ok: false, reason });
    expect(table.merge(make({ capacity: 5 }) as never)).toEqual({ ok: false, reason: "other-shape" });
    expect(table.toBytes()).toEqual(blob);
  });

  it.for([Number.NaN, Infinity, -1, 0, 0.5, 1e300, 2 ** 32])("refuses to count %d", (amount) => {
    expect(() => make().add("key", amount)).toThrow(RangeError);
  });
});

describe("top-k", () => {
  it("is the same in the kernel and its twin, for any keys, amounts and merges", () => {
    const shared = kernels();
    for (const capacity of [4, 5, 64]) {
      const [kernel, part] = [new TopK(shared, { capacity }), new TopK(shared, { capacity })];
      const [twin, twinPart] = [new TopKReference({ capacity }), new TopKReference({ capacity })];
      const random = seededRandom(capacity);
      for (let run = 0; run < 4_000; run += 1) {
        const key = `k${random.below(3 * capacity)}`;
        const amount = 1 + random.below(random.below(50) === 0 ? COUNT_MAX : 9);
        for (const table of random.below(2) === 0 ? [kernel, twin] : [part, twinPart]) table.add(key, amount);
        if (random.below(100) === 0) expect(kernel.merge(part)).toEqual(twin.merge(twinPart));
        if (random.below(500) === 0) clearAll([kernel, part, twin, twinPart]);
        if (random.below(20) === 0) expect(kernel.entries()).toEqual(twin.entries());
      }
      expect(isSame(part.toBytes(), twinPart.toBytes())).toBe(true);
    }
  });

  it("is trapped by no corrupt blob, and judges it as its twin does", () => {
    const blobs = [0, 3, 20, 60].map((length) => {
      const table = new TopKReference({ capacity: 8 });
      for (const key of zipfStream({ length, keyCount: 30, seed: length })) table.add(key);
      return table.toBytes();
    });
    const options = { capacity: 8 };
    const fuzz = { kernel: new TopK(kernels(), options), twin: new TopKReference(options), blobs, runCount: 15_000, seed: 13 };
    const seen = fuzzBlobs(fuzz);
    for (const reason of ["ok", "truncated", "unknown-format", "malformed", "inconsistent", "other-shape"])
      expect(seen.get(reason)).toBeGreaterThan(50);
  });

  it("refuses a size that is none", () => {
    for (const capacity of [0, 3, 257, 4.5, Number.NaN, -4]) expect(() => new TopK(kernels(), { capacity })).toThrow(RangeError);
  });
});
