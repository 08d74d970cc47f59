import { learnedModel, LearnedChoice } from "#shared/forecast/learned-model.ts";
import { widthRatio } from "#shared/forecast/interval-level.ts";
import type { SeasonGrid } from "#shared/forecast/season-grid.ts";
import {
  DAY_AND_WEEK,
  HORIZON_MAX,
  ISSUE_EVERY_MAX,
  priorFreeModel,
  type SeasonalModel,
  type Seasons,
} from "#shared/forecast/seasonal-model.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { SeasonalForecaster, type ForecastOptions, type SeasonalForecast } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { fineShape, slotLine, slotsOf } from "./fine-shape.ts";

export interface SeriesForecast {
  readonly mean: ArrayLike<number>;
  readonly lower: ArrayLike<number>;
  readonly upper: ArrayLike<number>;
}

export const VARIANTS = ["auto", "learned", "prior-free"] as const;

export type Variant = (typeof VARIANTS)[number];

export interface ForecastRequest {
  readonly grid: SeasonGrid;
  readonly variant: Variant;
  /** In steps of the series. */
  readonly horizon: number;
  /** In percent. */
  readonly level: number;
}

/** A season is learned from the second time on. */
const SEASONS_SEEN_MIN = 2;
/** From so many slots in a day on a forecaster judges itself over two days; else over the horizon that was asked for. */
const DAY_SLOTS_MIN = 12;
const ISSUE_EVERY_MIN = 3;
/** Of what is beside the slots' line, in its mean absolute log errors: as the forecaster's own. */
const WIDTH_AT_95 = 2.2;
/** Of a model without what was learned. */
const PRIOR_FREE_CHOICE = 0;
/** In logs, as the forecaster's own. */
const HALF_MAX = 30;

/** Whether there are learned priors for a grid: they were learned from hours, with a day and a week. */
export function isLearned({ seasons: { day, week } }: SeasonGrid): boolean {
  return day === DAY_AND_WEEK.day && week === DAY_AND_WEEK.week;
}

/** Forecasts one series after another; one forecaster for each pair of seasons, used again. */
export class SeriesForecasters {
  readonly #kernels: Kernels;
  readonly #forecasters = new Map<string, SeasonalForecaster>();
  #learned: SeasonalModel | null = null;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /**
   * "learned" is for grids of which isLearned is true. "auto" weighs it there by what it has lost of late, beside what was not
   * learned and the naive forecasts, if the series has two weeks; elsewhere it does so without what was learned.
   */
  forecast(values: Float64Array, { grid, horizon, level, variant }: ForecastRequest): SeriesForecast {
    const { stepsPerSlot } = grid;
    const slots = stepsPerSlot === 1 ? values : slotsOf(values, stepsPerSlot);
    const slotHorizon = Math.ceil(horizon / stepsPerSlot);
    const seen = seenSeasons(grid.seasons, slots.length);
    const hasLearned = variant === "learned" || (variant === "auto" && isLearned({ seasons: seen, stepsPerSlot }));
    const forecaster = hasLearned ? this.#forecaster("learned", () => this.#learnedModel()) : this.#priorFree(seen, slotHorizon);
    for (const value of slots) forecaster.observe(value);
    const choice = { auto: {}, learned: { choice: LearnedChoice.learned }, "prior-free": { choice: PRIOR_FREE_CHOICE } }[variant];
    const coarse = inParts(forecaster, slotHorizon, { level, ...choice });
    if (stepsPerSlot === 1) return coarse;
    return refined(coarse, { values, slots }, { grid, horizon, level });
  }

  #priorFree(seasons: Seasons, horizon: number): SeasonalForecaster {
    const issueEvery = Math.min(ISSUE_EVERY_MAX, Math.max(ISSUE_EVERY_MIN, Math.ceil(horizon / 4)));
    return this.#forecaster(`${seasons.day},${seasons.week}`, () =>
      seasons.day >= DAY_SLOTS_MIN ? priorFreeModel(seasons) : priorFreeModel(seasons, issueEvery),
    );
  }

  #learnedModel(): SeasonalModel {
    this.#learned ??= learnedModel(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64"));
    return this.#learned;
  }

  #forecaster(key: string, modelOf: () => SeasonalModel): SeasonalForecaster {
    const known = this.#forecasters.get(key);
    known?.clear();
    const forecaster = known ?? new SeasonalForecaster(this.#kernels, modelOf());
    this.#forecasters.set(key, forecaster);
    return forecaster;
  }
}

/** Beyond what a forecaster looks ahead at once it goes on from its own forecast, as it does where values are missing. */
function inParts(forecaster: SeasonalForecaster, horizon: number, options: ForecastOptions): SeasonalForecast {
  const whole = {
    mean: new Float64Array(horizon),
    lower: new Float64Array(horizon),
    upper: new Float64Array(horizon),
    scale: new Float64Array(horizon),
  };
  for (let from = 0; from < horizon; from += HORIZON_MAX) {
    const count = Math.min(HORIZON_MAX, horizon - from);
    const part = forecaster.forecast(count, options);
    for (const name of ["mean", "lower", "upper", "scale"] as const) whole[name].set(part[name], from);
    if (from + count < horizon) for (let step = 0; step < count; step += 1) forecaster.observe(NaN);
  }
  return whole;
}

function seenSeasons({ day, week }: Seasons, count: number): Seasons {
  if (count >= SEASONS_SEEN_MIN * week) return { day, week };
  return count >= SEASONS_SEEN_MIN * day ? { day, week: day } : { day: 1, week: 1 };
}

function refined(
  coarse: SeasonalForecast,
  { values, slots }: { readonly values: Float64Array; readonly slots: Float64Array },
  { grid, horizon, level }: Pick<ForecastRequest, "grid" | "horizon" | "level">,
): SeriesForecast {
  const { stepsPerSlot, seasons } = grid;
  const shape = fineShape(values, stepsPerSlot, stepsPerSlot * (seasons.day > 1 ? seasons.day : seasons.week));
  const width = WIDTH_AT_95 * widthRatio(level) * shape.scale;
  // From the last slot of which anything is known.
  const last = slots.findLast((slot) => !Number.isNaN(slot)) ?? coarse.mean[0] ?? 0;
  const line = slotLine([Math.log1p(last), ...coarse.mean.map(Math.log1p)], stepsPerSlot);
  const steps = Array.from({ length: horizon }, (_, step) => {
    const slot = Math.floor(step / stepsPerSlot);
    const log = line(stepsPerSlot + step) + shape.ratioAt(step);
    const middle = Math.log1p(coarse.mean[slot] ?? NaN);
    const above = Math.min(HALF_MAX, Math.hypot(Math.log1p(coarse.upper[slot] ?? NaN) - middle, width));
    const below = Math.min(HALF_MAX, Math.hypot(middle - Math.log1p(coarse.lower[slot] ?? NaN), width));
    const mean = Math.max(0, Math.expm1(log));
    return { mean, lower: Math.max(0, Math.min(mean, Math.expm1(log - below))), upper: Math.max(mean, Math.expm1(log + above)) };
  });
  return { mean: steps.map(({ mean }) => mean), lower: steps.map(({ lower }) => lower), upper: steps.map(({ upper }) => upper) };
}
