// The seasonal forecaster's variants, through the Wasm, on M4 Hourly's five validation origins, beside persistence and
// seasonal naive on the same.
import { readFile } from "node:fs/promises";
import { WASM_FILE } from "#scripts/build.ts";
import { learnedModel, LearnedChoice } from "#shared/forecast/learned-model.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { SeasonalForecaster } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import type { BenchRow } from "../report.ts";
import { forecasterCodeSize } from "./code-size.ts";
import { facadeStepRows } from "./facade-steps.ts";
import { M4_HOURLY_PATH, readM4Hourly } from "./m4-hourly.ts";
import { m4PeerRows, type ScoredOrigin } from "./m4-peer-rows.ts";
import { meanScores, scoresOf, type Forecast, type Scores } from "./measures.ts";
import { naiveForecast } from "./naive.ts";
import { loadPeers } from "./peers.ts";
import { poolingRows } from "./pooling-rows.ts";

const HORIZON = 48;
const ORIGIN_COUNT = 5;
const FORECASTERS = ["auto", "learned", "prior-free", "persistence", "seasonal naive"] as const;
/** The most that the mean of the five origins may be. */
const BUDGETS: Readonly<Partial<Record<Forecaster, Readonly<Record<"smape" | "mase" | "msis", number>>>>> = {
  auto: { smape: 7.9, mase: 0.685, msis: 5.45 },
  learned: { smape: 7.9, mase: 0.685, msis: 5.45 },
  "prior-free": { smape: 8.25, mase: 0.72, msis: 6.1 },
};
const SERIES_MS_MAX = 40;
const STEP_US_MAX = 50;
const WORST_STEP_MS_MAX = 2;
const CODE_BYTES_MAX = 24 * 1_024;
const MEMORY_BYTES = 512 * 1_024;
/** Series whose steps are timed one by one; the clock's own cost is in them. */
const TIMED_SERIES_COUNT = 40;
const PASS_COUNT = 3;

type Forecaster = (typeof FORECASTERS)[number];

interface Scored {
  readonly forecaster: Forecaster;
  /** 1: the last 48 points; 5: the 48 from 240 before the end. */
  readonly origin: number;
  readonly scores: Scores;
}

