// A recorded trace, `timestamp,value` rows, as hourly series to learn from.

const HOUR_MS = 3_600_000;
/** What is learned from is the beginning; the rest of a trace is for measuring. */
const EARLY_SHARE = 0.4;
const WINDOW_HOURS = 960;
const WINDOW_EVERY_HOURS = 240;

/** Sums to hours; throws where the rows are no even step of a divisor of an hour. */
export function hourlyTrace(text: string): number[] {
  const rows = text
    .trim()
    .split("\n")
    .slice(1)
    .map((row) => row.split(","));
  const [first, second] = rows.map(([time = ""]) => Date.parse(`${time.replace(" ", "T")}Z`));
  const perHour = HOUR_MS / ((second ?? Number.NaN) - (first ?? Number.NaN));
  if (!(Number.isInteger(perHour) && perHour >= 1))
    throw new RangeError("Cannot read a trace: expected rows at an even step, a whole number of them an hour");
  const values = rows.map(([, value = ""]) => Number(value));
  return Array.from({ length: Math.floor(values.length / perHour) }, (_, hour) =>
    values.slice(hour * perHour, (hour + 1) * perHour).reduce((sum, value) => sum + value, 0),
  );
}

/** Overlapping windows of the trace's early part; none where that is shorter than a window. */
export function trainingWindows(values: readonly number[]): number[][] {
  const hours = earlyHours(values);
  const windows = [];
  for (let from = 0; from + WINDOW_HOURS <= hours; from += WINDOW_EVERY_HOURS) windows.push(values.slice(from, from + WINDOW_HOURS));
  return windows;
}

/** What no window touches. */
export function measuringPart(values: readonly number[]): number[] {
  return values.slice(earlyHours(values));
}

function earlyHours(values: readonly number[]): number {
  return Math.floor(values.length * EARLY_SHARE);
}
