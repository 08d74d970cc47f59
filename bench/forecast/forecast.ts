// The forecaster on M4 Hourly's five validation origins, beside persistence and seasonal naive on the same.
import { SeasonalForecasterReference } from "#wasm/reference/forecast/seasonal-forecaster.ts";
import type { BenchRow } from "../report.ts";
import { M4_HOURLY_PATH, readM4Hourly } from "./m4-hourly.ts";
import { meanScores, scoresOf, type Forecast, type Scores } from "./measures.ts";
import { naiveForecast } from "./naive.ts";

const HORIZON = 48;
const ORIGIN_COUNT = 5;
const FORECASTERS = ["tidegate", "persistence", "seasonal naive"] as const;
/** What the training-free variant must reach, on the mean of the five origins. */
const BUDGETS = { smape: 8.25, mase: 0.72, msis: 6.1 } as const;

type Forecaster = (typeof FORECASTERS)[number];

interface Scored {
  readonly forecaster: Forecaster;
  /** 1: the last 48 points; 5: the 48 from 240 before the end. */
  readonly origin: number;
  readonly scores: Scores;
}

export async function forecast(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const series = await readM4Hourly();
  if (series === null) {
    onProgress(`SKIPPED: ${M4_HOURLY_PATH} is absent`);
    return [{ name: "M4 Hourly validation", value: 0, unit: "series", missing: { "M4 Hourly": "absent, nothing measured" } }];
  }
  const scored: Scored[] = [];
  let elapsedMs = 0;
  for (const [index, values] of series.entries()) {
    if (index % 100 === 0) onProgress(`M4 Hourly, series ${index + 1} of ${series.length}`);
    elapsedMs += scoreSeries(values, scored);
  }
  const rows = FORECASTERS.flatMap((forecaster) => rowsOf(scored, forecaster));
  return [...rows, { name: "a series, five forecasts (twin)", value: elapsedMs / series.length, unit: "ms" }];
}

// One pass: a forecast at an origin has seen nothing after it. Returns the forecaster's own milliseconds.
function scoreSeries(values: readonly number[], into: Scored[]): number {
  const forecaster = new SeasonalForecasterReference();
  let elapsedMs = 0;
  let seen = 0;
  for (let origin = ORIGIN_COUNT; origin >= 1; origin -= 1) {
    const start = values.length - origin * HORIZON;
    const history = values.slice(0, start);
    const actual = values.slice(start, start + HORIZON);
    const startedMs = performance.now();
    for (; seen < start; seen += 1) forecaster.observe(values[seen] ?? Number.NaN);
    forecaster.forecast(HORIZON);
    elapsedMs += performance.now() - startedMs;
    const forecasts: Readonly<Record<Forecaster, Forecast>> = {
      tidegate: forecaster,
      persistence: naiveForecast(history, { period: 1, horizon: HORIZON }),
      "seasonal naive": naiveForecast(history, { period: 24, horizon: HORIZON }),
    };
    for (const name of FORECASTERS) into.push({ forecaster: name, origin, scores: scoresOf(actual, forecasts[name], history) });
  }
  return elapsedMs;
}

function rowsOf(scored: readonly Scored[], forecaster: Forecaster): BenchRow[] {
  const own = scored.filter((entry) => entry.forecaster === forecaster);
  const origins = Array.from({ length: ORIGIN_COUNT }, (_, index) => index + 1);
  const perOrigin = origins.map((origin) => meanScores(own.filter((entry) => entry.origin === origin).map(({ scores }) => scores)));
  const rows = perOrigin.flatMap((scores, index) => scoreRows(`${forecaster}, origin −${(index + 1) * HORIZON}`, scores));
  const mean = scoreRows(`${forecaster}, mean`, meanScores(perOrigin));
  return [...rows, ...(forecaster === "tidegate" ? mean.map(withBudget) : mean)];
}

function scoreRows(name: string, { smape, mase, msis, coverageRatio }: Scores): BenchRow[] {
  return [
    { name: `${name}: sMAPE`, value: smape, unit: "%" },
    { name: `${name}: MASE`, value: mase, unit: "×" },
    { name: `${name}: MSIS`, value: msis, unit: "×" },
    { name: `${name}: coverage`, value: coverageRatio, unit: "of 1" },
  ];
}

function withBudget(row: BenchRow): BenchRow {
  const measure = row.name.slice(row.name.lastIndexOf(" ") + 1).toLowerCase();
  if (measure !== "smape" && measure !== "mase" && measure !== "msis") return row;
  const budget = BUDGETS[measure];
  return { ...row, budget, ok: row.value <= budget };
}
