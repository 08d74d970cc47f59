// What "auto" makes of series that M4 Hourly does not look like: traces' later parts, of which nothing was learned, and random
// walks, where nothing can be learned.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "#scripts/root.ts";
import type { LearnedConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { HourlyForecasterReference } from "#wasm/reference/forecast/hourly/hourly-forecaster.ts";
import type { BenchRow } from "../report.ts";
import { normalOf, randomOf } from "./learn/random.ts";
import { hourlyTrace, measuringPart } from "./learn/read-trace.ts";
import type { Forecast } from "./measures.ts";
import { naiveForecast } from "./naive.ts";
import { HORIZON, VARIANTS } from "./score-variants.ts";

const TRACES = ["wiki-en-hourly-2020-2021.csv", "nab-nyc-taxi-30min.csv"];
const WALK_COUNT = 8;
const WALK_HOURS = 1_100;
const WALK_STEP = 0.05;
const FROM_HOUR = 400;
/** Prime to a day, so that every phase of it is an origin. */
const EVERY_HOURS = 17;

export async function choiceRows(constants: LearnedConstants): Promise<BenchRow[]> {
  const traces = await Promise.all(TRACES.map((name) => traceRows(name, constants)));
  const walks = Array.from({ length: WALK_COUNT }, (_, seed) => errorsOf(randomWalk(seed + 1), constants));
  const mean = meanErrors(walks);
  return [...traces.flat(), ...rowsOf(`${WALK_COUNT} random walks`, mean)];
}

async function traceRows(name: string, constants: LearnedConstants): Promise<BenchRow[]> {
  let text: string;
  try {
    text = await readFile(join(ROOT, "../shared/data", name), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return [{ name, value: 0, unit: "series", missing: { [name]: "absent, nothing measured" } }];
    throw error;
  }
  return rowsOf(name, errorsOf(measuringPart(hourlyTrace(text)), constants));
}

/** Share of the volume that a forecaster missed, over all origins and steps: WAPE. */
type Errors = Readonly<Record<string, { readonly wape: number; readonly coverageRatio: number }>>;

function errorsOf(values: readonly number[], constants: LearnedConstants): Errors {
  const forecaster = new HourlyForecasterReference(constants);
  const sums: Record<string, { missed: number; volume: number; inside: number; count: number }> = {};
  const add = (name: string, { mean, lower, upper }: Forecast, origin: number): void => {
    const sum = (sums[name] ??= { missed: 0, volume: 0, inside: 0, count: 0 });
    for (let step = 0; step < HORIZON; step += 1) {
      const value = values[origin + step] ?? Number.NaN;
      sum.missed += Math.abs(value - (mean[step] ?? Number.NaN));
      sum.volume += value;
      sum.inside += (lower[step] ?? Number.NaN) <= value && value <= (upper[step] ?? Number.NaN) ? 1 : 0;
      sum.count += 1;
    }
  };
  for (let hour = 0; hour + HORIZON <= values.length; hour += 1) {
    if (hour >= FROM_HOUR && hour % EVERY_HOURS === 0) {
      for (const variant of VARIANTS) {
        forecaster.forecast(HORIZON, variant);
        add(variant, forecaster, hour);
      }
      add("persistence", naiveForecast(values.slice(0, hour), { period: 1, horizon: HORIZON }), hour);
      add("seasonal naive", naiveForecast(values.slice(0, hour), { period: 24, horizon: HORIZON }), hour);
    }
    forecaster.observe(values[hour] ?? Number.NaN);
  }
  return Object.fromEntries(
    Object.entries(sums).map(([name, { missed, volume, inside, count }]) => [
      name,
      { wape: missed / volume, coverageRatio: inside / count },
    ]),
  );
}

function meanErrors(all: readonly Errors[]): Errors {
  const names = Object.keys(all[0] ?? {});
  const meanOf = (name: string, figure: "wape" | "coverageRatio"): number =>
    all.reduce((sum, errors) => sum + (errors[name]?.[figure] ?? Number.NaN), 0) / all.length;
  return Object.fromEntries(names.map((name) => [name, { wape: meanOf(name, "wape"), coverageRatio: meanOf(name, "coverageRatio") }]));
}

function rowsOf(series: string, errors: Errors): BenchRow[] {
  return Object.entries(errors).flatMap(([name, { wape, coverageRatio }]) => [
    { name: `${series}, ${name}: WAPE`, value: wape, unit: "of 1" },
    { name: `${series}, ${name}: coverage`, value: coverageRatio, unit: "of 1" },
  ]);
}

function randomWalk(seed: number): number[] {
  const random = randomOf(seed);
  let log = Math.log(1_000);
  return Array.from({ length: WALK_HOURS }, () => {
    log += WALK_STEP * normalOf(random);
    return Math.exp(log);
  });
}
