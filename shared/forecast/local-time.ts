// A time zone's offset at a moment, and the next change of it: what the forecaster needs to look back by local time.
import type { LocalTime } from "./minute-demand.ts";

/** How far ahead a change is looked for: further than any forecast. */
const AHEAD_MS = 8 * 86_400_000;
/** Zones change on whole minutes. */
const RESOLUTION_MS = 60_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError for a zone that is none, and for a time that is none. */
export function localTimeAt(timeZone: string, timeMs: number): LocalTime {
  const offsetMs = offsetAt(timeZone, timeMs);
  const offsetAfterMs = offsetAt(timeZone, timeMs + AHEAD_MS);
  if (offsetAfterMs === offsetMs) return { offsetMs, changeAtMs: Infinity, offsetAfterMs };
  let [before, after] = [timeMs, timeMs + AHEAD_MS];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(timeZone, middle) === offsetMs) before = middle;
    else after = middle;
  }
  return { offsetMs, changeAtMs: after, offsetAfterMs };
}

function offsetAt(timeZone: string, timeMs: number): number {
  if (timeZone === "UTC") return 0;
  const wholeMs = Math.floor(timeMs / RESOLUTION_MS) * RESOLUTION_MS;
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(wholeMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const [year = 0, month = 1, day = 1] = [parts.get("year"), parts.get("month"), parts.get("day")];
  return Date.UTC(year, month - 1, day, parts.get("hour"), parts.get("minute")) - wholeMs;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "gregory",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}
