import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { isDistribution } from "#shared/forecast/pooled-shares.ts";
import { decodeConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { HourlyForecasterReference, type Variant } from "#wasm/reference/forecast/hourly/hourly-forecaster.ts";
import { seededRandom, type SeededRandom } from "./seeded-random.ts";

const CONSTANTS = decodeConstants(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64"));
const VARIANTS: readonly Variant[] = ["auto", "learned", "prior-free"];
const HORIZON = 48;

it("never says NaN, infinity, a negative bound or an upper below a lower, whatever it was told", () => {
  const hostile = fc.constantFrom(NaN, Infinity, -Infinity, -1, -1e300, 0, -0, 1e-300, 1e300, Number.MAX_VALUE, 5, 1e6);
  const value = fc.oneof(hostile, fc.double(), fc.double({ min: 0, max: 1_000, noNaN: true }));
  const run = fc.record({ value, repeats: fc.integer({ min: 1, max: 120 }) });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
      const forecaster = new HourlyForecasterReference(CONSTANTS);
      for (const { value: told, repeats } of runs) {
        for (let index = 0; index < repeats; index += 1) forecaster.observe(told);
        expectSound(forecaster, 168);
      }
    }),
    { numRuns: 40, seed: 20_261_121 },
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
  { name: "zeros, then 1e300", values: (hour: number): number => (hour < 400 ? 0 : 1e300), hours: 800 },
])("answers soundly after $name", ({ values, hours }) => {
  expectSound(observed(values, hours), 168);
});

it("says the same for the same history, however often it was asked in between", () => {
  const values = seasonalSeries(seededRandom(1), 900);
  const quiet = new HourlyForecasterReference(CONSTANTS);
  const asked = new HourlyForecasterReference(CONSTANTS);
  for (const [hour, value] of values.entries()) {
    quiet.observe(value);
    asked.observe(value);
    if (hour % 7 === 0) asked.forecast(1 + (hour % 168), VARIANTS[hour % 3]);
  }
  for (const variant of VARIANTS) {
    quiet.forecast(168, variant);
    asked.forecast(168, variant);
    expect([...asked.mean]).toEqual([...quiet.mean]);
    expect([...asked.lower]).toEqual([...quiet.lower]);
    expect([...asked.upper]).toEqual([...quiet.upper]);
  }
});

it("says about the first steps the same, however far it looks", () => {
  const forecaster = observed((hour) => seasonalLevel(hour), 900);
  forecaster.forecast(168);
  const far = [...forecaster.mean.slice(0, HORIZON), ...forecaster.upper.slice(0, HORIZON)];
  forecaster.forecast(HORIZON);
  expect([...forecaster.mean.slice(0, HORIZON), ...forecaster.upper.slice(0, HORIZON)]).toEqual(far);
});

it.for([0, 1.5, -1, 169, NaN, Infinity])("refuses a horizon of %s", (horizon) => {
  expect(() => new HourlyForecasterReference(CONSTANTS).forecast(horizon)).toThrow(RangeError);
});

it("begins with persistence, and after a day with the day before", () => {
  const forecaster = observed((hour) => hour, 5);
  forecaster.forecast(3);
  expect(Array.from(forecaster.mean.slice(0, 3), Math.round)).toEqual([4, 4, 4]);
  for (let hour = 5; hour < 24; hour += 1) forecaster.observe(hour);
  forecaster.forecast(3);
  expect(Array.from(forecaster.mean.slice(0, 3), Math.round)).toEqual([0, 1, 2]);
});

it.for(VARIANTS)("learns a planted daily and weekly season, near the noise: %s", (variant) => {
  const { own, persistence, noise, coverageRatio } = backtest(seasonalSeries(seededRandom(2), 1_100), variant);
  expect(own / persistence).toBeLessThan(0.2);
  expect(own / noise).toBeLessThan(1.25);
  expect(own / noise).toBeGreaterThan(0.75);
  expect(coverageRatio).toBeGreaterThan(0.88);
  expect(coverageRatio).toBeLessThan(0.995);
});

