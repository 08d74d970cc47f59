// The kernel and its twin behind one face, and series to tell them.
import { expect } from "vitest";
import { learnedModel } from "#shared/forecast/learned-model.ts";
import { DAY_AND_WEEK, priorFreeModel, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { SeasonalForecaster, type ForecastOptions, type SeasonalForecast } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { widthRatio } from "#shared/forecast/interval-level.ts";
import { decodeConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { HourlyForecasterReference, type Variant } from "#wasm/reference/forecast/hourly/hourly-forecaster.ts";
import { SeasonalForecasterReference } from "#wasm/reference/forecast/seasonal-forecaster.ts";
import { kernels } from "../../support/kernels.ts";
import type { SeededRandom } from "../seeded-random.ts";

export interface Forecaster {
  observe(value: number): void;
  forecast(horizon: number, options?: ForecastOptions): SeasonalForecast;
}

const CONSTANTS = Buffer.from(LEARNED_CONSTANTS_BASE64, "base64");
/** What was learned, beside what was not. */
export const LEARNED = learnedModel(CONSTANTS);
const VARIANTS: readonly Variant[] = ["learned", "prior-free"];
/** What was learned takes 70 KiB more. */
const MEMORY_BYTES = 384 * 1_024;

export function kernelForecaster(model?: SeasonalModel): SeasonalForecaster {
  return new SeasonalForecaster(kernels({ memoryBytes: MEMORY_BYTES }), model);
}

export function twinForecaster(model: SeasonalModel = priorFreeModel(DAY_AND_WEEK)): Forecaster {
  if (model === LEARNED) return learnedTwin();
  const twin = new SeasonalForecasterReference(model);
  return {
    observe: (value) => twin.observe(value),
    forecast(horizon, options) {
      twin.forecast(horizon, options);
      return sliced(twin, horizon);
    },
  };
}

export function learnedReference(): HourlyForecasterReference {
  return new HourlyForecasterReference(decodeConstants(CONSTANTS));
}

function learnedTwin(): Forecaster {
  const twin = learnedReference();
  return {
    observe: (value) => twin.observe(value),
    forecast(horizon, { level = 95, choice } = {}) {
      twin.forecast(horizon, choice === undefined ? "auto" : VARIANTS[choice], widthRatio(level));
      return sliced(twin, horizon);
    },
  };
}

export function sliced({ mean, lower, upper, scale }: SeasonalForecast, horizon: number): SeasonalForecast {
  return { mean: mean.slice(0, horizon), lower: lower.slice(0, horizon), upper: upper.slice(0, horizon), scale: scale.slice(0, horizon) };
}

export const FORECASTERS = [
  { name: "kernel", make: kernelForecaster },
  { name: "twin", make: twinForecaster },
  { name: "kernel with what was learned", make: () => kernelForecaster(LEARNED) },
];

export function expectSound({ mean, lower, upper, scale }: SeasonalForecast): void {
  for (let step = 0; step < mean.length; step += 1) {
    const at = { mean: mean[step] ?? NaN, lower: lower[step] ?? NaN, upper: upper[step] ?? NaN, scale: scale[step] ?? NaN };
    const isSound = at.lower >= 0 && at.lower <= at.mean && at.mean <= at.upper && at.upper < Infinity && at.scale > 0;
    if (!isSound) expect({ step, ...at }).toBe("0 ≤ lower ≤ mean ≤ upper < ∞ and scale > 0");
  }
}

/** Bit for bit: the promise of 1e-6 is kept by repeating the same operations. */
export function expectSame(got: SeasonalForecast, want: SeasonalForecast): void {
  for (const part of ["mean", "lower", "upper", "scale"] as const) {
    const at = got[part].findIndex((value, step) => !Object.is(value, want[part][step]));
    if (at >= 0) expect({ part, step: at, value: got[part][at] }).toEqual({ part, step: at, value: want[part][at] });
  }
}

/** Level 1,000, a day and a quieter weekend, and lognormal noise of a tenth. */
export function seasonalSeries(random: SeededRandom, hours: number): number[] {
  return Array.from({ length: hours }, (_, hour) => seasonalLevel(hour) * Math.exp(0.1 * random.normal()));
}

export function seasonalLevel(hour: number): number {
  const weekend = Math.floor(hour / 24) % 7 >= 5 ? 0.6 : 1;
  return 1_000 * weekend * (1 + 0.7 * Math.sin((2 * Math.PI * hour) / 24));
}

export function randomWalk(random: SeededRandom, hours: number): number[] {
  let log = Math.log(1_000);
  return Array.from({ length: hours }, () => {
    log += 0.05 * random.normal();
    return Math.exp(log);
  });
}
