import { describe, expect, it } from "vitest";
import { HyperLogLog } from "#wasm/binding/hyper-log-log.ts";
import { HyperLogLogReference } from "#wasm/reference/hyper-log-log.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";
import { clearAll, fuzzBlobs, isSame } from "./blob-fuzz.ts";

type Options = { precision?: number };
const IMPLEMENTATIONS = [
  { name: "kernel", make: (options?: Options) => new HyperLogLog(kernels(), options) },
  { name: "twin", make: (options?: Options) => new HyperLogLogReference(options) },
];

interface Countable {
  add(key: string): void;
  readonly estimate: number;
  clear(): void;
}

/** Root mean square of the relative error over `runCount` streams of `keyCount` keys that no other stream has. */
function measureError(sketch: Countable, { runCount, keyCount }: { runCount: number; keyCount: number }): number {
  let sum = 0;
  for (let run = 0; run < runCount; run += 1) {
    sketch.clear();
    for (let key = 0; key < keyCount; key += 1) sketch.add(`${run}/${key}`);
    sum += (sketch.estimate / keyCount - 1) ** 2;
  }
  return Math.sqrt(sum / runCount);
}

describe.for(IMPLEMENTATIONS)("distinct count, $name", ({ make }) => {
  function countOf(keyCount: number, options?: Options, from = 0): ReturnType<typeof make> {
    const sketch = make(options);
    for (let key = from; key < from + keyCount; key += 1) sketch.add(`key-${key}`);
    return sketch;
  }

  it("says 0 of nothing, and is nearly exact for a few", () => {
    expect(make().estimate).toBe(0);
    for (const keyCount of [1, 2, 5, 10, 30]) expect(Math.abs(countOf(keyCount).estimate - keyCount)).toBeLessThanOrEqual(1);
  });

  it("counts a key once", () => {
    const sketch = countOf(100);
    const { estimate } = sketch;
    for (let key = 0; key < 100; key += 1) sketch.add(`key-${key}`);
    expect(sketch.estimate).toBe(estimate);
  });

  // 60 runs tell a root mean square to 9 %: a fifth is two of them, and a quarter nearly three.
  it("errs by 1.04 / √2^p, neither more nor less", () => {
    const ratio = measureError(make({ precision: 8 }), { runCount: 60, keyCount: 2_000 }) / (1.04 / 16);
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.25);
  });

  it("merges to what one sketch of both streams is", () => {
    const merged = countOf(3_000);
    expect(merged.merge(countOf(3_000, {}, 2_000) as never)).toEqual({ ok: true });
    expect(merged.toBytes()).toEqual(countOf(5_000).toBytes());
  });

  it("reads back what it wrote, byte for byte, sparse and dense", () => {
    for (const keyCount of [0, 1, 100, 250, 300, 5_000]) {
      const blob = countOf(keyCount).toBytes();
      const copy = make();
      expect(copy.mergeBytes(blob)).toEqual({ ok: true });
      expect(copy.toBytes()).toEqual(blob);
      expect(copy.estimate).toBe(countOf(keyCount).estimate);
    }
  });

  it.for([
    { keyCount: 50, bytesMax: 110 },
    { keyCount: 10_000, bytesMax: 530 },
  ])("takes at most $bytesMax bytes for $keyCount keys", ({ keyCount, bytesMax }) => {
    expect(countOf(keyCount).toBytes().length).toBeLessThanOrEqual(bytesMax);
  });

  it("refuses a blob with the reason, and keeps what it has", () => {
    const sketch = countOf(10);
    const blob = sketch.toBytes();
    const nibbles = Array.from({ length: 512 }, () => 0);
    const cases: [number[], string][] = [
      [[0x31, 9, 0, 0], "other-shape"],
      [[0x31, 10, 2, 0], "malformed"],
      [[0x31, 10, 0, 1, 0, 56], "malformed"],
      [[0x31, 10, 0, 1, 0, 0], "malformed"],
      [[0x31, 10, 0, 2, 0xff, 7, 1, 0, 1], "malformed"],
      [[0x31, 10, 0, 1, 0x80, 8, 1], "malformed"],
      [[0x31, 10, 1, 56, ...nibbles], "malformed"],
      [[0x31, 10, 1, 1, 15, ...nibbles.slice(1), 15], "malformed"],
      [[0x31, 10, 1, 1, 15, ...nibbles.slice(1)], "truncated"],
    ];
    for (const [bytes, reason] of cases) expect(sketch.mergeBytes(Uint8Array.from(bytes))).toEqual({ ok: false, reason });
    expect(sketch.toBytes()).toEqual(blob);
  });

  it("says 2⁶⁴ at most, whatever it was told", () => {
    const sketch = make();
    // Dense, smallest rank 55, every nibble 0: every register full.
    expect(sketch.mergeBytes(Uint8Array.from([0x31, 10, 1, 55, ...Array.from({ length: 512 }, () => 0)]))).toEqual({ ok: true });
    expect(sketch.estimate).toBe(2 ** 64);
  });
});

