import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import { QuantileSketchReference } from "#wasm/reference/quantile-sketch.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";
import { clearAll, fuzzBlobs, isSame } from "./blob-fuzz.ts";

const RELATIVE_ERROR = 0.01;
const QUANTILES = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];
const HOSTILE = [Number.NaN, Infinity, -Infinity, -1, -Number.MIN_VALUE, 1e300, 2 ** 50 * (1 + Number.EPSILON)];

type Options = { binCount?: number };
const IMPLEMENTATIONS = [
  { name: "kernel", make: (options?: Options) => new QuantileSketch(kernels(), options) },
  { name: "twin", make: (options?: Options) => new QuantileSketchReference(options) },
];

const DISTRIBUTIONS = [
  { name: "log-normal", draw: seededRandom(1), sample: ({ normal }: ReturnType<typeof seededRandom>) => 20 * Math.exp(normal()) },
  { name: "exponential", draw: seededRandom(2), sample: ({ exponential }: ReturnType<typeof seededRandom>) => 50 * exponential() },
  { name: "Pareto", draw: seededRandom(3), sample: ({ next }: ReturnType<typeof seededRandom>) => (1 - next()) ** (-1 / 1.2) },
  { name: "two peaks", draw: seededRandom(4), sample: ({ next }: ReturnType<typeof seededRandom>) => (next() < 0.9 ? 2 : 4_000) + next() },
];

function latencies(count: number, seed = 7): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => 30 * Math.exp(0.5 * random.normal()));
}

describe.for(IMPLEMENTATIONS)("quantile sketch, $name", ({ make }) => {
  function sketchOf(values: readonly number[], options?: Options): ReturnType<typeof make> {
    const sketch = make(options);
    for (const value of values) sketch.add(value);
    return sketch;
  }

  it("says nothing of nothing", () => {
    const { count, sum, min, max } = make();
    expect({ count, sum, min, max, median: make().quantile(0.5) }).toEqual({ count: 0, sum: 0, min: null, max: null, median: null });
  });

  it.for(DISTRIBUTIONS)("answers within 1 % of the value of that rank: $name", ({ draw, sample }) => {
    const values = Array.from({ length: 20_000 }, () => sample(draw));
    const sketch = sketchOf(values);
    const sorted = values.toSorted((a, b) => a - b);
    for (const q of QUANTILES) {
      const truth = sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN;
      expect(Math.abs((sketch.quantile(q) ?? 0) / truth - 1)).toBeLessThanOrEqual(RELATIVE_ERROR);
    }
    expect(sketch.min).toBe(sorted.at(0));
    expect(sketch.max).toBe(sorted.at(-1));
  });

  // Were the bins finer than stated, they would cover less than stated: the error comes close to 1 % somewhere.
  it("errs by more than 0.99 % somewhere, and by 1 % nowhere, over every bin of an octave", () => {
    let worst = 0;
    for (let step = 0; step < 3_500; step += 1) {
      const value = 2 ** (step / 3_500);
      const answer = sketchOf([value / 100, value, value * 100]).quantile(0.5) ?? 0;
      worst = Math.max(worst, Math.abs(answer / value - 1));
    }
    expect(worst).toBeGreaterThan(0.0099);
    expect(worst).toBeLessThanOrEqual(RELATIVE_ERROR);
  });

  it("holds its error down to max / 2^(bins / 35 - 1), and says too much below, never more than max", () => {
    const binCount = 256;
    const max = 1_000;
    const lowest = max / 2 ** (binCount / 35 - 1);
    const above = sketchOf([lowest, lowest, max], { binCount }).quantile(0.5) ?? 0;
    expect(Math.abs(above / lowest - 1)).toBeLessThanOrEqual(RELATIVE_ERROR);
    const below = sketchOf([lowest / 10, lowest / 10, max], { binCount }).quantile(0.5) ?? 0;
    expect(below).toBeGreaterThan(lowest / 10);
    expect(below).toBeLessThanOrEqual(max);
  });

  it("counts zeros and what is as good as zero", () => {
    const sketch = sketchOf([0, -0, Number.MIN_VALUE, 1e-12, 5]);
    expect([sketch.count, sketch.quantile(0.5), sketch.min, sketch.max]).toEqual([5, 0, 0, 5]);
    expect(Object.is(sketch.min, 0)).toBe(true);
  });

  it("sums exactly where f64 would not: 2⁵⁰ and a thousand thousandths", () => {
    const sketch = sketchOf([2 ** 50, ...Array.from({ length: 1_000 }, () => 1e-3)]);
    expect(sketch.sum).toBe(2 ** 50 + 1);
    expect(sketchOf(Array.from({ length: 1_000 }, () => 0.1)).sum).toBe(100);
  });

  it("has the same bins for any order and any grouping of the same values", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 2 ** 50, noNaN: true }), { maxLength: 60 }), fc.nat(60), (values, cut) => {
        const options = { binCount: 64 };
        const whole = sketchOf(values, options);
        const parts = sketchOf(values.slice(0, cut).toReversed(), options);
        expect(parts.merge(sketchOf(values.slice(cut), options) as never)).toEqual({ ok: true });
        for (const q of QUANTILES) expect(parts.quantile(q)).toBe(whole.quantile(q));
        expect([parts.count, parts.min, parts.max]).toEqual([whole.count, whole.min, whole.max]);
        expect(parts.sum).toBeCloseTo(whole.sum, 12);
        // All but the 16 bytes of the sum, which are correct in any order but need not be the same.
        expect(parts.toBytes().slice(0, -16)).toEqual(whole.toBytes().slice(0, -16));
      }),
      { numRuns: 200 },
    );
  });

  it("merges itself and other sizes", () => {
    const sketch = sketchOf(latencies(100), { binCount: 1_024 });
    expect(sketch.merge(sketch as never)).toEqual({ ok: true });
    expect(sketch.count).toBe(200);
    const small = make({ binCount: 64 });
    expect(small.mergeBytes(sketchOf([1e-6, 1, 1e6]).toBytes())).toEqual({ ok: true });
    expect([small.count, small.min, small.max]).toEqual([3, 1e-6, 1e6]);
  });

  it("reads back what it wrote, byte for byte, and changes nothing on the way", () => {
    for (const values of [[], [0], [0, 0, 3], [2 ** 50], [2 ** -30], latencies(1), latencies(5_000)]) {
      const blob = sketchOf(values).toBytes();
      const copy = make();
      expect(copy.mergeBytes(blob)).toEqual({ ok: true });
      expect(copy.toBytes()).toEqual(blob);
    }
  });

  it("takes at most 300 bytes for a second of latencies, and more than the values' spread needs", () => {
    const { length } = sketchOf(latencies(1_000)).toBytes();
    expect(length).toBeLessThanOrEqual(300);
    expect(length).toBeGreaterThan(64);
  });

  it("refuses a blob with the reason, and keeps what it has", () => {
    const sketch = sketchOf([1, 2, 3]);
    const blob = sketch.toBytes();
    const [format = 0, ...rest] = blob;
    const cases: [number[] | Uint8Array, string][] = [
      [[], "truncated"],
      [blob.slice(0, -1), "truncated"],
      [[format + 1, ...rest], "unknown-format"],
      [[...blob, 0], "malformed"],
      [[format, 0x80, 0, 0], "malformed"],
      [[format, ...Array.from({ length: 6_000 }, () => 1)], "malformed"],
      [[...blob.slice(0, -32), ...blob.slice(-24, -16), ...blob.slice(-32, -24), ...blob.slice(-16)], "inconsistent"],
    ];
    for (const [bytes, reason] of cases) expect(sketch.mergeBytes(Uint8Array.from(bytes))).toEqual({ ok: false, reason });
    expect(sketch.toBytes()).toEqual(blob);
  });

  it("stops at 2³² - 1 values and says so", () => {
    const full = make();
    // format, zero count 2³² - 1, no span, min, max, sum, lost: all zero.
    const zeros = Uint8Array.from([0x11, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, ...Array.from({ length: 32 }, () => 0)]);
    expect(full.mergeBytes(zeros)).toEqual({ ok: true });
    expect([full.count, full.add(1), full.count, full.quantile(0.5)]).toEqual([2 ** 32 - 1, false, 2 ** 32 - 1, 0]);
    expect(full.merge(sketchOf([1]) as never)).toEqual({ ok: false, reason: "too-many" });
    expect(sketchOf([1]).mergeBytes(zeros)).toEqual({ ok: false, reason: "too-many" });
  });

  it.for(HOSTILE)("refuses to add %d or to be asked for it", (value) => {
    expect(() => make().add(value)).toThrow(RangeError);
    expect(() => make().quantile(value)).toThrow(RangeError);
  });
});

