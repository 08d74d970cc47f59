// One page that draws every series with its forecast: no network, no library.
import { readFile } from "node:fs/promises";
import type { Series } from "./series-file.ts";
import type { SeriesForecast } from "./forecast-series.ts";

export interface PlottedSeries extends Series {
  readonly periods: readonly number[];
  readonly forecast: SeriesForecast;
}

/** More make a page that no browser opens gladly. */
export const PLOT_SERIES_MAX = 2_000;
/** Of the history as many steps as this many forecasts or seasons have, whichever are more. */
const SHOWN_FORECASTS = 4;
const SHOWN_SEASONS = 2;
const SHOWN_STEPS_MAX = 2_000;
const TEMPLATE = new URL("plot-page.html", import.meta.url);
const DATA_PLACE = /(<script id="data" type="application\/json">)[^<]*(<\/script>)/;

export async function plotPage(series: readonly PlottedSeries[], level: number): Promise<string> {
  const data = JSON.stringify({ level, series: series.slice(0, PLOT_SERIES_MAX).map(shownSeries) });
  // In a script only this character could end it.
  const safe = data.replaceAll("<", String.raw`\u003c`);
  return (await readFile(TEMPLATE, "utf8")).replace(DATA_PLACE, (_, start: string, end: string) => start + safe + end);
}

function shownSeries({ id, values, periods, forecast }: PlottedSeries): unknown {
  const steps = Math.max(SHOWN_FORECASTS * forecast.mean.length, SHOWN_SEASONS * Math.max(0, ...periods));
  return {
    id,
    periods,
    count: values.length,
    history: Array.from(values.subarray(-Math.min(SHOWN_STEPS_MAX, steps)), rounded),
    mean: Array.from(forecast.mean, rounded),
    lower: Array.from(forecast.lower, rounded),
    upper: Array.from(forecast.upper, rounded),
  };
}

function rounded(value: number): number | null {
  return Number.isNaN(value) ? null : Number(value.toPrecision(6));
}
