// One series' forecasts by every variant of the hourly forecaster, at the five validation origins.
import type { LearnedConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { HourlyForecasterReference, type Variant } from "#wasm/reference/forecast/hourly/hourly-forecaster.ts";
import { scoresOf, type Scores } from "./measures.ts";

export const HORIZON = 48;
export const ORIGIN_COUNT = 5;
export const VARIANTS = ["auto", "learned", "prior-free"] as const satisfies readonly Variant[];

export interface ScoredVariant {
  readonly variant: (typeof VARIANTS)[number];
  /** 1: the last 48 points; 5: the 48 from 240 before the end. */
  readonly origin: number;
  readonly scores: Scores;
}

/** One pass: a forecast at an origin has seen nothing after it. */
export function scoreVariants(values: readonly number[], constants: LearnedConstants): ScoredVariant[] {
  const forecaster = new HourlyForecasterReference(constants);
  const scored: ScoredVariant[] = [];
  let seen = 0;
  for (let origin = ORIGIN_COUNT; origin >= 1; origin -= 1) {
    const start = values.length - origin * HORIZON;
    for (; seen < start; seen += 1) forecaster.observe(values[seen] ?? Number.NaN);
    for (const variant of VARIANTS) {
      forecaster.forecast(HORIZON, variant);
      scored.push({ variant, origin, scores: scoresOf(values.slice(start, start + HORIZON), forecaster, values.slice(0, start)) });
    }
  }
  return scored;
}
