// A trace on disk, read as a stream: a file of any length, one row in memory at a time.
import { createReadStream } from "node:fs";
import { boundedLines } from "../lines.ts";
import { CliError } from "../output.ts";
import { isSystemError } from "../system-error.ts";
import { parseTracePoint, type TracePoint } from "./trace-point.ts";

export interface TraceSummary {
  readonly firstMs: number;
  readonly lastMs: number;
  /** The most frequent distance between rows. */
  readonly stepMs: number;
  readonly pointCount: number;
}

const LINE_CHARACTERS_MAX = 256;
/** Distances looked at to find the step: a gap or two among them does no harm. */
const STEP_SAMPLE_COUNT = 1_000;
const EXPECTED_ROW = "timestamp,value such as 1995-07-01 00:00:00,42";

/** Reads the whole trace once, so that a fault in its last row is told before the first request is sent. */
export async function summarizeTrace(file: string): Promise<TraceSummary> {
  const stepCounts = new Map<number, number>();
  let first: TracePoint | null = null;
  let last: TracePoint | null = null;
  let pointCount = 0;
  for await (const point of readTrace(file)) {
    if (last !== null && pointCount <= STEP_SAMPLE_COUNT) {
      const stepMs = point.atMs - last.atMs;
      stepCounts.set(stepMs, (stepCounts.get(stepMs) ?? 0) + 1);
    }
    first ??= point;
    last = point;
    pointCount++;
  }
  const [step] = [...stepCounts].toSorted(([, a], [, b]) => b - a);
  if (first === null || last === null || step === undefined)
    throw new CliError(`Cannot read trace ${file}: it has ${pointCount} rows, expected at least two`);
  return { firstMs: first.atMs, lastMs: last.atMs, stepMs: step[0], pointCount };
}

/** The rows in order. Throws a CliError with the line of the first that is not one, or that goes back in time. */
export async function* readTrace(file: string): AsyncGenerator<TracePoint> {
  let lineNumber = 0;
  let previousMs = -Infinity;
  for await (const line of readLines(file)) {
    lineNumber++;
    const point = parseTracePoint(line);
    if (point === null) {
      const isHeader = lineNumber === 1 && !/^\s*\d/.test(line);
      if (isHeader || line.trim() === "") continue;
      throw new CliError(`Cannot read trace ${file}:${lineNumber}: is ${JSON.stringify(line.trim())}, expected ${EXPECTED_ROW}`);
    }
    if (point.atMs <= previousMs) {
      throw new CliError(
        `Cannot read trace ${file}:${lineNumber}: is ${new Date(point.atMs).toISOString()}, expected a time after ${new Date(previousMs).toISOString()}`,
      );
    }
    previousMs = point.atMs;
    yield point;
  }
}

async function* readLines(file: string): AsyncGenerator<string> {
  const tooLong = (): CliError =>
    new CliError(`Cannot read trace ${file}: it has a line of more than ${LINE_CHARACTERS_MAX} characters, expected ${EXPECTED_ROW}`);
  try {
    yield* boundedLines(createReadStream(file), { charactersMax: LINE_CHARACTERS_MAX, tooLong });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot read trace ${file}: ${error.code}, expected a file with ${EXPECTED_ROW}`, { cause: error });
  }
}
