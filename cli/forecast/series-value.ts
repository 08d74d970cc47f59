import type { CsvCell } from "./csv-cells.ts";

/** Where in a row something is wrong, and what. */
export interface RowFault {
  readonly column: number;
  readonly found: string;
  readonly expected: string;
}

/** Of one series. */
export const VALUE_COUNT_MAX = 1_000_000;
const VALUE_MAX = 1e15;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const MISSING = /^(|na|nan|null)$/i;

/** Neither a number nor what stands for a missing one: a header has such words. */
export function isWord(text: string): boolean {
  return !NUMBER.test(text) && !MISSING.test(text);
}

export function isNumber(text: string): boolean {
  return NUMBER.test(text);
}

/** NaN where the value is missing. */
export function readValue({ text, column }: CsvCell): number | RowFault {
  if (MISSING.test(text)) return NaN;
  const value = Number(text);
  if (NUMBER.test(text) && value >= 0 && value <= VALUE_MAX) return value;
  return { column, found: JSON.stringify(text), expected: `a number from 0 to ${VALUE_MAX}, or nothing where it is missing` };
}
