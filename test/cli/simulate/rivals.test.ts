// Worked examples, each from the rule as its maker publishes it.
import { expect, it } from "vitest";
import { Fleet } from "#cli/simulate/fleet.ts";
import { runScaler, type Scaler } from "#cli/simulate/account.ts";
import { AwsScaler, awsHourlyForecast } from "#cli/simulate/rivals/aws.ts";
import { HpaScaler, hpaRecommendation } from "#cli/simulate/rivals/hpa.ts";
import { KpaScaler } from "#cli/simulate/rivals/kpa.ts";
import { StaticScaler } from "#cli/simulate/rivals/static.ts";

const loadOf = (parts: readonly (readonly [ticks: number, value: number])[]): Float32Array =>
  Float32Array.from(parts.flatMap(([ticks, value]) => Array.from({ length: ticks }, () => value)));

/** Billed shards at every tick. */
function counts(load: Float32Array, scaler: Scaler, delayTicks: number): number[] {
  const seen: number[] = [];
  runScaler(load, scaler, { delayTicks, window: { fromTick: 0, toTick: load.length }, onTick: (_, fleet) => seen.push(fleet.count) });
  return seen;
}

it.for([
  { name: "doubles at twice the target", need: 2, count: 2, ready: 2, target: 0.5, want: 4 },
  { name: "halves at half the target", need: 1, count: 4, ready: 4, target: 0.5, want: 2 },
  { name: "rounds up", need: 2.5, count: 4, ready: 4, target: 0.5, want: 5 },
  { name: "does nothing within 10 % above", need: 2.2, count: 4, ready: 4, target: 0.5, want: 4 },
  { name: "does nothing within 10 % below", need: 1.8, count: 4, ready: 4, target: 0.5, want: 4 },
  { name: "acts just beyond 10 %", need: 2.21, count: 4, ready: 4, target: 0.5, want: 5 },
  // 50 replicas at 90 % of a target of 75 %: the example of the blog on configurable tolerance.
  { name: "follows the published example", need: 45, count: 50, ready: 50, target: 0.75, want: 60 },
  { name: "counts unready shards as idle on the way up", need: 8, count: 8, ready: 4, target: 0.7, want: 12 },
  { name: "stays where they turn the direction", need: 3, count: 8, ready: 4, target: 0.7, want: 8 },
  { name: "leaves them out on the way down", need: 1, count: 8, ready: 4, target: 0.5, want: 2 },
  { name: "stays without a ready shard", need: 5, count: 3, ready: 0, target: 0.5, want: 3 },
])("HPA $name", ({ want, ...input }, { expect: check }) => {
  check(hpaRecommendation(input)).toBe(want);
});

it("HPA goes up by the larger of 100 % and 4 in 15 seconds", () => {
  // 30 shards wanted, from one: 5, 10, 20, 30, each ready before the next decision.
  const seen = counts(loadOf([[40, 15]]), new HpaScaler(loadOf([[40, 15]]), 0.5), 1);
  expect([7, 8, 15, 23, 30].map((tick) => seen[tick])).toEqual([1, 5, 10, 20, 30]);
});

it("HPA goes down to the most that was recommended in 300 seconds", () => {
  const load = loadOf([
    [60, 5],
    [240, 1],
  ]);
  const seen = counts(load, new HpaScaler(load, 0.5), 0);
  expect(seen[59]).toBe(10);
  // The last recommendation of ten fell at 120 s, where the mean still saw the load of five.
  expect(seen.findIndex((count, tick) => tick > 60 && count < 10) * 2).toBeGreaterThanOrEqual(120 + 300);
  expect(seen.at(-1)).toBe(2);
});

it("KPA follows the mean of 60 seconds", () => {
  const load = loadOf([
    [60, 7],
    [60, 8.4],
  ]);
  const seen = counts(load, new KpaScaler(load, 0.7), 0);
  expect(seen[59]).toBe(10);
  // 15 of the window's 30 samples are new: 7.7 / .7 = 11.
  expect(seen[75]).toBe(11);
  expect(seen[90]).toBe(12);
});

it("KPA panics at twice the ready shards and does not go down for 60 seconds after", () => {
  const load = loadOf([
    [60, 7],
    [6, 30],
    [60, 1],
  ]);
  const seen = counts(load, new KpaScaler(load, 1), 0);
  expect(seen[60]).toBe(7);
  // At tick 61 one sample of 30 makes the panic mean 14.67: 15 ≥ 2 × 7.
  expect(seen[61]).toBe(15);
  expect(seen[63]).toBe(30);
  const calmed = seen.findIndex((count, tick) => tick > 66 && count < 30);
  // The only crossing is at tick 61 (at 62 it is 23 ÷ 15): panic ends with the first tick beyond sixty seconds.
  expect((calmed - 61) * 2).toBe(62);
});

it("KPA at most halves in one step", () => {
  const load = loadOf([
    [60, 64],
    [60, 0],
  ]);
  const seen = counts(load, new KpaScaler(load, 1), 0);
  expect(seen.every((count, tick) => tick === 0 || count >= Math.floor((seen[tick - 1] ?? 0) / 2))).toBe(true);
  expect(seen.at(-1)).toBe(1);
});

it("AWS tracks a target: three minutes up, fifteen down, within a band", () => {
  const load = loadOf([
    [300, 0.5],
    [300, 4],
    [900, 1.5],
    [900, 1.9],
  ]);
  const seen = counts(load, new AwsScaler(load, 0.5), 0);
  const first = (from: number, condition: (count: number) => boolean): number =>
    seen.findIndex((count, tick) => tick >= from && condition(count));
  expect(first(0, (count) => count > 1)).toBe(300 + 3 * 30);
  expect(seen[300 + 90]).toBe(8);
  expect(first(600, (count) => count < 8)).toBe(600 + 15 * 30);
  expect(seen[600 + 450]).toBe(3);
  // 1.9 / 3 is above the target: up again. 4 shards at .475 stand within the band of .45 to .5.
  expect(first(1_500, (count) => count === 4)).toBe(1_500 + 90);
  expect(seen.at(-1)).toBe(4);
});

it("AWS forecasts an hour from the same weekday, or from every day where that was not seen", () => {
  const means = Array.from({ length: 24 * 10 }, (_, hour) => (hour % 24 === 9 ? 10 + Math.floor(hour / 24) : 1));
  const nine = (day: number): number => day * 24 + 9;
  expect(awsHourlyForecast(means, { hour: nine(0), knownCount: 23 })).toBeNull();
  expect(awsHourlyForecast(means, { hour: nine(2), knownCount: 48 })).toBe(10.5);
  expect(awsHourlyForecast(means, { hour: nine(9), knownCount: 24 * 9 })).toBe(12);
});

it("AWS starts what it predicts 300 seconds before the hour, and never drains for it", () => {
  const hour = 1_800;
  const day = Array.from({ length: 24 }, (_, index) => [hour, index === 9 ? 4 : 1] as const);
  const load = loadOf([...day, ...day]);
  const seen = counts(load, new AwsScaler(load, 0.5), 0);
  const nine = (24 + 9) * hour;
  expect(seen[nine - 151]).toBe(2);
  expect(seen[nine - 150]).toBe(8);
  expect(seen[nine + hour]).toBe(8);
  expect(seen[nine + hour + 15 * 30 - 1]).toBe(8);
  expect(seen[nine + hour + 15 * 30]).toBe(2);
});

it("a static fleet is static", () => {
  const fleet = new Fleet(1, 1);
  expect(new StaticScaler(7).decide()).toBe(7);
  expect(fleet.count).toBe(1);
});
