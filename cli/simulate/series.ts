// A trace held whole, as columns.
import { readTrace } from "../load/trace-file.ts";
import { CliError } from "../output.ts";

export interface Series {
  readonly atMs: Float64Array;
  readonly values: Float64Array;
}

const POINT_COUNT_MAX = 5_000_000;

/** Reads a trace file, or throws a CliError that names the line. */
export async function readSeries(file: string): Promise<Series> {
  const atMs: number[] = [];
  const values: number[] = [];
  for await (const point of readTrace(file)) {
    if (atMs.length >= POINT_COUNT_MAX) throw new CliError(`Cannot read trace ${file}: it has more rows than ${POINT_COUNT_MAX}`);
    atMs.push(point.atMs);
    values.push(point.value);
  }
  if (atMs.length < 3) throw new CliError(`Cannot read trace ${file}: it has ${atMs.length} rows, expected at least three`);
  return { atMs: Float64Array.from(atMs), values: Float64Array.from(values) };
}

/** The rows in [fromMs, toMs). */
export function sliceSeries({ atMs, values }: Series, { fromMs, toMs }: { fromMs: number; toMs: number }): Series {
  const first = firstAtOrAfter(atMs, fromMs);
  const end = firstAtOrAfter(atMs, toMs);
  return { atMs: atMs.slice(first, end), values: values.slice(first, end) };
}

/** Nearest rank; `share` from 0 to 1. */
export function percentile(values: Float64Array, share: number): number {
  const sorted = values.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

function firstAtOrAfter(atMs: Float64Array, timeMs: number): number {
  const index = atMs.findIndex((at) => at >= timeMs);
  return index === -1 ? atMs.length : index;
}
