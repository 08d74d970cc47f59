import { expect, it } from "vitest";
import { hourlySeasons } from "#shared/forecast/hourly-seasons.ts";

const HOUR_MS = 3_600_000;

it.each([
  [[24, 168], { day: 24, week: 168 }],
  [[168, 24], { day: 24, week: 168 }],
  [[24], { day: 24, week: 24 }],
  [[168], { day: 1, week: 168 }],
  [[], { day: 1, week: 1 }],
  [[8, 40], { day: 8, week: 40 }],
  [[0.5], null],
  [[24, 720], null],
  [[25, 168], null],
  [[12, 24, 168], null],
])("seasons of %j hours are %j", (hours, seasons) => {
  expect(hourlySeasons(hours.map((hour) => hour * HOUR_MS))).toEqual(seasons);
});
