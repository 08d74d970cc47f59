import fc from "fast-check";
import { expect, it } from "vitest";
import { SeasonalForecasterReference } from "#wasm/reference/forecast/seasonal-forecaster.ts";
import { seededRandom, type SeededRandom } from "./seeded-random.ts";

const HORIZON = 48;

it("never says NaN, infinity, a negative bound or an upper below a lower, whatever it was told", () => {
  const hostile = fc.constantFrom(NaN, Infinity, -Infinity, -1, -1e300, 0, -0, 1e-300, 1e300, Number.MAX_VALUE, 5, 1e6);
  const value = fc.oneof(hostile, fc.double(), fc.double({ min: 0, max: 1_000, noNaN: true }));
  const run = fc.record({ value, repeats: fc.integer({ min: 1, max: 120 }) });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
      const forecaster = new SeasonalForecasterReference();
      for (const { value: told, repeats } of runs) {
        for (let index = 0; index < repeats; index += 1) forecaster.observe(told);
        expectSound(forecaster, 168);
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
  expectSound(observed(values, hours), 168);
});

it("answers soundly after a million equal values, and with them", () => {
  const forecaster = observed(() => 12, 1_000_000);
  expectSound(forecaster, HORIZON);
  for (const mean of forecaster.mean.slice(0, HORIZON)) expect(mean).toBeCloseTo(12, 6);
});

it("forgets a spike: a fortnight later it is near the level again", () => {
  const forecaster = observed((hour) => (hour === 400 ? 1e6 : 100), 400 + 14 * 24);
  forecaster.forecast(1);
  expect(forecaster.mean[0]).toBeGreaterThan(90);
  expect(forecaster.mean[0]).toBeLessThan(110);
});

it("says the same for the same history, however often it was asked in between", () => {
  const values = seasonalSeries(seededRandom(1), 900);
  const quiet = new SeasonalForecasterReference();
  const asked = new SeasonalForecasterReference();
  for (const [hour, value] of values.entries()) {
    quiet.observe(value);
    asked.observe(value);
    if (hour % 7 === 0) asked.forecast(1 + (hour % 168));
  }
  quiet.forecast(168);
  asked.forecast(168);
  expect([...asked.mean]).toEqual([...quiet.mean]);
  expect([...asked.lower]).toEqual([...quiet.lower]);
  expect([...asked.upper]).toEqual([...quiet.upper]);
});

it.for([0, 1.5, -1, 169, NaN, Infinity])("refuses a horizon of %s", (horizon) => {
  expect(() => new SeasonalForecasterReference().forecast(horizon)).toThrow(RangeError);
});

it("begins with persistence, and after a day with the day before", () => {
  const forecaster = observed((hour) => hour, 5);
  forecaster.forecast(3);
  expect(Array.from(forecaster.mean.slice(0, 3), Math.round)).toEqual([4, 4, 4]);
  for (let hour = 5; hour < 24; hour += 1) forecaster.observe(hour);
  forecaster.forecast(3);
  expect(Array.from(forecaster.mean.slice(0, 3), Math.round)).toEqual([0, 1, 2]);
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

function expectSound(forecaster: SeasonalForecasterReference, horizon: number): void {
  forecaster.forecast(horizon);
  for (let step = 0; step < horizon; step += 1) {
    const [mean = NaN, lower = NaN, upper = NaN] = [forecaster.mean[step], forecaster.lower[step], forecaster.upper[step]];
    const isSound = lower >= 0 && lower <= mean && mean <= upper && upper < Infinity;
    if (!isSound) expect({ step, lower, mean, upper }).toBe("0 ≤ lower ≤ mean ≤ upper < ∞");
  }
}

function observed(values: (hour: number) => number, hours: number): SeasonalForecasterReference {
  const forecaster = new SeasonalForecasterReference();
  for (let hour = 0; hour < hours; hour += 1) forecaster.observe(values(hour));
  return forecaster;
}

/** Level 1,000, a day and a quieter weekend, and lognormal noise of a tenth. */
function seasonalSeries(random: SeededRandom, hours: number): number[] {
  return Array.from({ length: hours }, (_, hour) => seasonalLevel(hour) * Math.exp(0.1 * random.normal()));
}

function seasonalLevel(hour: number): number {
  const weekend = Math.floor(hour / 24) % 7 >= 5 ? 0.6 : 1;
  return 1_000 * weekend * (1 + 0.7 * Math.sin((2 * Math.PI * hour) / 24));
}

function randomWalk(random: SeededRandom, hours: number): number[] {
  let log = Math.log(1_000);
  return Array.from({ length: hours }, () => {
    log += 0.05 * random.normal();
    return Math.exp(log);
  });
}

/** Mean absolute log errors at every third hour's origin from 600 on; `noise` is that of the planted seasons themselves. */
function backtest(values: readonly number[]): { own: number; persistence: number; noise: number; coverageRatio: number } {
  const forecaster = new SeasonalForecasterReference();
  let [own, persistence, noise, inside, count] = [0, 0, 0, 0, 0];
  for (const [origin, last] of values.entries()) {
    forecaster.observe(last);
    if (origin < 600 || origin % 3 !== 0 || origin + HORIZON >= values.length) continue;
    forecaster.forecast(HORIZON);
    for (let step = 0; step < HORIZON; step += 1) {
      const hour = origin + 1 + step;
      const value = values[hour] ?? NaN;
      own += Math.abs(Math.log(value / (forecaster.mean[step] ?? NaN)));
      persistence += Math.abs(Math.log(value / last));
      noise += Math.abs(Math.log(value / seasonalLevel(hour)));
      inside += value >= (forecaster.lower[step] ?? NaN) && value <= (forecaster.upper[step] ?? NaN) ? 1 : 0;
      count += 1;
    }
  }
  return { own: own / count, persistence: persistence / count, noise: noise / count, coverageRatio: inside / count };
}
