import { halfWidth } from "#shared/forecast/interval-level.ts";
import type { SeasonGrid } from "#shared/forecast/season-grid.ts";
import { ISSUE_EVERY_MAX, seasonalModel, type Seasons } from "#shared/forecast/seasonal-model.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { SeasonalForecaster, type SeasonalForecast } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { fineShape, slotLine, slotsOf } from "./fine-shape.ts";

export interface SeriesForecast {
  readonly mean: ArrayLike<number>;
  readonly lower: ArrayLike<number>;
  readonly upper: ArrayLike<number>;
}

export interface ForecastRequest {
  readonly grid: SeasonGrid;
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
/** In logs, as the forecaster's own. */
const HALF_MAX = 30;

/** Forecasts one series after another; one forecaster for each pair of seasons, used again. */
export class SeriesForecasters {
  readonly #kernels: Kernels;
  readonly #forecasters = new Map<string, SeasonalForecaster>();

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  forecast(values: Float64Array, { grid, horizon, level }: ForecastRequest): SeriesForecast {
    const { stepsPerSlot } = grid;
    const slots = stepsPerSlot === 1 ? values : slotsOf(values, stepsPerSlot);
    const slotHorizon = Math.ceil(horizon / stepsPerSlot);
    const forecaster = this.#forecaster(seenSeasons(grid.seasons, slots.length), slotHorizon);
    for (const value of slots) forecaster.observe(value);
    const coarse = forecaster.forecast(slotHorizon, level);
    if (stepsPerSlot === 1) return { mean: coarse.mean.slice(), lower: coarse.lower.slice(), upper: coarse.upper.slice() };
    return refined(coarse, { values, slots }, { grid, horizon, level });
  }

  #forecaster(seasons: Seasons, horizon: number): SeasonalForecaster {
    const issueEvery = Math.min(ISSUE_EVERY_MAX, Math.max(ISSUE_EVERY_MIN, Math.ceil(horizon / 4)));
    const model = seasons.day >= DAY_SLOTS_MIN ? seasonalModel(seasons) : seasonalModel(seasons, issueEvery);
    const key = `${seasons.day},${seasons.week}`;
    const known = this.#forecasters.get(key);
    known?.clear();
    const forecaster = known ?? new SeasonalForecaster(this.#kernels, model);
    this.#forecasters.set(key, forecaster);
    return forecaster;
  }
}

function seenSeasons({ day, week }: Seasons, count: number): Seasons {
  if (count >= SEASONS_SEEN_MIN * week) return { day, week };
  return count >= SEASONS_SEEN_MIN * day ? { day, week: day } : { day: 1, week: 1 };
}

function refined(
  coarse: SeasonalForecast,
  { values, slots }: { readonly values: Float64Array; readonly slots: Float64Array },
  { grid, horizon, level }: ForecastRequest,
): SeriesForecast {
  const { stepsPerSlot, seasons } = grid;
  const shape = fineShape(values, stepsPerSlot, stepsPerSlot * (seasons.day > 1 ? seasons.day : seasons.week));
  const width = halfWidth(level);
  // From the last slot of which anything is known.
  const last = slots.findLast((slot) => !Number.isNaN(slot)) ?? coarse.mean[0] ?? 0;
  const line = slotLine([Math.log1p(last), ...coarse.mean.map(Math.log1p)], stepsPerSlot);
  const steps = Array.from({ length: horizon }, (_, step) => {
    const slot = Math.floor(step / stepsPerSlot);
    const log = line(stepsPerSlot + step) + shape.ratioAt(step);
    const half = Math.min(HALF_MAX, width * Math.hypot(coarse.scale[slot] ?? NaN, shape.scale));
    const mean = Math.max(0, Math.expm1(log));
    return { mean, lower: Math.max(0, Math.min(mean, Math.expm1(log - half))), upper: Math.max(mean, Math.expm1(log + half)) };
  });
  return { mean: steps.map(({ mean }) => mean), lower: steps.map(({ lower }) => lower), upper: steps.map(({ upper }) => upper) };
}
