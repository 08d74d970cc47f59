import { findPeriods } from "#shared/forecast/find-periods.ts";
import { LEVEL_MAX, LEVEL_MIN } from "#shared/forecast/interval-level.ts";
import { PERIOD_MAX, seasonGrid, type SeasonGrid } from "#shared/forecast/season-grid.ts";
import { defineCommand } from "../command.ts";
import { csvChunks } from "../forecast/forecast-csv.ts";
import { isLearned, SeriesForecasters, VARIANTS, type Variant } from "../forecast/forecast-series.ts";
import { loadKernels } from "../forecast/load-kernels.ts";
import { PLOT_SERIES_MAX, plotPage, type PlottedSeries } from "../forecast/plot-page.ts";
import { readSeriesFile, type Series } from "../forecast/series-file.ts";
import { badValue, formatDuration, readChoice, readInteger, readNumber } from "../option-values.ts";
import { EXIT_OK, type Output } from "../output.ts";
import { writeFileOf } from "../write-file.ts";

const STEP_COUNT_MAX = 10_000;

export const forecastCommand = defineCommand({
  name: "forecast",
  summary: "Forecast series of a CSV file: mean and interval of every coming step.",
  details: `The file is wide, a series in each row, id,v1,v2,…, or long, timestamp,value, one series that is named after the file. A header is
optional, cells may be quoted, a value may be missing: empty cells, NA, and in a long file rows that are not there. Values are
from 0 to 1e15.

The result is CSV, series,step,mean,lower,upper, with step from 1; with --json one object.

--period names one season or two, in steps, such as 7, or 24,168 for hours; 1 is none. Without it the season that most series of the file
show is taken for all of them. Longer seasons than 24 and 168 steps are forecast in slots of several steps.

--variant learned uses what was learned from hourly series with a day and a week, and is for those; prior-free uses no trained
weight; auto weighs both, and the naive forecasts, by what each has lost of late on the series itself: what was learned only
where seasons are a day of 24 and a week of 168 slots and two weeks are there.`,
  options: {
    input: { type: "string", required: true, placeholder: "FILE", description: "CSV of series." },
    horizon: { type: "string", required: true, placeholder: "STEPS", description: "How many steps ahead." },
    period: { type: "string", placeholder: "STEPS", description: "The season, or the short and the long one: 24,168; else found." },
    level: { type: "string", default: "95", placeholder: "PERCENT", description: "Of the intervals, 50 to 99.9." },
    variant: { type: "string", default: "auto", placeholder: "NAME", description: `One of ${VARIANTS.join(", ")}.` },
    output: { type: "string", placeholder: "FILE", description: "Where to write; else standard output." },
    plot: { type: "string", placeholder: "FILE", description: "An HTML page that draws history, forecast and interval." },
  },
  async run({ values, output }) {
    const horizon = readInteger(values.horizon, { option: "--horizon", min: 1, max: STEP_COUNT_MAX });
    const level = readNumber(values.level, { option: "--level", min: LEVEL_MIN, max: LEVEL_MAX });
    const variant = readChoice(values.variant, { option: "--variant", choices: VARIANTS });
    const given = values.period === undefined ? undefined : readPeriods(values.period);
    const startedAtMs = performance.now();
    const series = await readSeriesFile(values.input);
    const periods = given ?? commonPeriods(series);
    const forecasts = forecastAll(series, { kernels: await loadKernels(), periods, horizon, level, variant, output });
    if (values.plot !== undefined) await writePlot(values.plot, { forecasts, level, output });
    if (output.json) return writeJson(forecasts, { file: values.output, horizon, level, variant, output });
    if (values.output === undefined) await output.stream(csvChunks(forecasts));
    else {
      await writeFileOf(values.output, csvChunks(forecasts));
      const count = series.length === 1 ? "1 series" : `${series.length} series`;
      const found =
        periods.length === 0 ? "no season" : `${given === undefined ? "found" : "given"} seasons of ${periods.join(" and ")} steps`;
      output.notice(`${count}, ${horizon} steps each, ${found}, in ${formatDuration(performance.now() - startedAtMs)}: ${values.output}`);
    }
    return EXIT_OK;
  },
});

