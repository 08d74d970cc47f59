// The part of a trace that a command is to work on, as its options name it.
import { DAY_MS } from "#shared/units.ts";
import { badValue, parseDurationMs, readDurationMs, readNumber } from "../option-values.ts";
import type { TraceSummary } from "./trace-file.ts";
import { parseTimestampMs } from "./trace-point.ts";

const LENGTH_MS_MAX = 36_600 * DAY_MS;
const SCALE = { min: 0, max: 1_000_000 };

/** Beside `for`, which each command describes in its own words. */
export const TRACE_OPTIONS = {
  trace: {
    type: "string",
    required: true,
    placeholder: "FILE",
    description: "CSV of timestamp,value: value arrivals in the step that begins there.",
  },
  scale: { type: "string", default: "1", placeholder: "NUMBER", description: "Times the trace's values." },
  from: {
    type: "string",
    placeholder: "TIME",
    description: "Where in the trace to begin: a timestamp, or a distance from its start such as 2d.",
  },
} as const;

export function readScale(text: string): number {
  return readNumber(text, { option: "--scale", ...SCALE });
}

/** From --from until --for later, or the trace's end. */
export function windowOf(
  { firstMs, lastMs, stepMs }: TraceSummary,
  { from, for: length }: { readonly from: string | undefined; readonly for: string | undefined },
): { fromMs: number; untilMs: number } {
  const endMs = lastMs + stepMs;
  const fromMs = from === undefined ? firstMs : fromOption(from, firstMs);
  if (fromMs < firstMs || fromMs >= endMs) {
    throw badValue(
      "--from",
      from ?? "",
      `a time within the trace, from ${new Date(firstMs).toISOString()} to before ${new Date(endMs).toISOString()}`,
    );
  }
  const untilMs = length === undefined ? endMs : fromMs + readDurationMs(length, { option: "--for", min: 1, max: LENGTH_MS_MAX });
  return { fromMs, untilMs: Math.min(untilMs, endMs) };
}

function fromOption(text: string, firstMs: number): number {
  const offsetMs = parseDurationMs(text);
  const atMs = offsetMs === null ? parseTimestampMs(text) : firstMs + offsetMs;
  if (atMs === null) throw badValue("--from", text, "a timestamp such as 1995-07-01 00:00:00, or a distance such as 2d");
  return atMs;
}
