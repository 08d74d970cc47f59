import { DAY_MS, HOUR_MS, SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { formatTracePoint, parseTimestampMs, TRACE_HEADER } from "../load/trace-point.ts";
import { syntheticTrace, type SyntheticTraceOptions } from "../load/synthetic-trace.ts";
import { badValue, readDurationMs, readInteger, readNumber } from "../option-values.ts";
import { CliError, EXIT_OK } from "../output.ts";
import { writeFileOf } from "../write-file.ts";

const DAYS_MAX = 3_660;
const PEAK_MAX = 10_000_000;
const STEP_COUNT_MAX = 10_000_000;
const SEED_MAX = 2 ** 32 - 1;
/** Rows per write: one row each would spend the time on the stream. */
const CHUNK_ROWS = 1_000;

export const traceCommand = defineCommand({
  name: "trace",
  summary: "Write a synthetic trace of arrivals: days, weeks, noise and bursts, from a seed.",
  details:
    "The trace is CSV, timestamp,value, in UTC; value is the arrivals within the step that begins at timestamp.\nWith --json one object: { options, points: [[timestamp, value], …] }.",
  options: {
    days: { type: "string", default: "7", placeholder: "COUNT", description: "How long the trace is." },
    step: { type: "string", default: "60s", placeholder: "DURATION", description: "Time between two rows." },
    peak: { type: "string", default: "60", placeholder: "NUMBER", description: "Arrivals expected in the busiest step, bursts apart." },
    seed: { type: "string", default: "1", placeholder: "INTEGER", description: "The same seed gives the same trace." },
    start: { type: "string", default: "2026-01-05T00:00:00Z", placeholder: "TIME", description: "The first timestamp." },
    output: { type: "string", placeholder: "FILE", description: "Where to write; else standard output." },
  },
  async run({ values, output }) {
    const options = readOptions(values);
    const text = output.json ? jsonChunks(options) : csvChunks(options);
    if (values.output === undefined) await output.stream(text);
    else await writeFileOf(values.output, text);
    return EXIT_OK;
  },
});

function readOptions(values: Readonly<Record<"days" | "step" | "peak" | "seed" | "start", string>>): SyntheticTraceOptions {
  const startMs = parseTimestampMs(values.start);
  if (startMs === null) throw badValue("--start", values.start, "a time such as 2026-01-05T00:00:00Z");
  const days = readInteger(values.days, { option: "--days", min: 1, max: DAYS_MAX });
  const stepMs = readDurationMs(values.step, { option: "--step", min: SECOND_MS, max: HOUR_MS });
  if (stepMs % SECOND_MS !== 0) throw badValue("--step", values.step, "whole seconds");
  const stepCount = Math.ceil((days * DAY_MS) / stepMs);
  if (stepCount > STEP_COUNT_MAX)
    throw new CliError(`Cannot write the trace: it has ${stepCount} steps, expected at most ${STEP_COUNT_MAX}`);
  return {
    startMs,
    days,
    stepMs,
    peak: readNumber(values.peak, { option: "--peak", min: 0, max: PEAK_MAX }),
    seed: readInteger(values.seed, { option: "--seed", min: 0, max: SEED_MAX }),
  };
}

function* csvChunks(options: SyntheticTraceOptions): Generator<string> {
  yield `${TRACE_HEADER}\n`;
  yield* inChunks(syntheticTrace(options), (point) => `${formatTracePoint(point)}\n`);
}

function* jsonChunks(options: SyntheticTraceOptions): Generator<string> {
  yield `{"options":${JSON.stringify(options)},"points":[`;
  let separator = "";
  yield* inChunks(syntheticTrace(options), ({ atMs, value }) => {
    const text = `${separator}["${new Date(atMs).toISOString()}",${value}]`;
    separator = ",";
    return text;
  });
  yield "]}\n";
}

function* inChunks<T>(items: Iterable<T>, format: (item: T) => string): Generator<string> {
  let rows: string[] = [];
  for (const item of items) {
    rows.push(format(item));
    if (rows.length < CHUNK_ROWS) continue;
    yield rows.join("");
    rows = [];
  }
  yield rows.join("");
}
