// The kernel repeats the twin's operations: the same bits, where 1e-6 is asked for.
import fc from "fast-check";
import { expect, it } from "vitest";
import { priorFreeModel, type Seasons } from "#shared/forecast/seasonal-model.ts";
import { readM4Hourly } from "#bench/forecast/m4-hourly.ts";
import { exponential, exponentialLessOne, logOnePlus } from "#wasm/reference/forecast/elementary.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  expectSame,
  expectSound,
  kernelForecaster,
  LEARNED,
  learnedReference,
  randomWalk,
  seasonalSeries,
  sliced,
  twinForecaster,
} from "./forecasters.ts";

const SEASONS: readonly Seasons[] = [
  { day: 24, week: 168 },
  { day: 12, week: 84 },
  { day: 7, week: 7 },
  { day: 1, week: 1 },
  { day: 1, week: 52 },
  { day: 4, week: 12 },
  { day: 5, week: 13 },
];

it.for(SEASONS)("says what its twin says, with seasons of $day and $week", ({ day, week }) => {
  const random = seededRandom(day * 1_000 + week);
  for (const values of [seasonalSeries(random, 700), randomWalk(random, 300), seasonalSeries(random, 500).map(Math.floor)]) {
    const [kernel, twin] = [kernelForecaster(priorFreeModel({ day, week })), twinForecaster(priorFreeModel({ day, week }))];
    for (const [hour, value] of values.entries()) {
      const told = random.below(20) === 0 ? NaN : value;
      kernel.observe(told);
      twin.observe(told);
      if (hour % 23 === 0) expectSame(kernel.forecast(1 + (hour % 168), { level: 80 }), twin.forecast(1 + (hour % 168), { level: 80 }));
    }
  }
});

it("says what its twin says with what was learned, by either variant and by both", () => {
  const random = seededRandom(77);
  for (const values of [seasonalSeries(random, 600), randomWalk(random, 600), seasonalSeries(random, 400).map((value) => value / 1_000)]) {
    const [kernel, twin] = [kernelForecaster(LEARNED), twinForecaster(LEARNED)];
    for (const [hour, value] of values.entries()) {
      const told = random.below(20) === 0 ? NaN : value;
      kernel.observe(told);
      twin.observe(told);
      const asked = hour % 3 === 2 ? { level: 90 } : { choice: hour % 3, level: 95 };
      if (hour % 23 === 0) expectSame(kernel.forecast(1 + (hour % 168), asked), twin.forecast(1 + (hour % 168), asked));
    }
  }
});

it("says what its twin says when both believe other shares, tells the same weights, and keeps the shares in its blob", () => {
  const random = seededRandom(78);
  const values = seasonalSeries(random, 500);
  const [kernel, twin, other] = [kernelForecaster(LEARNED), learnedReference(), kernelForecaster(LEARNED)];
  const shares = kernel.learnedShares.map((_, cluster) => (cluster === 2 ? 0.94 : 0.01));
  for (const [hour, value] of values.entries()) {
    if (hour === 100) for (const forecaster of [kernel, twin]) forecaster.setShares(shares);
    for (const forecaster of [kernel, twin, other]) forecaster.observe(value);
    if (hour % 23 !== 0) continue;
    twin.forecast(48);
    expectSame(kernel.forecast(48), sliced(twin, 48));
  }
  expect(kernel.clusterWeights()).toEqual([...(twin.clusterWeights() ?? [])]);
  expect(kernel.clusterWeights()).not.toEqual(kernel.learnedShares);
  const believed = kernel.forecast(48).mean.slice();
  expect(believed).not.toEqual(other.forecast(48).mean.slice());
  const restored = kernelForecaster(LEARNED);
  expect(restored.restore(kernel.toBytes())).toEqual({ ok: true });
  expect(restored.forecast(48).mean.slice()).toEqual(believed);
  restored.clear();
  expect(restored.clusterWeights()).toBeNull();
});

it.for([
  { name: "too few", shares: [1] },
  { name: "one of 0", shares: [0, 0.5, 0.5, 0, 0, 0, 0] },
  { name: "NaN", shares: [NaN, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1] },
  { name: "of another sum", shares: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5] },
])("believes no shares that are $name", ({ shares }) => {
  expect(() => kernelForecaster(LEARNED).setShares(shares)).toThrow(RangeError);
});

it("says what its twin says, whatever both were told", () => {
  const hostile = fc.constantFrom(NaN, Infinity, -Infinity, -1, -1e300, 0, -0, 1e-300, 1e300, Number.MAX_VALUE, 5, 1e6);
  const value = fc.oneof(hostile, fc.double(), fc.double({ min: 0, max: 1_000, noNaN: true }));
  const run = fc.record({ value, repeats: fc.integer({ min: 1, max: 120 }) });
  const models = [LEARNED, LEARNED, ...SEASONS.map((seasons) => priorFreeModel(seasons))];
  // By its place: a counterexample would print the whole model.
  const place = fc.nat({ max: models.length - 1 });
  fc.assert(
    fc.property(place, fc.array(run, { maxLength: 12 }), (chosen, runs) => {
      const model = models[chosen] ?? LEARNED;
      const [kernel, twin] = [kernelForecaster(model), twinForecaster(model)];
      for (const { value: told, repeats } of runs) {
        for (let index = 0; index < repeats; index += 1) {
          kernel.observe(told);
          twin.observe(told);
        }
        const said = kernel.forecast(168);
        expectSound(said);
        expectSame(said, twin.forecast(168));
      }
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});

it("says what its twin says on M4 Hourly, at every validation origin of every eighth series", async ({ skip }) => {
  const series = await readM4Hourly();
  if (series === null) return skip("M4 Hourly is absent");
  const kernel = kernelForecaster(LEARNED);
  for (const values of series.filter((_, index) => index % 8 === 0)) {
    kernel.clear();
    const twin = twinForecaster(LEARNED);
    for (const [hour, value] of values.entries()) {
      const left = values.length - hour;
      if (left % 48 === 0 && left <= 240) expectSame(kernel.forecast(48), twin.forecast(48));
      kernel.observe(value);
      twin.observe(value);
    }
  }
  expect(series).toHaveLength(414);
});

it("has a logarithm and an exponential within 6e-16 of the platform's", () => {
  const random = seededRandom(31);
  const worst = [0, 0, 0];
  const compare = (index: number, value: number, expected: number): void => {
    worst[index] = Math.max(worst[index] ?? 0, Math.abs(value - expected) / Math.abs(expected));
  };
  for (let run = 0; run < 100_000; run += 1) {
    const x = 2 ** (random.next() * 110 - 60);
    compare(0, logOnePlus(x), Math.log1p(x));
    const y = (random.next() * 2 - 1) * 2 ** (random.next() * 26 - 20);
    compare(1, exponential(y), Math.exp(y));
    compare(2, exponentialLessOne(y), Math.expm1(y));
  }
  for (const error of worst) expect(error).toBeLessThan(6e-16);
  expect([logOnePlus(0), exponentialLessOne(0), exponential(0), logOnePlus(Infinity)]).toEqual([0, 0, 1, Infinity]);
  expect([exponential(-1e9), exponential(1e9)].every((value) => value > 0 && value < Infinity)).toBe(true);
});
