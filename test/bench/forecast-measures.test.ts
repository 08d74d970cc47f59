import { expect, it } from "vitest";
import { meanScores, scoresOf, seasonalError } from "#bench/forecast/measures.ts";
import { naiveForecast } from "#bench/forecast/naive.ts";

// Two days; every hour of the second is 2 above the same hour of the first.
const HISTORY = Array.from({ length: 48 }, (_, hour) => (hour < 24 ? 10 : 12));

it("scales by the history's own daily difference", () => {
  expect(seasonalError(HISTORY, 24)).toBe(2);
  expect(seasonalError([1, 4, 2, 2], 1)).toBe(5 / 3);
});

it("scores as the competition does", () => {
  const scores = scoresOf([10, 30], { mean: [10, 10], lower: [8, 8], upper: [14, 14] }, HISTORY);
  // 200 × 20 ÷ 40 on the second step; 20 ÷ 2; widths 6 and a miss of 16 on the second: (6 + 6 + 40 × 16) ÷ 2 ÷ 2.
  expect(scores).toEqual({ smape: 50, mase: 5, msis: 163, coverageRatio: 0.5 });
});

it("counts nothing forecast and nothing come as no error, and a miss below like one above", () => {
  const scores = scoresOf([0, 4], { mean: [0, 4], lower: [0, 5], upper: [0, 6] }, HISTORY);
  expect(scores).toEqual({ smape: 0, mase: 0, msis: (1 + 40) / 2 / 2, coverageRatio: 0.5 });
});

it("averages series by series", () => {
  const one = { smape: 1, mase: 2, msis: 3, coverageRatio: 0 };
  expect(meanScores([one, { smape: 3, mase: 4, msis: 5, coverageRatio: 1 }])).toEqual({ smape: 2, mase: 3, msis: 4, coverageRatio: 0.5 });
});

it("repeats the season, its interval widening with every season ahead", () => {
  const half = 1.96 * Math.sqrt((9 + 4 + 0) / 3);
  const forecast = naiveForecast([1, 4, 2, 2], { period: 1, horizon: 2 });
  expect(forecast.mean).toEqual([2, 2]);
  expect(forecast.upper[0]).toBeCloseTo(2 + half, 12);
  expect(forecast.lower[1]).toBeCloseTo(2 - half * Math.SQRT2, 12);
  expect(naiveForecast([1, 2, 3, 5], { period: 2, horizon: 3 }).mean).toEqual([3, 5, 3]);
});