export async function forecast(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const model = learnedModel(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64"));
  onProgress("a service's steps");
  const always = [...facadeStepRows(model), ...(await codeRows())];
  const series = await readM4Hourly();
  if (series === null) {
    onProgress(`SKIPPED: ${M4_HOURLY_PATH} is absent`);
    return [...always, { name: "M4 Hourly validation", value: 0, unit: "series", missing: { "M4 Hourly": "absent, nothing measured" } }];
  }
  const kernels = instantiateKernels(new WebAssembly.Module(new Uint8Array(await readFile(WASM_FILE))), { memoryBytes: MEMORY_BYTES });
  const forecaster = new SeasonalForecaster(kernels, model);
  const scored: Scored[] = [];
  const origins: ScoredOrigin[] = [];
  let elapsedMs = 0;
  for (const [index, values] of series.entries()) {
    if (index % 100 === 0) onProgress(`M4 Hourly, series ${index + 1} of ${series.length}`);
    elapsedMs += scoreSeries(forecaster, values, scored);
    origins.push(...originsOf(values, index, scored));
  }
  onProgress("M4 Hourly, peers");
  const { peers, missing } = await loadPeers();
  const absent = Object.entries(missing).map(([name, why]) => ({
    name: `M4 Hourly beside ${name}`,
    value: 0,
    unit: "fits",
    missing: { [name]: why },
  }));
  onProgress("pooling");
  const seriesMs = elapsedMs / series.length;
  return [
    ...FORECASTERS.flatMap((name) => rowsOf(scored, name)),
    { name: "a series, five forecasts by all choices", value: seriesMs, unit: "ms", budget: SERIES_MS_MAX, ok: seriesMs <= SERIES_MS_MAX },
    ...timeSteps(forecaster, series.slice(0, TIMED_SERIES_COUNT)),
    { name: "state of a forecaster, both variants", value: forecaster.bytes / 1_024, unit: "KiB" },
    ...m4PeerRows(origins, peers),
    ...absent,
    ...poolingRows(series, model),
    ...always,
  ];
}

/** Of the series that was scored last. */
function originsOf(values: readonly number[], series: number, scored: readonly Scored[]): ScoredOrigin[] {
  const own = scored.slice(-ORIGIN_COUNT * FORECASTERS.length).filter(({ forecaster }) => forecaster === "auto");
  return own.map(({ origin, scores }) => {
    const start = values.length - origin * HORIZON;
    return { series, history: values.slice(0, start), actual: values.slice(start, start + HORIZON), own: scores };
  });
}

async function codeRows(): Promise<BenchRow[]> {
  const seasonal = await forecasterCodeSize("seasonal");
  const whole = await forecasterCodeSize("whole");
  const { codeBytes, moduleBytes } = whole;
  return [
    { name: "code of the hourly core", value: seasonal.codeBytes / 1_024, unit: "KiB" },
    {
      name: "code of the whole forecaster",
      value: codeBytes / 1_024,
      unit: "KiB",
      budget: CODE_BYTES_MAX / 1_024,
      ok: codeBytes <= CODE_BYTES_MAX,
    },
    { name: "the same as a module, with its tables and names", value: moduleBytes / 1_024, unit: "KiB" },
  ];
}

// One pass: a forecast at an origin has seen nothing after it. Returns the forecaster's own milliseconds of processor time: the
// machine may have others to serve.
function scoreSeries(forecaster: SeasonalForecaster, values: readonly number[], into: Scored[]): number {
  forecaster.clear();
  let elapsedMs = 0;
  let seen = 0;
  for (let origin = ORIGIN_COUNT; origin >= 1; origin -= 1) {
    const start = values.length - origin * HORIZON;
    const history = values.slice(0, start);
    const actual = values.slice(start, start + HORIZON);
    const score = (name: Forecaster, said: Forecast): void => {
      into.push({ forecaster: name, origin, scores: scoresOf(actual, said, history) });
    };
    const startedUs = cpuUs();
    for (; seen < start; seen += 1) forecaster.observe(values[seen] ?? Number.NaN);
    const auto = copied(forecaster.forecast(HORIZON));
    elapsedMs += (cpuUs() - startedUs) / 1_000;
    const learned = copied(forecaster.forecast(HORIZON, { choice: LearnedChoice.learned }));
    const priorFree = forecaster.forecast(HORIZON, { choice: LearnedChoice.priorFree });
    score("auto", auto);
    score("learned", learned);
    score("prior-free", priorFree);
    score("persistence", naiveForecast(history, { period: 1, horizon: HORIZON }));
    score("seasonal naive", naiveForecast(history, { period: 24, horizon: HORIZON }));
  }
  return elapsedMs;
}

/** A forecast that a later one does not overwrite. */
function copied({ mean, lower, upper }: Forecast): Forecast {
  return { mean: Float64Array.from(mean), lower: Float64Array.from(lower), upper: Float64Array.from(upper) };
}

/** Processor time of this process; only the sum of the two is exact to the microsecond. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** An observation, on average and at its worst; each step by the best of three passes, in processor time. */
function timeSteps(forecaster: SeasonalForecaster, series: readonly (readonly number[])[]): BenchRow[] {
  const bests = series.flatMap((values) => {
    const bestUs = values.map(() => Number.POSITIVE_INFINITY);
    for (let pass = 0; pass < PASS_COUNT; pass += 1) {
      forecaster.clear();
      for (const [hour, value] of values.entries()) {
        const startedUs = cpuUs();
        forecaster.observe(value);
        bestUs[hour] = Math.min(bestUs[hour] ?? Number.NaN, cpuUs() - startedUs);
      }
    }
    return bestUs;
  });
  const meanUs = bests.reduce((sum, best) => sum + best, 0) / bests.length;
  const worstMs = bests.reduce((most, best) => Math.max(most, best), 0) / 1_000;
  return [
    { name: "an observation, mean", value: meanUs, unit: "µs", budget: STEP_US_MAX, ok: meanUs <= STEP_US_MAX },
    { name: "an observation, worst of all", value: worstMs, unit: "ms", budget: WORST_STEP_MS_MAX, ok: worstMs <= WORST_STEP_MS_MAX },
  ];
}

function rowsOf(scored: readonly Scored[], forecaster: Forecaster): BenchRow[] {
  const own = scored.filter((entry) => entry.forecaster === forecaster);
  const origins = Array.from({ length: ORIGIN_COUNT }, (_, index) => index + 1);
  const perOrigin = origins.map((origin) => meanScores(own.filter((entry) => entry.origin === origin).map(({ scores }) => scores)));
  const rows = perOrigin.flatMap((scores, index) => scoreRows(`${forecaster}, origin −${(index + 1) * HORIZON}`, scores));
  return [...rows, ...scoreRows(`${forecaster}, mean`, meanScores(perOrigin)).map((row) => withBudget(row, forecaster))];
}

function scoreRows(name: string, { smape, mase, msis, coverageRatio }: Scores): BenchRow[] {
  return [
    { name: `${name}: sMAPE`, value: smape, unit: "%" },
    { name: `${name}: MASE`, value: mase, unit: "×" },
    { name: `${name}: MSIS`, value: msis, unit: "×" },
    { name: `${name}: coverage`, value: coverageRatio, unit: "of 1" },
  ];
}

function withBudget(row: BenchRow, forecaster: Forecaster): BenchRow {
  const measure = row.name.slice(row.name.lastIndexOf(" ") + 1).toLowerCase();
  const budgets = BUDGETS[forecaster];
  if (budgets === undefined || (measure !== "smape" && measure !== "mase" && measure !== "msis")) return row;
  const budget = budgets[measure];
  return { ...row, budget, ok: row.value <= budget };
}
