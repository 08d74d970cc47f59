import { expect, it } from "vitest";
import { priorFreeModel } from "#shared/forecast/seasonal-model.ts";
import { SeasonalForecaster } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";
import { expectSame, kernelForecaster, LEARNED, seasonalSeries } from "./forecasters.ts";

const VALUES = seasonalSeries(seededRandom(1), 900);

function told(count: number): SeasonalForecaster {
  const forecaster = kernelForecaster();
  for (const value of VALUES.slice(0, count)) forecaster.observe(value);
  return forecaster;
}

it.for([0, 1, 23, 24, 167, 168, 169, 192, 193, 194, 300, 611])("goes on bit for bit where it was after %i hours", (count) => {
  const [kept, restored] = [told(count), kernelForecaster()];
  expect(restored.restore(kept.toBytes())).toEqual({ ok: true });
  expect(restored.toBytes()).toEqual(kept.toBytes());
  for (const value of VALUES.slice(count, count + 60)) {
    expectSame(restored.forecast(5), copied(kept));
    kept.observe(value);
    restored.observe(value);
  }
  expect(restored.toBytes()).toEqual(kept.toBytes());
});

it.for([
  { name: "nothing", damage: () => new Uint8Array(), reason: "truncated" },
  { name: "a header", damage: (blob: Uint8Array) => blob.slice(0, 24), reason: "truncated" },
  { name: "all but its last byte", damage: (blob: Uint8Array) => blob.slice(0, -1), reason: "truncated" },
  { name: "one byte more", damage: (blob: Uint8Array) => Uint8Array.of(...blob, 0), reason: "corrupt" },
  { name: "a hundred bytes more", damage: (blob: Uint8Array) => Uint8Array.of(...blob, ...blob.slice(0, 100)), reason: "corrupt" },
  { name: "a foreign magic", damage: (blob: Uint8Array) => withByte(blob, 0, 0x50), reason: "unknown-format" },
  { name: "an older version", damage: (blob: Uint8Array) => withByte(blob, 4, 0), reason: "other-version" },
  { name: "another length", damage: (blob: Uint8Array) => withByte(blob, 17, 0), reason: "corrupt" },
  { name: "another checksum", damage: (blob: Uint8Array) => withByte(blob, blob.length - 1, (blob.at(-1) ?? 0) ^ 1), reason: "corrupt" },
])("refuses a blob with $name as $reason, and goes on as before", ({ damage, reason }) => {
  const [blob, other] = [told(400).toBytes(), told(250)];
  const before = other.toBytes();
  expect(other.restore(damage(blob))).toEqual({ ok: false, reason });
  expect(other.toBytes()).toEqual(before);
});

it("refuses what another model wrote", () => {
  const other = new SeasonalForecaster(kernels(), priorFreeModel({ day: 24, week: 168 }, 6));
  expect(other.restore(told(300).toBytes())).toEqual({ ok: false, reason: "other-model" });
});

it("refuses every blob with one bit flipped", () => {
  const [blob, forecaster] = [told(333).toBytes(), kernelForecaster()];
  const random = seededRandom(5);
  // Every bit of the header and the checksum, and one in every byte between.
  for (let at = 0; at < blob.length; at += 1) {
    const isEdge = at < 24 || at >= blob.length - 8;
    for (const bit of isEdge ? [0, 1, 2, 3, 4, 5, 6, 7] : [random.below(8)]) {
      blob[at] = (blob[at] ?? 0) ^ (1 << bit);
      expect(forecaster.restore(blob).ok).toBe(false);
      blob[at] = (blob[at] ?? 0) ^ (1 << bit);
    }
  }
  expect(forecaster.restore(blob).ok).toBe(true);
});

it("gives its memory back, and says so where there is none", () => {
  const instance = kernels();
  new SeasonalForecaster(instance).release();
  const { bytesLeft } = instance.arena;
  const forecaster = new SeasonalForecaster(instance);
  forecaster.restore(forecaster.toBytes());
  const withBlobs = instance.arena.bytesLeft;
  for (let run = 0; run < 20; run += 1) forecaster.restore(forecaster.toBytes());
  expect(instance.arena.bytesLeft).toBe(withBlobs);
  forecaster.release();
  new SeasonalForecaster(instance).release();
  expect(instance.arena.bytesLeft).toBeLessThanOrEqual(bytesLeft);
  expect(() => Array.from({ length: 9 }, () => new SeasonalForecaster(instance))).toThrow(RangeError);
});

it("takes at most 24 KiB, with learned priors too", () => {
  expect(kernelForecaster(LEARNED).bytes).toBeLessThanOrEqual(24 * 1_024);
  expect(kernelForecaster(LEARNED).bytes).toBeGreaterThan(kernelForecaster().bytes);
});

/** A forecast that a later one does not overwrite. */
function copied(forecaster: SeasonalForecaster): ReturnType<SeasonalForecaster["forecast"]> {
  const { mean, lower, upper, scale } = forecaster.forecast(5);
  return { mean: mean.slice(), lower: lower.slice(), upper: upper.slice(), scale: scale.slice() };
}

function withByte(blob: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = blob.slice();
  changed[at] = byte;
  return changed;
}
