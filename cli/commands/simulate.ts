import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { DAY_MS, HOUR_MS, SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { parseTimestampMs } from "../load/trace-point.ts";
import { badValue, formatDuration, readChoice, readDurationMs, readInteger, readNumber } from "../option-values.ts";
import { CliError, EXIT_OK } from "../output.ts";
import { FLEET_COUNT_MAX, type Window } from "../simulate/account.ts";
import { loadKernels } from "../forecast/load-kernels.ts";
import { fineForecaster } from "../simulate/forecaster.ts";
import { loadOf } from "../simulate/load.ts";
import { plotPage } from "../simulate/plot.ts";
import { formatPolicy, readPolicies, withSweep } from "../simulate/policies.ts";
import { percentile, readSeries, sliceSeries, type Series } from "../simulate/series.ts";
import { simulationRunner, type PolicyScore } from "../simulate/simulate.ts";
import { SIMULATED_POLICY, TidegateScaler } from "../simulate/tidegate-scaler.ts";
import { TICK_MS } from "../simulate/tick.ts";
import { loadTimeline, TimelineRecorder, type Timeline } from "../simulate/timeline.ts";
import { isSystemError } from "../system-error.ts";
import { formatTable } from "../table.ts";

const DELAY_MS_MAX = 6 * HOUR_MS;
const TICK_COUNT_MAX = 40_000_000;
/** So that the account's part by default, two thirds of it, has ticks. */
const TRACE_MS_MIN = 3 * TICK_MS;
/** Ticks between two looks at the clock: some milliseconds. */
const PROGRESS_TICKS = 1_024;
const SHARD_LOAD_MAX = 1e12;
const SEED_MAX = 2 ** 32 - 1;
/** auto20: the early part's 95th percentile makes this many shards. */
const AUTO_SHARD_COUNT = 20;
const AUTO_PERCENTILE = 0.95;

export const simulateCommand = defineCommand({
  name: "simulate",
  summary: "Replay a trace on a virtual clock and compare what provisioning policies cost and leave unserved.",
  details: `Policies: tidegate, hpa[:TARGET], kpa[:TARGET], aws[:TARGET], static[:SHARDS], oracle. Everybody has the same start-up time, sees the
load up to two seconds ago, and is billed from a shard's start. Cost is told as a multiple of the oracle's, which knows the load.
With --json one object: { trace, delayMs, shortfall, policies: [{ name, shortfallSeen, timeShort, costToOracle, operationsPerDay }] }.`,
  options: {
    trace: { type: "string", required: true, placeholder: "FILE", description: "CSV of timestamp,value, as tidegate trace writes." },
    delay: { type: "string", default: "60s", placeholder: "DURATION", description: "A shard's start-up time." },
    policy: {
      type: "string",
      default: "tidegate,hpa:0.7,kpa:0.7,aws,static,oracle",
      placeholder: "LIST",
      description: "Who decides, each in a run of its own.",
    },
    shortfall: {
      type: "string",
      default: "0.1%",
      placeholder: "SHARE",
      description: "The shortfall that tidegate is told to accept: 0.1%, or 0.001.",
    },
    from: { type: "string", placeholder: "TIME", description: "Where the account begins; by default after a third of the trace." },
    to: { type: "string", placeholder: "TIME", description: "Where it ends; by default with the trace." },
    "shard-load": {
      type: "string",
      default: "auto20",
      placeholder: "N|auto20",
      description: "What one shard carries, in the trace's unit; auto20: a twentieth of the 95th percentile before --from.",
    },
    load: {
      type: "string",
      default: "noise",
      placeholder: "noise|lin",
      description: "Detail below the trace's step and noise of occupancy, or straight lines.",
    },
    sweep: { type: "boolean", description: "Also run HPA and KPA at every target from .50 to .98." },
    seed: { type: "string", default: "1", placeholder: "INTEGER", description: "The same seed gives the same load." },
    plot: { type: "string", placeholder: "FILE", description: "Also write a page with the frontier and the shards over time." },
  },
  async run({ values, output }) {
    const delayMs = readDurationMs(values.delay, { option: "--delay", min: 0, max: DELAY_MS_MAX });
    const shortfall = readShare(values.shortfall);
    const kind = readChoice(values.load, { option: "--load", choices: ["noise", "lin"] });
    const seed = readInteger(values.seed, { option: "--seed", min: 0, max: SEED_MAX });
    const named = readPolicies(values.policy);
    const policies = values.sweep ? withSweep(named) : named;
    const series = await readSeries(values.trace);
    const span = readSpan(series, values);
    const shardLoad = readShardLoad(values["shard-load"], sliceSeries(series, { fromMs: -Infinity, toMs: span.fromMs }));
    const load = loadOf(series, { kind, shardLoad, seed });
    checkLoad(load);
    const startMs = series.atMs[0] ?? 0;
    const provisioning = { ...SIMULATED_POLICY, shortfallRatio: shortfall };
    // Found out before the work and not after it.
    if (values.plot !== undefined) await writePage(values.plot, "", "a");
    const kernels = await loadKernels();
    const run = simulationRunner({
      load,
      delayMs,
      window: span.window,
      tidegate: () => new TidegateScaler(load, { startMs, policy: provisioning, forecaster: fineForecaster(kernels, delayMs) }),
    });
    const scores: PolicyScore[] = [];
    const timelines: Timeline[] = [];
    const progress = output.progress("simulate");
    for (const [index, policy] of policies.entries()) {
      // Swept rivals are points of the frontier; over time only what was asked for is drawn.
      const recorder = values.plot !== undefined && named.includes(policy) ? new TimelineRecorder(span.window) : null;
      const tell = (tick: number): void =>
        progress.update(
          (index + tick / span.window.toTick) / policies.length,
          `${formatPolicy(policy)}, ${index + 1} of ${policies.length}`,
        );
      const score = run(policy, (tick, fleet) => {
        if (tick % PROGRESS_TICKS === 0) tell(tick);
        recorder?.note(tick, fleet);
      });
      scores.push(score);
      if (recorder !== null) timelines.push(recorder.timeline(score.name));
    }
    progress.end();
    const trace = basename(values.trace);
    if (values.plot !== undefined) {
      const times = { fromMs: startMs + span.window.fromTick * TICK_MS, toMs: startMs + span.window.toTick * TICK_MS };
      const subtitle = `Start-up ${formatDuration(delayMs)}, accepted shortfall ${Number((shortfall * 100).toPrecision(4))} % (dashed), one shard carries ${Number(shardLoad.toPrecision(4))}, load ${kind}, seed ${seed}.`;
      const plot = { title: trace, subtitle, shortfall, scores, load: loadTimeline(load, span.window), timelines, ...times };
      await writePage(values.plot, plotPage(plot));
    }
    output.result({
      json: { trace, delayMs, shortfall, policies: scores },
      text: formatScores(scores),
    });
    return EXIT_OK;
  },
});

async function writePage(file: string, page: string, flag: "w" | "a" = "w"): Promise<void> {
  try {
    await writeFile(file, page, { flag });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot write ${file}: ${error.code}, expected a file that can be written`, { cause: error });
  }
}

/** "0.1%" or "0.001". */
function readShare(text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const share = percent === "%" ? Number(digits) / 100 : Number(digits);
  if (share <= 1) return share;
  throw badValue("--shortfall", text, "0% to 100%, such as 0.1%, or a share from 0 to 1");
}

function readSpan(series: Series, { from, to }: { from: string | undefined; to: string | undefined }): { fromMs: number; window: Window } {
  const startMs = series.atMs[0] ?? 0;
  const endMs = series.atMs.at(-1) ?? 0;
  if ((endMs - startMs) / TICK_MS > TICK_COUNT_MAX) {
    throw new CliError(
      `Cannot simulate the trace: it is ${Math.ceil((endMs - startMs) / DAY_MS)} days long, expected at most ${Math.floor((TICK_COUNT_MAX * TICK_MS) / DAY_MS)}`,
    );
  }
  const fromMs = from === undefined ? startMs + (endMs - startMs) / 3 : readTime(from, "--from");
  const toMs = to === undefined ? endMs : readTime(to, "--to");
  if (endMs - startMs < TRACE_MS_MIN) {
    throw new CliError(
      `Cannot simulate the trace: it is ${formatDuration(endMs - startMs)} long, expected at least ${formatDuration(TRACE_MS_MIN)}`,
    );
  }
  const [start, begin, end] = [startMs, fromMs, endMs].map((timeMs) => new Date(timeMs).toISOString());
  if (fromMs < startMs || fromMs >= endMs) throw badValue("--from", from ?? "", `a time from ${start} on, before the trace ends at ${end}`);
  if (toMs <= fromMs || toMs > endMs + TICK_MS)
    throw badValue("--to", to ?? "", `a time after the account begins at ${begin}, until the trace ends at ${end}`);
  const tickOf = (timeMs: number): number => Math.round((timeMs - startMs) / TICK_MS);
  const window = { fromTick: tickOf(fromMs), toTick: Math.min(tickOf(toMs), tickOf(endMs)) };
  if (window.toTick <= window.fromTick)
    throw badValue("--to", to ?? end ?? "", `a time at least ${TICK_MS / SECOND_MS} s after the account begins at ${begin}`);
  return { fromMs, window };
}

function readTime(text: string, option: string): number {
  const timeMs = parseTimestampMs(text);
  if (timeMs === null) throw badValue(option, text, "a time such as 1998-05-26T21:30:00Z");
  return timeMs;
}

/** Shards are whole, and counted in 32 bits. */
function checkLoad(load: Float32Array): void {
  const most = load.reduce((highest, value) => Math.max(highest, value), 0);
  if (most <= FLEET_COUNT_MAX) return;
  throw new CliError(
    `Cannot simulate the trace: its load reaches ${most < Infinity ? most.toPrecision(4) : "more than 3e38"} shards, expected at most ${FLEET_COUNT_MAX}; give a larger --shard-load`,
  );
}

function readShardLoad(text: string, early: Series): number {
  if (text !== "auto20") {
    const shardLoad = readNumber(text, { option: "--shard-load", min: 0, max: SHARD_LOAD_MAX });
    if (shardLoad > 0) return shardLoad;
    throw badValue("--shard-load", text, "a number above 0, or auto20");
  }
  const peak = percentile(early.values, AUTO_PERCENTILE);
  if (peak > 0) return peak / AUTO_SHARD_COUNT;
  throw new CliError(
    `Cannot choose --shard-load auto20: the 95th percentile of the ${early.values.length} rows before --from is ${early.values.length === 0 ? "unknown" : peak}, expected more than 0; give a number`,
  );
}

function formatScores(scores: readonly PolicyScore[]): string {
  const percent = (share: number): string => `${(share * 100).toFixed(4)} %`;
  return formatTable(
    ["policy", "cost ÷ oracle", "shortfall", "time short", "operations/day"],
    scores.map(({ name, costToOracle, shortfallSeen, timeShort, operationsPerDay }) => [
      name,
      costToOracle.toFixed(3),
      percent(shortfallSeen),
      percent(timeShort),
      operationsPerDay.toFixed(0),
    ]),
  );
}
