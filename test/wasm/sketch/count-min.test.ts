import { describe, expect, it } from "vitest";
import { CountMin, type CountMinOptions } from "#wasm/binding/count-min.ts";
import { CountMinReference } from "#wasm/reference/count-min.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";
import { truthOf, zipfStream } from "./any-stream.ts";
import { clearAll, fuzzBlobs, isSame } from "./blob-fuzz.ts";

const IMPLEMENTATIONS = [
  { name: "kernel", make: (options?: CountMinOptions) => new CountMin(kernels(), options) },
  { name: "twin", make: (options?: CountMinOptions) => new CountMinReference(options) },
];
const COUNT_MAX = 2 ** 32 - 1;

describe.for(IMPLEMENTATIONS)("count-min sketch, $name", ({ make }) => {
  function sketchOf(stream: readonly string[], options?: CountMinOptions): ReturnType<typeof make> {
    const sketch = make(options);
    for (const key of stream) sketch.add(key);
    return sketch;
  }

  it.for([{ conservative: false }, { conservative: true }])(
    "is never below the truth, and above it by more than e × N / w for fewer than 1.8 %: %o",
    ({ conservative }) => {
      const stream = zipfStream({ length: 10_000, keyCount: 3_000, seed: 1 });
      const truth = truthOf(stream);
      const sketch = sketchOf(stream, { columnCount: 256, conservative });
      let tooHigh = 0;
      for (const [key, count] of truth) {
        expect(sketch.estimate(key)).toBeGreaterThanOrEqual(count);
        if (sketch.estimate(key) - count > (Math.E * stream.length) / 256) tooHigh += 1;
      }
      expect(tooHigh / truth.size).toBeLessThan(0.018);
      expect(sketch.total).toBe(10_000);
    },
  );

  // A sketch that never errs has more memory than it says, or is not counting.
  it("errs by about N / w where every key is as frequent: half of it at least, 1.1 of it at most", () => {
    const sketch = sketchOf(
      Array.from({ length: 5_000 }, (_, i) => `key-${i}`),
      { columnCount: 64 },
    );
    let sum = 0;
    for (let i = 0; i < 500; i += 1) sum += sketch.estimate(`absent-${i}`);
    expect(sum / 500 / (5_000 / 64)).toBeGreaterThan(0.5);
    expect(sum / 500 / (5_000 / 64)).toBeLessThan(1.1);
  });

  it("errs less when conservative: for no key more, in all less than three fifths", () => {
    const stream = zipfStream({ length: 10_000, keyCount: 3_000, seed: 2 });
    const [plain, conservative] = [sketchOf(stream, { columnCount: 256 }), sketchOf(stream, { columnCount: 256, conservative: true })];
    let [plainError, conservativeError] = [0, 0];
    for (const [key, count] of truthOf(stream)) {
      expect(conservative.estimate(key)).toBeLessThanOrEqual(plain.estimate(key));
      plainError += plain.estimate(key) - count;
      conservativeError += conservative.estimate(key) - count;
    }
    expect(conservativeError).toBeLessThan(0.6 * plainError);
  });

  it("merges to what one sketch of both streams is, and never below the truth when conservative", () => {
    const stream = zipfStream({ length: 4_000, keyCount: 1_000, seed: 3 });
    const merged = sketchOf(stream.slice(0, 1_500), { columnCount: 128 });
    expect(merged.merge(sketchOf(stream.slice(1_500), { columnCount: 128 }) as never)).toEqual({ ok: true });
    expect(merged.toBytes()).toEqual(sketchOf(stream, { columnCount: 128 }).toBytes());
    const options = { columnCount: 128, conservative: true };
    const conservative = sketchOf(stream.slice(0, 1_500), options);
    conservative.merge(sketchOf(stream.slice(1_500), options) as never);
    for (const [key, count] of truthOf(stream)) expect(conservative.estimate(key)).toBeGreaterThanOrEqual(count);
  });

  it("stops at 2³² - 1 instead of beginning again", () => {
    const sketch = make();
    expect(sketch.add("key", COUNT_MAX)).toBe(COUNT_MAX);
    expect(sketch.add("key")).toBe(COUNT_MAX);
    expect(sketch.merge(sketch as never)).toEqual({ ok: true });
    expect([sketch.estimate("key"), sketch.estimate("other"), sketch.total]).toEqual([COUNT_MAX, 0, 2 ** 33]);
  });

  it("reads back what it wrote, byte for byte", () => {
    for (const stream of [[], ["a"], zipfStream({ length: 3_000, keyCount: 900, seed: 4 })]) {
      const blob = sketchOf(stream).toBytes();
      const copy = make();
      expect(copy.mergeBytes(blob)).toEqual({ ok: true });
      expect(copy.toBytes()).toEqual(blob);
    }
  });

  it("refuses another shape, and keeps what it has", () => {
    const sketch = sketchOf(["a"]);
    const other = make({ columnCount: 64 });
    expect(sketch.merge(other as never)).toEqual({ ok: false, reason: "other-shape" });
    expect(sketch.mergeBytes(other.toBytes())).toEqual({ ok: false, reason: "other-shape" });
    expect(sketch.estimate("a")).toBe(1);
  });

  it.for([Number.NaN, Infinity, -1, 0, 0.5, 1e300, 2 ** 32])("refuses to count %d", (amount) => {
    expect(() => make().add("key", amount)).toThrow(RangeError);
  });
});

describe("count-min sketch", () => {
  it("is the same in the kernel and its twin, for any keys, amounts and merges", () => {
    const shared = kernels();
    for (const conservative of [false, true]) {
      const options = { columnCount: 64, conservative };
      const [kernel, part] = [new CountMin(shared, options), new CountMin(shared, options)];
      const [twin, twinPart] = [new CountMinReference(options), new CountMinReference(options)];
      const random = seededRandom(5);
      for (let run = 0; run < 4_000; run += 1) {
        const [key, amount] = [`k${random.below(300)}`, 1 + random.below(random.below(50) === 0 ? COUNT_MAX : 9)];
        if (random.below(2) === 0) expect(kernel.add(key, amount)).toBe(twin.add(key, amount));
        else expect(part.add(key, amount)).toBe(twinPart.add(key, amount));
        if (random.below(200) === 0) expect(kernel.merge(part)).toEqual(twin.merge(twinPart));
        if (random.below(1_000) === 0) clearAll([kernel, part, twin, twinPart]);
      }
      expect(isSame(kernel.toBytes(), twin.toBytes())).toBe(true);
    }
  });

  it("is trapped by no corrupt blob, and judges it as its twin does", () => {
    const blobs = [0, 3, 200].map((length) => {
      const sketch = new CountMinReference({ columnCount: 64 });
      for (const key of zipfStream({ length, keyCount: 50, seed: length })) sketch.add(key);
      return sketch.toBytes();
    });
    const options = { columnCount: 64 };
    const fuzz = { kernel: new CountMin(kernels(), options), twin: new CountMinReference(options), blobs, runCount: 15_000, seed: 12 };
    const seen = fuzzBlobs(fuzz);
    for (const reason of ["ok", "truncated", "unknown-format", "malformed", "inconsistent", "other-shape"])
      expect(seen.get(reason)).toBeGreaterThan(50);
  });

  it("refuses a size that is none, and a key that is too long", () => {
    for (const columnCount of [0, 63, 100, 8_192, Number.NaN]) expect(() => new CountMin(kernels(), { columnCount })).toThrow(RangeError);
    expect(() => new CountMin(kernels()).add("k".repeat(8_193))).toThrow(RangeError);
  });
});
