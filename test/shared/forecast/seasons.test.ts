import { describe, expect, it } from "vitest";
import { findPeriods } from "#shared/forecast/find-periods.ts";
import { widthRatio } from "#shared/forecast/interval-level.ts";
import { seasonGrid } from "#shared/forecast/season-grid.ts";
import { DAY_AND_WEEK, priorFreeModel } from "#shared/forecast/seasonal-model.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

const KINDS = [
  { name: "white noise", next: (random: SeededRandom) => () => Math.exp(5 + 0.1 * random.normal()) },
  {
    name: "a random walk",
    next(random: SeededRandom) {
      let log = 5;
      return () => Math.exp((log += 0.05 * random.normal()));
    },
  },
  {
    name: "a smooth random walk",
    next(random: SeededRandom) {
      let [log, change] = [5, 0];
      return () => {
        change = 0.8 * change + 0.05 * random.normal();
        log += change;
        return Math.exp(log);
      };
    },
  },
];

describe("findPeriods", () => {
  it.for(KINDS)("finds a season in at most one of fifty series of $name", ({ next }) => {
    const random = seededRandom(8);
    const found = Array.from({ length: 150 }, () => {
      const value = next(random);
      return findPeriods(Array.from({ length: 700 }, value));
    });
    expect(found.filter((periods) => periods.length > 0).length).toBeLessThanOrEqual(3);
  });

  it.for([4, 5, 7, 12, 24, 48, 52, 96, 144, 288, 1_440])("finds a season of %i in each of ten noisy series", (period) => {
    const random = seededRandom(period);
    for (let run = 0; run < 10; run += 1) {
      const phase = random.next();
      const values = Array.from({ length: 10 * period }, (_, step) =>
        Math.exp(5 + 0.4 * Math.sin(2 * Math.PI * (step / period + phase)) + 0.05 * random.normal()),
      );
      expect(findPeriods(values)).toEqual([period]);
    }
  });

  it("takes a week beside a day only where the week goes on as the day does", () => {
    const day = (hour: number): number => 1 + 0.5 * Math.sin((2 * Math.PI * hour) / 24);
    const week = (hour: number): number => (Math.floor(hour / 24) % 7 >= 5 ? 0.6 : 1);
    const noise = seededRandom(3);
    const values = Array.from({ length: 900 }, (_, hour) => 100 * day(hour) * week(hour) * Math.exp(0.05 * noise.normal()));
    expect(findPeriods(values)).toEqual([24, 168]);
    expect(findPeriods(values.slice(0, 350))).toEqual([24]);
    expect(findPeriods(values.map((value, hour) => (hour % 5 === 0 ? NaN : value)))).toEqual([24, 168]);
  });

  it.for([
    [],
    [5],
    [0, 0, 0, 0],
    Array.from({ length: 500 }, () => 7),
    Array.from({ length: 500 }, () => NaN),
    [1e15, 0, NaN, Infinity, -1],
  ])("finds none in what has none: %#", (values) => {
    expect(findPeriods(values)).toEqual([]);
  });
});

describe("seasonGrid", () => {
  it.for([
    { periods: [], seasons: { day: 1, week: 1 }, stepsPerSlot: 1 },
    { periods: [7], seasons: { day: 7, week: 7 }, stepsPerSlot: 1 },
    { periods: [24, 168], seasons: { day: 24, week: 168 }, stepsPerSlot: 1 },
    { periods: [52], seasons: { day: 1, week: 52 }, stepsPerSlot: 1 },
    { periods: [48, 336], seasons: { day: 24, week: 168 }, stepsPerSlot: 2 },
    { periods: [288, 2016], seasons: { day: 24, week: 168 }, stepsPerSlot: 12 },
    { periods: [1_440, 10_080], seasons: { day: 24, week: 168 }, stepsPerSlot: 60 },
    { periods: [288], seasons: { day: 24, week: 24 }, stepsPerSlot: 12 },
    { periods: [365], seasons: { day: 1, week: 73 }, stepsPerSlot: 5 },
    { periods: [144], seasons: { day: 1, week: 144 }, stepsPerSlot: 1 },
  ])("puts $periods on a grid of $seasons", ({ periods, seasons, stepsPerSlot }) => {
    expect(seasonGrid(periods)).toEqual({ ok: true, grid: { seasons, stepsPerSlot } });
  });

  it.for([[7, 365], [367], [24, 169]])("refuses %j", (...periods) => {
    expect(seasonGrid(periods[0] ?? []).ok).toBe(false);
  });
});

it("has the lags and priors for a day and a week that the figures were measured with", () => {
  const { lags, priors, lagMax, issueEvery } = priorFreeModel(DAY_AND_WEEK);
  expect([lagMax, issueEvery]).toEqual([192, 12]);
  expect(lags.log).toEqual([1, 2, 3, 23, 24, 25, 48, 72, 144, 167, 168, 169]);
  expect(lags.raw.join()).toBe("1,2,3,4,6,12,23,24,25,26,47,48,49,71,72,73,95,96,97,119,120,121,143,144,145,166,167,168,169,170,192");
  const [cluster] = priors.log[0]?.clusters ?? [];
  expect(cluster?.means).toEqual([0.7, 0, 0, 0, 0.25, -0.17, 0, 0, 0, 0, 0.15, -0.1, 0.25, -0.17, 0, 0, 0, 0.1, -0.08, 0]);
  expect(cluster?.root.slice(0, 12)).toEqual(lags.log.map((lag) => 1 / ([1, 23, 24, 25, 167, 168, 169].includes(lag) ? 0.2 : 0.07)));
});

it.for([
  { day: 1, week: 1 },
  { day: 7, week: 7 },
  { day: 1, week: 168 },
  { day: 24, week: 25 },
])("has no lag twice and none beyond its memory, with seasons of $day and $week", (seasons) => {
  const { lags, lagMax } = priorFreeModel(seasons);
  for (const own of [lags.log, lags.raw]) {
    expect(new Set(own).size).toBe(own.length);
    expect(Math.min(...own)).toBe(1);
    expect(Math.max(...own)).toBeLessThanOrEqual(lagMax);
  }
});

it("widens with the level, between levels of its table too, and is the validation's at 95", () => {
  const levels = Array.from({ length: 500 }, (_, index) => 50 + index / 10).filter((level) => level <= 99.9);
  const widths = levels.map(widthRatio);
  for (const [index, width] of widths.slice(1).entries()) expect(width).toBeGreaterThan(widths[index] ?? NaN);
  expect([widthRatio(50), widthRatio(95), widthRatio(99.9)]).toEqual([0.272, 1, 5.089]);
});
