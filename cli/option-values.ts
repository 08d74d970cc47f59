// From an option's text to its value, or to a CliError that says what was expected.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { CliError, EXIT_USAGE } from "./output.ts";

/** `option` is the name with its dashes, as the user wrote it. */
interface Bounds {
  readonly option: string;
  readonly min: number;
  readonly max: number;
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS };

export function readInteger(text: string, { option, min, max }: Bounds): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
  throw badValue(option, text, `an integer from ${min} to ${max}`);
}

export function readNumber(text: string, { option, min, max }: Bounds): number {
  const value = Number(text);
  if (/^-?\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return value;
  throw badValue(option, text, `a number from ${min} to ${max}`);
}

/** "90s", "1.5h", "7d": to whole milliseconds. */
export function readDurationMs(text: string, { option, min, max }: Bounds): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== null && durationMs >= min && durationMs <= max) return durationMs;
  throw badValue(option, text, `a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as 90s, 30m, 6h or 1d`);
}

export function readChoice<const T extends string>(text: string, { option, choices }: { option: string; choices: readonly T[] }): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw badValue(option, text, `one of ${choices.join(", ")}`);
}

export function readPattern(text: string, { option, pattern, expected }: { option: string; pattern: RegExp; expected: string }): string {
  if (pattern.test(text)) return text;
  throw badValue(option, text, expected);
}

export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d|w)$/.exec(text);
  const unitMs = DURATION_UNITS_MS[match?.[2] ?? ""];
  return unitMs === undefined ? null : Math.round(Number(match?.[1]) * unitMs);
}

/** "1h", "1.5m", "366d": in the largest unit up to days, to a tenth of it. */
export function formatDuration(durationMs: number): string {
  const [unit, unitMs] = Object.entries(DURATION_UNITS_MS).findLast(([name, ms]) => name !== "w" && durationMs >= ms) ?? ["ms", 1];
  return `${Number((durationMs / unitMs).toFixed(1))}${unit}`;
}

export function badValue(option: string, text: string, expected: string): CliError {
  return new CliError(`Cannot read ${option}: is ${JSON.stringify(text)}, expected ${expected}`, { exitCode: EXIT_USAGE });
}
