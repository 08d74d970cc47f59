// The recorded traces, where they lie beside the project; never part of it. Which days are which is fixed here: constants
// were chosen on the earlier part, the later part is reported, and the policy runs from the first row.
import { access } from "node:fs/promises";
import { join } from "node:path";
import { loadOf } from "#cli/simulate/load.ts";
import { percentile, readSeries, sliceSeries } from "#cli/simulate/series.ts";
import type { Window } from "#cli/simulate/account.ts";
import { TICK_MS } from "#cli/simulate/tick.ts";
import { ROOT } from "#scripts/root.ts";
import { DAY_MS } from "#shared/units.ts";

export interface Trace {
  readonly name: string;
  readonly file: string;
  /** Days left out at the file's beginning; the other days are counted from there. */
  readonly skipDays: number;
  /** What is before is for learning only. */
  readonly earlyDay: number;
  readonly lateDay: number;
  readonly endDay: number;
}

export const TRACES: readonly Trace[] = [
  { name: "World Cup", file: "worldcup98-1min-part1.csv", skipDays: 0, earlyDay: 7, lateDay: 26, endDay: 46.1 },
  { name: "NASA", file: "nasa-http-1min-july.csv", skipDays: 0, earlyDay: 5, lateDay: 14, endDay: 27.5 },
  { name: "wiki", file: "wiki-en-hourly-2020-2021.csv", skipDays: 400, earlyDay: 8, lateDay: 29, endDay: 57 },
  { name: "taxi", file: "nab-nyc-taxi-30min.csv", skipDays: 60, earlyDay: 8, lateDay: 29, endDay: 57 },
  { name: "tweets", file: "nab-tweets-aapl-5min.csv", skipDays: 0, earlyDay: 8, lateDay: 27, endDay: 55 },
  { name: "ELB", file: "nab-elb-requests-5min.csv", skipDays: 0, earlyDay: 3, lateDay: 7, endDay: 13.9 },
];

/** One shard carries a twentieth of the 95th percentile of what lies before the later part. */
const SHARD_COUNT = 20;
const PERCENTILE = 0.95;
const SEED = 1;

export interface TraceLoad {
  /** In shards, per tick. */
  readonly load: Float32Array;
  readonly startMs: number;
  readonly early: Window;
  readonly late: Window;
}

/** Null where the file is absent. */
export async function readTraceLoad(trace: Trace): Promise<TraceLoad | null> {
  const path = join(ROOT, "../shared/data", trace.file);
  try {
    await access(path);
  } catch {
    return null;
  }
  const all = await readSeries(path);
  const startMs = (all.atMs[0] ?? 0) + trace.skipDays * DAY_MS;
  const series = sliceSeries(all, { fromMs: startMs, toMs: startMs + trace.endDay * DAY_MS + 1 });
  const before = sliceSeries(series, { fromMs: startMs, toMs: startMs + trace.lateDay * DAY_MS });
  const load = loadOf(series, { kind: "noise", shardLoad: percentile(before.values, PERCENTILE) / SHARD_COUNT, seed: SEED });
  const tickOf = (day: number): number => Math.min(load.length, Math.round((day * DAY_MS) / TICK_MS));
  return {
    load,
    startMs: series.atMs[0] ?? 0,
    early: { fromTick: tickOf(trace.earlyDay), toTick: tickOf(trace.lateDay) },
    late: { fromTick: tickOf(trace.lateDay), toTick: tickOf(trace.endDay) },
  };
}
