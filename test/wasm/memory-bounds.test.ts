// A kernel writes only between the base it was given and the size that its memory picture states.
import { expect, it } from "vitest";
import { AimdLimit, GradientLimit, VegasLimit } from "#wasm/binding/adaptive-limit.ts";
import { FineForecaster } from "#wasm/binding/forecast/fine-forecaster.ts";
import { SeasonalForecaster } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { askFor, QUANTILE_COUNT_MAX } from "#shared/forecast/minute-demand.ts";
import { priorFreeModel } from "#shared/forecast/seasonal-model.ts";
import { CountMin } from "#wasm/binding/count-min.ts";
import { HyperLogLog } from "#wasm/binding/hyper-log-log.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import { TokenBucket } from "#wasm/binding/token-bucket.ts";
import { TopK } from "#wasm/binding/top-k.ts";
import { kernels } from "../support/kernels.ts";
import { seededRandom, type SeededRandom } from "./seeded-random.ts";

const GUARD_BYTES = 4_096;
const GUARD = 0xa5;

interface Sketch {
  mergeBytes(blob: Uint8Array): unknown;
  toBytes(): Uint8Array;
}

const anyKey = (random: SeededRandom): string => "k".repeat(random.below(129)) + random.below(1_000);

/** Reads back its own bytes with one of them changed: most are refused late, some are accepted. */
function mergeDamaged(sketch: Sketch, random: SeededRandom): void {
  const blob = sketch.toBytes();
  blob[random.below(blob.length)] = random.below(256);
  sketch.mergeBytes(blob);
}

