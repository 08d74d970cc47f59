import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../seeded-random.ts";
import {
  expectSame,
  expectSound,
  FORECASTERS,
  kernelForecaster,
  randomWalk,
  seasonalLevel,
  seasonalSeries,
  type Forecaster,
} from "./forecasters.ts";

const HORIZON = 48;

describe.for(FORECASTERS)("the seasonal forecaster ($name)", ({ make }) => {
  it("never says NaN, infinity, a negative bound or an upper below a lower, whatever it was told", () => {
    const hostile = fc.constantFrom(NaN, Infinity, -Infinity, -1, -1e300, 0, -0, 1e-300, 1e300, Number.MAX_VALUE, 5, 1e6);
    const value = fc.oneof(hostile, fc.double(), fc.double({ min: 0, max: 1_000, noNaN: true }));
    const run = fc.record({ value, repeats: fc.integer({ min: 1, max: 120 }) });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
        const forecaster = make();
        for (const { value: told, repeats } of runs) {
          for (let index = 0; index < repeats; index += 1) forecaster.observe(told);
          expectSound(forecaster.forecast(168));
        }
      }),
      { numRuns: 60, seed: 20_261_121 },
    );
  });

  it.for([
    { name: "nothing at all", values: (): number => 0, hours: 0 },
    { name: "one value", values: (): number => 42, hours: 1 },
    { name: "zeros", values: (): number => 0, hours: 800 },
    { name: "a constant", values: (): number => 7, hours: 800 },
    { name: "a huge constant", values: (): number => 1e300, hours: 800 },
    { name: "nothing but gaps", values: (): number => NaN, hours: 800 },
    { name: "zero and 1e300 in turn", values: (hour: number): number => (hour % 2) * 1e300, hours: 800 },
    { name: "one spike of 1e300 after a month", values: (hour: number): number => (hour === 720 ? 1e300 : 10), hours: 800 },
    { name: "growth by half every hour", values: (hour: number): number => 1.5 ** hour, hours: 800 },
  ])("answers soundly after $name", ({ values, hours }) => {
    expectSound(observed(make(), values, hours).forecast(168));
  });

  it("forgets a spike: a fortnight later it is near the level again", () => {
    const forecaster = observed(make(), (hour) => (hour === 400 ? 1e6 : 100), 400 + 14 * 24);
    const [mean] = forecaster.forecast(1).mean;
    expect(mean).toBeGreaterThan(90);
    expect(mean).toBeLessThan(110);
  });

  it("says the same for the same history, however often it was asked in between", () => {
    const values = seasonalSeries(seededRandom(1), 900);
    const [quiet, asked] = [make(), make()];
    for (const [hour, value] of values.entries()) {
      quiet.observe(value);
      asked.observe(value);
      if (hour % 7 === 0) asked.forecast(1 + (hour % 168));
    }
    expectSame(asked.forecast(168), quiet.forecast(168));
  });

  it.for([0, 1.5, -1, 169, NaN, Infinity])("refuses a horizon of %s", (horizon) => {
    expect(() => make().forecast(horizon)).toThrow(RangeError);
  });

  it("begins with persistence, and after a day with the day before", () => {
    const forecaster = observed(make(), (hour) => hour, 5);
    expect(Array.from(forecaster.forecast(3).mean, Math.round)).toEqual([4, 4, 4]);
    for (let hour = 5; hour < 24; hour += 1) forecaster.observe(hour);
    expect(Array.from(forecaster.forecast(3).mean, Math.round)).toEqual([0, 1, 2]);
  });

  it.for([0, 49.9, 99.91, 100, NaN, Infinity])("refuses a level of %s %%", (level) => {
    expect(() => make().forecast(1, { level })).toThrow(RangeError);
  });
});

it("answers soundly after a million equal values, and with them", () => {
  const forecaster = observed(kernelForecaster(), () => 12, 1_000_000);
  const forecast = forecaster.forecast(HORIZON);
  expectSound(forecast);
  for (const mean of forecast.mean) expect(mean).toBeCloseTo(12, 6);
});

it("widens its intervals with the level, and not beyond what the level holds", () => {
  const forecaster = observed(kernelForecaster(), (hour) => seasonalLevel(hour) * (1 + 0.1 * Math.sin(hour * hour)), 900);
  const widths = [50, 60, 80, 90, 95, 99, 99.9].map((level) => {
    const { lower, upper } = forecaster.forecast(HORIZON, { level });
    return upper.reduce((sum, value, step) => sum + value - (lower[step] ?? NaN), 0);
  });
  for (const [index, width] of widths.slice(1).entries()) expect(width).toBeGreaterThan(widths[index] ?? NaN);
});

it("learns a planted daily and weekly season: at most a fifth of persistence's error, and near the noise", () => {
  const { own, persistence, noise } = backtest(seasonalSeries(seededRandom(2), 1_100));
  expect(own / persistence).toBeLessThan(0.2);
  expect(own / noise).toBeLessThan(1.25);
  expect(own / noise).toBeGreaterThan(0.75);
});

it("loses at most 1.3 × to persistence where nothing can be learned: a random walk", () => {
  const ratios = [3, 4, 5, 6].map((seed) => {
    const { own, persistence } = backtest(randomWalk(seededRandom(seed), 1_100));
    return own / persistence;
  });
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  expect(mean).toBeLessThan(1.3);
  expect(mean).toBeGreaterThan(0.8);
});

it("holds between 0.90 and 0.99 of the values in its 95 % intervals: neither too narrow nor without end", () => {
  const coverages = [7, 8, 9].map((seed) => backtest(seasonalSeries(seededRandom(seed), 1_100)).coverageRatio);
  const mean = coverages.reduce((sum, ratio) => sum + ratio, 0) / coverages.length;
  expect(mean).toBeGreaterThan(0.9);
  expect(mean).toBeLessThan(0.99);
});

function observed(forecaster: Forecaster, values: (hour: number) => number, hours: number): Forecaster {
  for (let hour = 0; hour < hours; hour += 1) forecaster.observe(values(hour));
  return forecaster;
}

/** Mean absolute log errors at every third hour's origin from 600 on; `noise` is that of the planted seasons themselves. */
function backtest(values: readonly number[]): { own: number; persistence: number; noise: number; coverageRatio: number } {
  const forecaster = kernelForecaster();
  let [own, persistence, noise, inside, count] = [0, 0, 0, 0, 0];
  for (const [origin, last] of values.entries()) {
    forecaster.observe(last);
    if (origin < 600 || origin % 3 !== 0 || origin + HORIZON >= values.length) continue;
    const { mean, lower, upper } = forecaster.forecast(HORIZON);
    for (let step = 0; step < HORIZON; step += 1) {
      const hour = origin + 1 + step;
      const value = values[hour] ?? NaN;
      own += Math.abs(Math.log(value / (mean[step] ?? NaN)));
      persistence += Math.abs(Math.log(value / last));
      noise += Math.abs(Math.log(value / seasonalLevel(hour)));
      inside += value >= (lower[step] ?? NaN) && value <= (upper[step] ?? NaN) ? 1 : 0;
      count += 1;
    }
  }
  return { own: own / count, persistence: persistence / count, noise: noise / count, coverageRatio: inside / count };
}