function readPeriods(text: string): number[] {
  const expected = `one period or two ascending, from 1 to ${PERIOD_MAX} steps, such as 7 or 24,168`;
  const parts = text.split(",");
  const periods = parts.map(Number);
  const [short = 0, long = Infinity] = periods;
  const isWell = parts.every((part) => /^\d{1,5}$/.test(part)) && periods.every((period) => period >= 1 && period <= PERIOD_MAX);
  if (!isWell || parts.length > 2 || short >= long) throw badValue("--period", text, expected);
  const seasons = periods.filter((period) => period > 1);
  const outcome = seasonGrid(seasons);
  if (!outcome.ok) throw badValue("--period", text, outcome.expected);
  return seasons;
}

/** The periods that most series show: a file's series share their step. */
function commonPeriods(series: readonly Series[]): number[] {
  const votes = new Map<string, { periods: number[]; count: number }>();
  for (const { values } of series) {
    const periods = findPeriods(values);
    const vote = votes.get(periods.join()) ?? { periods, count: 0 };
    vote.count += 1;
    votes.set(periods.join(), vote);
  }
  const [most] = [...votes.values()].toSorted((a, b) => b.count - a.count);
  return most?.periods ?? [];
}

interface Work {
  readonly kernels: Awaited<ReturnType<typeof loadKernels>>;
  readonly periods: readonly number[];
  readonly horizon: number;
  readonly level: number;
  readonly variant: Variant;
  readonly output: Output;
}

function forecastAll(series: readonly Series[], { kernels, periods, horizon, level, variant, output }: Work): PlottedSeries[] {
  const grid = gridOf(periods);
  if (variant === "learned" && !isLearned(grid)) {
    const found = periods.length === 0 ? "no season" : `seasons of ${periods.join()} steps`;
    throw badValue("--variant", variant, `auto or prior-free with ${found}: what was learned is for a day of 24 and a week of 168 slots`);
  }
  const forecasters = new SeriesForecasters(kernels);
  const progress = output.progress("forecast");
  try {
    return series.map((one, index) => {
      progress.update(index / series.length, `${index} of ${series.length} series`);
      return { ...one, periods, forecast: forecasters.forecast(one.values, { grid, horizon, level, variant }) };
    });
  } finally {
    progress.end();
  }
}

function gridOf(periods: readonly number[]): SeasonGrid {
  const outcome = seasonGrid(periods);
  if (!outcome.ok) throw badValue("--period", periods.join(), outcome.expected);
  return outcome.grid;
}

interface JsonTarget {
  readonly file: string | undefined;
  readonly horizon: number;
  readonly level: number;
  readonly variant: Variant;
  readonly output: Output;
}

async function writeJson(forecasts: readonly PlottedSeries[], { file, horizon, level, variant, output }: JsonTarget): Promise<number> {
  const series = forecasts.map(({ id, periods, forecast }) => ({
    series: id,
    periods,
    mean: Array.from(forecast.mean),
    lower: Array.from(forecast.lower),
    upper: Array.from(forecast.upper),
  }));
  const result = { horizon, level, variant, series };
  if (file !== undefined) await writeFileOf(file, csvChunks(forecasts));
  output.result({ json: result, text: "" });
  return EXIT_OK;
}

async function writePlot(
  file: string,
  { forecasts, level, output }: { forecasts: readonly PlottedSeries[]; level: number; output: Output },
): Promise<void> {
  if (forecasts.length > PLOT_SERIES_MAX) output.notice(`${file} draws the first ${PLOT_SERIES_MAX} of ${forecasts.length} series`);
  await writeFileOf(file, [await plotPage(forecasts, level)]);
}