describe("quantile sketch", () => {
  it("is the same in the kernel and its twin, for any values and merges", () => {
    const shared = kernels();
    for (const binCount of [64, 256, 1_024]) {
      const [kernel, part] = [new QuantileSketch(shared, { binCount }), new QuantileSketch(shared, { binCount })];
      const [twin, twinPart] = [new QuantileSketchReference({ binCount }), new QuantileSketchReference({ binCount })];
      const random = seededRandom(binCount);
      for (let run = 0; run < 6_000; run += 1) {
        if (random.below(200) === 0) clearAll([kernel, part, twin, twinPart]);
        const value = 2 ** (random.below(40) - 20 + random.next());
        if (random.below(2) === 0) expect(kernel.add(value)).toBe(twin.add(value));
        else expect(part.add(value)).toBe(twinPart.add(value));
        if (random.below(20) === 0) expect(kernel.merge(part)).toEqual(twin.merge(twinPart));
        const q = random.next();
        expect(kernel.quantile(q)).toBe(twin.quantile(q));
        expect([kernel.sum, kernel.count, kernel.min, kernel.max]).toEqual([twin.sum, twin.count, twin.min, twin.max]);
      }
      expect(isSame(kernel.toBytes(), twin.toBytes())).toBe(true);
    }
  });

  it("is trapped by no corrupt blob, and judges it as its twin does", () => {
    const blobs = [[], [0], [1, 2, 3, 1_000], [0, ...latencies(20)], latencies(300)].map((values) => {
      const sketch = new QuantileSketchReference();
      for (const value of values) sketch.add(value);
      return sketch.toBytes();
    });
    const seen = fuzzBlobs({
      kernel: new QuantileSketch(kernels(), { binCount: 64 }),
      twin: new QuantileSketchReference({ binCount: 64 }),
      blobs,
      runCount: 20_000,
      seed: 11,
    });
    for (const reason of ["ok", "truncated", "unknown-format", "malformed", "inconsistent"]) expect(seen.get(reason)).toBeGreaterThan(50);
  });

  it("refuses a size that is none, and gives its memory back", () => {
    const shared = kernels();
    for (const binCount of [0, 63, 65, 96, 2_048, Number.NaN, 64.5, -64])
      expect(() => new QuantileSketch(shared, { binCount })).toThrow(RangeError);
    new QuantileSketch(shared).release();
    const { bytesLeft } = shared.arena;
    new QuantileSketch(shared).release();
    expect(shared.arena.bytesLeft).toBe(bytesLeft);
  });
});
