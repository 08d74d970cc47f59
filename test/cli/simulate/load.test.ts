import { expect, it } from "vitest";
import { loadOf } from "#cli/simulate/load.ts";
import { percentile, sliceSeries, type Series } from "#cli/simulate/series.ts";

const series = (stepMs: number, values: readonly number[]): Series => ({
  atMs: Float64Array.from(values, (_, index) => index * stepMs),
  values: Float64Array.from(values),
});
const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

it("draws straight lines between the rows", () => {
  const load = loadOf(series(4_000, [0, 10, 30]), { kind: "lin", shardLoad: 10, seed: 1 });
  expect([...load]).toEqual([0, 0.5, 1, 2, 3]);
});

it("is the same for the same seed, and another for another", () => {
  const hours = series(3_600_000, [100, 120, 90, 130, 80, 100, 120, 90]);
  const options = { kind: "noise", shardLoad: 5, seed: 3 } as const;
  expect(loadOf(hours, options)).toEqual(loadOf(hours, options));
  expect(loadOf(hours, { ...options, seed: 4 })).not.toEqual(loadOf(hours, options));
});

it("adds the noise of occupancy: variance as the mean, in slots, forgotten within 30 seconds", () => {
  const load = loadOf(
    series(
      60_000,
      Array.from({ length: 3_000 }, () => 400),
    ),
    { kind: "noise", shardLoad: 20, seed: 5 },
  );
  const slots = Array.from(load, (value) => value * 50);
  const average = mean(slots);
  const deviations = slots.map((value) => value - average);
  const variance = mean(deviations.map((value) => value ** 2));
  const lagged = mean(deviations.slice(15).map((value, index) => value * (deviations[index] ?? 0)));
  // 90,000 samples of correlation time 15: some 3,000 independent ones.
  expect(Math.abs(average - 1_000)).toBeLessThan(4);
  expect(Math.abs(variance / 1_000 - 1)).toBeLessThan(0.12);
  expect(Math.abs(lagged / variance - Math.exp(-1))).toBeLessThan(0.08);
});

it("keeps the rows of a coarse trace and adds detail between them only", () => {
  const values = Array.from({ length: 24 * 20 }, (_, hour) => 1_000 * (1 + 0.1 * Math.sin(hour * 1.7) + 0.1 * Math.cos(hour * hour)));
  const coarse = loadOf(series(3_600_000, values), { kind: "noise", shardLoad: 0.001, seed: 2 });
  const straight = loadOf(series(3_600_000, values), { kind: "lin", shardLoad: 0.001, seed: 2 });
  const difference = (tick: number): number => Math.abs(Math.log((coarse[tick] ?? 0) / (straight[tick] ?? 1)));
  const atRows = mean(values.map((_, row) => difference(row * 1_800)).slice(0, -1));
  const between = mean(values.map((_, row) => difference(row * 1_800 + 900)).slice(0, -1));
  expect(atRows).toBeLessThan(0.001);
  expect(between).toBeGreaterThan(20 * atRows);
});

it("draws a line across a gap", () => {
  const gap: Series = {
    atMs: Float64Array.from([0, 300_000, 600_000, 900_000, 9_000_000, 9_300_000, 9_600_000]),
    values: Float64Array.from([1e9, 2e9, 1e9, 3e9, 3e9, 1e9, 2e9]),
  };
  const load = loadOf(gap, { kind: "noise", shardLoad: 1e3, seed: 1 });
  const inside = load.slice(500, 4_400);
  expect(Math.max(...inside.map((value) => Math.abs(value / 3e6 - 1)))).toBeLessThan(0.01);
});

it("slices by time and ranks by nearest", () => {
  const ten = series(1_000, [9, 1, 8, 2, 7, 3, 6, 4, 5, 10]);
  expect([...sliceSeries(ten, { fromMs: 2_000, toMs: 5_000 }).values]).toEqual([8, 2, 7]);
  expect([0, 0.5, 0.95, 1].map((share) => percentile(ten.values, share))).toEqual([1, 5, 10, 10]);
});