it("yields to persistence where nothing can be learned, a random walk: auto loses less to it than the variants do", () => {
  const ratios = { auto: 0, learned: 0, "prior-free": 0 };
  const seeds = [3, 4, 5, 6];
  for (const seed of seeds)
    for (const variant of VARIANTS) {
      const { own, persistence } = backtest(randomWalk(seededRandom(seed), 1_100), variant);
      ratios[variant] += own / persistence / seeds.length;
    }
  expect(ratios.auto).toBeLessThan(1.12);
  expect(ratios.auto).toBeGreaterThan(0.9);
  expect(ratios.auto).toBeLessThan(Math.min(ratios.learned, ratios["prior-free"]));
});

it("says the last value alone after a week of losing to it", () => {
  const forecaster = new HourlyForecasterReference(CONSTANTS);
  const random = seededRandom(11);
  // Steps that last a day and a half: neither yesterday nor last week says anything.
  let level = 100;
  for (let hour = 0; hour < 900; hour += 1) {
    if (hour % 37 === 0) level = 50 + 400 * random.next();
    forecaster.observe(level);
  }
  forecaster.forecast(HORIZON);
  expect([...forecaster.choiceWeights]).toEqual([0, 0, 1, 0]);
  expect(Math.abs((forecaster.mean[20] ?? NaN) - level) / level).toBeLessThan(1e-5);
});

it("tells its weights of the clusters as its data alone say, whatever shares it believes; after a week of learning", () => {
  const forecaster = observed((hour) => seasonalLevel(hour), 500);
  const weights = forecaster.clusterWeights();
  expect(isDistribution([...(weights ?? [])])).toBe(true);
  forecaster.setShares(Array.from({ length: CONSTANTS.log.clusterCount }, () => 1 / CONSTANTS.log.clusterCount));
  expect(forecaster.clusterWeights()).toEqual(weights);
  expect(observed((hour) => seasonalLevel(hour), 359).clusterWeights()).toBeNull();
});

describe("the learned constants", () => {
  const bytes = Buffer.from(LEARNED_CONSTANTS_BASE64, "base64");

  it("take at most twelve kilobytes", () => {
    expect(bytes.length).toBeLessThan(12_000);
    expect(bytes.length).toBeGreaterThan(1_000);
  });

  it.for([
    { name: "nothing", change: () => new Uint8Array(0) },
    { name: "another format", change: (all: Uint8Array) => all.with(0, 9) },
    { name: "another order", change: (all: Uint8Array) => all.with(1, 7) },
    { name: "a byte less", change: (all: Uint8Array) => all.slice(0, -1) },
    { name: "a byte more", change: (all: Uint8Array) => Uint8Array.from([...all, 0]) },
  ])("are refused where they are $name", ({ change }) => {
    expect(() => decodeConstants(change(Uint8Array.from(bytes)))).toThrow(RangeError);
  });
});

function expectSound(forecaster: HourlyForecasterReference, horizon: number): void {
  for (const variant of VARIANTS) {
    forecaster.forecast(horizon, variant);
    for (let step = 0; step < horizon; step += 1) {
      const [mean = NaN, lower = NaN, upper = NaN] = [forecaster.mean[step], forecaster.lower[step], forecaster.upper[step]];
      const isSound = lower >= 0 && lower <= mean && mean <= upper && upper < Infinity;
      if (!isSound) expect({ variant, step, lower, mean, upper }).toBe("0 ≤ lower ≤ mean ≤ upper < ∞");
    }
  }
}

function observed(values: (hour: number) => number, hours: number): HourlyForecasterReference {
  const forecaster = new HourlyForecasterReference(CONSTANTS);
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

/** Mean absolute log errors at every eleventh hour's origin from 600 on; `noise` is that of the planted seasons themselves. */
function backtest(values: readonly number[], variant: Variant): { own: number; persistence: number; noise: number; coverageRatio: number } {
  const forecaster = new HourlyForecasterReference(CONSTANTS);
  let [own, persistence, noise, inside, count] = [0, 0, 0, 0, 0];
  for (const [origin, last] of values.entries()) {
    forecaster.observe(last);
    if (origin < 600 || origin % 11 !== 0 || origin + HORIZON >= values.length) continue;
    forecaster.forecast(HORIZON, variant);
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
