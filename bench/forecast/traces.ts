// The recorded traces, where they lie beside the project; never part of it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "#scripts/root.ts";

const MINUTE_MS = 60_000;

interface TraceSpec {
  readonly name: string;
  readonly file: string;
  readonly stepMs: number;
  /** Those of 1 min, 5 min and 1 h that are no shorter than the step; the step itself where it is none of them. */
  readonly horizonsMs: readonly number[];
}

export interface Trace extends TraceSpec {
  /** Of the first bin. */
  readonly startMs: number;
  /** One per step; NaN where missing. */
  readonly values: Float64Array;
}

export const TRACES: readonly TraceSpec[] = [
  { name: "NASA", file: "nasa-http-1min-july.csv", stepMs: MINUTE_MS, horizonsMs: minutes(1, 5, 60) },
  { name: "World Cup", file: "worldcup98-1min-part1.csv", stepMs: MINUTE_MS, horizonsMs: minutes(1, 5, 60) },
  { name: "ELB", file: "nab-elb-requests-5min.csv", stepMs: 5 * MINUTE_MS, horizonsMs: minutes(5, 60) },
  { name: "tweets", file: "nab-tweets-aapl-5min.csv", stepMs: 5 * MINUTE_MS, horizonsMs: minutes(5, 60) },
  { name: "taxi", file: "nab-nyc-taxi-30min.csv", stepMs: 30 * MINUTE_MS, horizonsMs: minutes(30, 60) },
  { name: "wiki", file: "wiki-en-hourly-2020-2021.csv", stepMs: 60 * MINUTE_MS, horizonsMs: minutes(60) },
];

/** Null where the file is absent. Bins begin with the first row; of several rows in one the last counts. */
export async function readTrace(spec: TraceSpec): Promise<Trace | null> {
  let text: string;
  try {
    text = await readFile(join(ROOT, "../shared/data", spec.file), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const rows = text
    .trim()
    .split("\n")
    .slice(1)
    .map((row) => row.split(","))
    .map(([time = "", value = ""]) => ({ timeMs: Date.parse(`${time.replace(" ", "T")}Z`), value: Number(value) }));
  const startMs = rows[0]?.timeMs ?? 0;
  const binOf = (timeMs: number): number => Math.floor((timeMs - startMs) / spec.stepMs);
  const values = new Float64Array(binOf(rows.at(-1)?.timeMs ?? 0) + 1).fill(Number.NaN);
  for (const { timeMs, value } of rows) values[binOf(timeMs)] = value;
  return { ...spec, startMs, values };
}

function minutes(...counts: readonly number[]): number[] {
  return counts.map((count) => count * MINUTE_MS);
}