const STRUCTURES = [
  {
    name: "quantile sketch",
    make(instance: Kernels) {
      const sketch = new QuantileSketch(instance, { binCount: 64 });
      return (random: SeededRandom) => {
        for (let i = 0; i < 20; i += 1) sketch.add(2 ** (80 * random.next() - 30));
        sketch.quantile(random.next());
        mergeDamaged(sketch, random);
        if (random.below(10) === 0) sketch.clear();
      };
    },
  },
  {
    name: "count-min sketch",
    make(instance: Kernels) {
      const sketch = new CountMin(instance, { columnCount: 64 });
      return (random: SeededRandom) => {
        for (let i = 0; i < 20; i += 1) sketch.add(anyKey(random), 1 + random.below(2 ** 32 - 1));
        mergeDamaged(sketch, random);
      };
    },
  },
  {
    name: "top-k",
    make(instance: Kernels) {
      const table = new TopK(instance, { capacity: 5 });
      return (random: SeededRandom) => {
        for (let i = 0; i < 20; i += 1) table.add(anyKey(random).slice(-128), 1 + random.below(9));
        mergeDamaged(table, random);
      };
    },
  },
  {
    name: "distinct count",
    make(instance: Kernels) {
      const sketch = new HyperLogLog(instance, { precision: 8 });
      return (random: SeededRandom) => {
        for (let i = 0; i < 20; i += 1) sketch.add(anyKey(random));
        mergeDamaged(sketch, random);
      };
    },
  },
  {
    name: "token bucket",
    make(instance: Kernels) {
      const bucket = new TokenBucket(instance, { tokens: 3, periodMs: 7, burst: 9 });
      return (random: SeededRandom) => {
        bucket.take({ cost: 1 + random.below(10), nowMs: random.next() * 2 ** 43 });
        bucket.giveBack(1 + random.below(10));
      };
    },
  },
  {
    name: "seasonal forecaster",
    make(instance: Kernels) {
      const forecaster = new SeasonalForecaster(instance, priorFreeModel({ day: 6, week: 30 }));
      return (random: SeededRandom) => {
        forecaster.observe(random.below(9) === 0 ? NaN : 2 ** (60 * random.next() - 20));
        forecaster.forecast(1 + random.below(168));
        if (random.below(20) > 0) return;
        const blob = forecaster.toBytes();
        // Of a state that was damaged and signed again, nothing is promised but that it stays where it is.
        for (let at = 24; at < blob.length - 8; at += 1 + random.below(400)) blob[at] = random.below(256);
        const words = new DataView(blob.buffer);
        const bytes = instance.writeBytes(blob.subarray(0, -8));
        words.setBigInt64(blob.length - 8, instance.exports.xxh64(instance.keyOffset, bytes, 0n), true);
        if (!forecaster.restore(blob).ok) throw new Error("a signed blob was refused");
        for (let hour = 0; hour < 30; hour += 1) forecaster.observe(hour);
        if (random.below(2) === 0) forecaster.clear();
      };
    },
  },
  {
    name: "fine forecaster",
    make(instance: Kernels) {
      const forecaster = new FineForecaster(instance, { stepMs: 10_000, horizonsMs: [20_000, 60_000, 300_000] });
      let timeMs = 1.8e12;
      return (random: SeededRandom) => {
        timeMs += random.below(50) === 0 ? (random.next() - 0.5) * 1e13 : 5_000 * random.below(4);
        forecaster.observe(random.below(9) === 0 ? Number.NaN : 2 ** (60 * random.next() - 20), timeMs);
        forecaster.quantiles(random.below(1_000_000), askFor(Float64Array.from({ length: QUANTILE_COUNT_MAX }, () => random.next())));
        if (random.below(20) > 0) return;
        const blob = forecaster.toBytes();
        // Behind the shape of the first horizon; of what is damaged and signed again, nothing is promised but that it stays where it is.
        for (let at = 24 + 560; at < blob.length - 8; at += 1 + random.below(400)) blob[at] = random.below(256);
        const words = new DataView(blob.buffer);
        const { offset, bytes } = instance.arena.allocate(blob.length, "a damaged blob");
        new Uint8Array(instance.memory, offset, blob.length).set(blob);
        words.setBigInt64(blob.length - 8, instance.exports.xxh64(offset, blob.length - 8, 0n), true);
        instance.arena.release({ offset, bytes });
        forecaster.restore(blob);
        for (let bin = 0; bin < 60; bin += 1) forecaster.observe(bin, (timeMs += 10_000));
        forecaster.profile([0, 60_000, 4_000_000]);
        if (random.below(2) === 0) forecaster.clear();
      };
    },
  },
  {
    name: "adaptive limits",
    make(instance: Kernels) {
      const limits = [new GradientLimit(instance), new AimdLimit(instance), new VegasLimit(instance)];
      return (random: SeededRandom) => {
        const sample = { nowMs: random.next() * 1e12, latencyMs: 100 * random.exponential(), dropped: random.below(9) === 0 };
        for (const limit of limits) limit.observe({ ...sample, inFlight: random.below(2 * limit.limit) });
      };
    },
  },
];

it.for(STRUCTURES)("writes nowhere else: $name", ({ make }) => {
  const instance = kernels();
  const guard = (): Uint8Array => {
    const { offset, bytes } = instance.arena.allocate(GUARD_BYTES, "a guard");
    return new Uint8Array(instance.memory, offset, bytes).fill(GUARD);
  };
  const before = guard();
  const use = make(instance);
  const after = guard();
  const random = seededRandom(41);
  for (let run = 0; run < 2_000; run += 1) use(random);
  expect([...before, ...after].every((byte) => byte === GUARD)).toBe(true);
});

it("says so where the memory has no room, and gives scratch memory back", () => {
  const instance = kernels();
  expect(() => Array.from({ length: 9 }, () => new CountMin(instance))).toThrow(RangeError);
  const roomy = kernels();
  const sketch = new CountMin(roomy);
  sketch.mergeBytes(sketch.toBytes());
  const { bytesLeft } = roomy.arena;
  for (let i = 0; i < 100; i += 1) sketch.mergeBytes(sketch.toBytes());
  expect(roomy.arena.bytesLeft).toBe(bytesLeft);
});