describe("distinct count", () => {
  // 200 runs tell a root mean square to 5 %.
  it.for([{ precision: 10 }, { precision: 11 }, { precision: 12 }])("errs by 1.04 / √2^p, neither more nor less: %o", ({ precision }) => {
    const measured = measureError(new HyperLogLog(kernels(), { precision }), { runCount: 200, keyCount: 4 * 2 ** precision });
    expect(measured / (1.04 / Math.sqrt(2 ** precision))).toBeGreaterThan(0.82);
    expect(measured / (1.04 / Math.sqrt(2 ** precision))).toBeLessThan(1.18);
  });

  it.for([10, 100, 700, 2_500, 5_000])("has no bias where formulas used to change: %d keys", (keyCount) => {
    const sketch = new HyperLogLog(kernels());
    let sum = 0;
    for (let run = 0; run < 150; run += 1) {
      sketch.clear();
      for (let key = 0; key < keyCount; key += 1) sketch.add(`${run}/${key}`);
      sum += sketch.estimate / keyCount - 1;
    }
    // Three standard errors of the mean of 150.
    expect(Math.abs(sum / 150)).toBeLessThan((3 * 0.0325) / Math.sqrt(150));
  });

  it("is the same in the kernel and its twin, for any keys and merges", () => {
    const shared = kernels();
    for (const precision of [8, 9, 12]) {
      const [kernel, part] = [new HyperLogLog(shared, { precision }), new HyperLogLog(shared, { precision })];
      const [twin, twinPart] = [new HyperLogLogReference({ precision }), new HyperLogLogReference({ precision })];
      const random = seededRandom(precision);
      for (let run = 0; run < 3_000; run += 1) {
        const key = `k${random.below(2 ** 30)}`;
        for (const sketch of random.below(2) === 0 ? [kernel, twin] : [part, twinPart]) sketch.add(key);
        if (random.below(100) === 0) expect(kernel.merge(part)).toEqual(twin.merge(twinPart));
        if (random.below(10) === 0) expect(kernel.estimate).toBe(twin.estimate);
        if (random.below(500) === 0) clearAll([kernel, part, twin, twinPart]);
      }
      expect(isSame(part.toBytes(), twinPart.toBytes())).toBe(true);
    }
  });

  it("is trapped by no corrupt blob, and judges it as its twin does", () => {
    const blobs = [0, 3, 40, 200, 2_000].map((keyCount) => {
      const sketch = new HyperLogLogReference({ precision: 8 });
      for (let key = 0; key < keyCount; key += 1) sketch.add(`${key}`);
      return sketch.toBytes();
    });
    const options = { precision: 8 };
    const seen = fuzzBlobs({
      kernel: new HyperLogLog(kernels(), options),
      twin: new HyperLogLogReference(options),
      blobs,
      runCount: 15_000,
      seed: 14,
    });
    for (const reason of ["ok", "truncated", "unknown-format", "malformed", "other-shape"]) expect(seen.get(reason)).toBeGreaterThan(50);
  });

  it("refuses a precision that is none, and another one", () => {
    for (const precision of [7, 13, 9.5, Number.NaN]) expect(() => new HyperLogLog(kernels(), { precision })).toThrow(RangeError);
    const [ten, eleven] = [new HyperLogLog(kernels()), new HyperLogLog(kernels(), { precision: 11 })];
    expect(ten.merge(eleven)).toEqual({ ok: false, reason: "other-shape" });
  });
});
