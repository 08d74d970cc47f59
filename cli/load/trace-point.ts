// One row of a trace: `timestamp,value`.

export interface TracePoint {
  /** Where its step begins. */
  readonly atMs: number;
  /** Arrivals in the step. */
  readonly value: number;
}

export const TRACE_HEADER = "timestamp,value";
const TIMESTAMP = /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?<zone>Z|[+-]\d{2}:\d{2})?$/;

/** Every month has so many. */
const DAYS_MIN = 28;

export function formatTracePoint({ atMs, value }: TracePoint): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")},${value}`;
}

/** Null where the text is no such row. */
export function parseTracePoint(line: string): TracePoint | null {
  const [timestamp = "", text = "", ...more] = line.split(",");
  const atMs = parseTimestampMs(timestamp);
  if (more.length > 0 || atMs === null || !/^\d+(\.\d*)?(e\+?\d+)?$/.test(text.trim())) return null;
  const value = Number(text);
  return Number.isFinite(value) ? { atMs, value } : null;
}

/** "1995-07-01 00:00:00" and its ISO 8601 kin; UTC where no zone is named. */
export function parseTimestampMs(text: string): number | null {
  const trimmed = text.trim();
  const parts = TIMESTAMP.exec(trimmed)?.groups;
  if (parts === undefined) return null;
  const day = Number(parts["day"]);
  // Date.parse takes the 30th of February for the 1st of March.
  if (day > DAYS_MIN && day > daysIn(Number(parts["year"]), Number(parts["month"]))) return null;
  const atMs = Date.parse(`${trimmed.replace(" ", "T")}${parts["zone"] === undefined ? "Z" : ""}`);
  return Number.isNaN(atMs) ? null : atMs;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
