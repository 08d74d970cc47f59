// Series on disk: wide, a row each, `id,v1,v2,…`; or long, one series, `timestamp,value` a row. Which it is shows in its first
// row; a header is optional.
import { createReadStream } from "node:fs";
import { basename, extname } from "node:path";
import { boundedLines } from "../lines.ts";
import { parseTimestampMs } from "../load/trace-point.ts";
import { CliError } from "../output.ts";
import { isSystemError } from "../system-error.ts";
import { csvCells, type CsvCell } from "./csv-cells.ts";
import { LongSeries } from "./long-series.ts";
import { isNumber, isWord, readValue, VALUE_COUNT_MAX, type RowFault } from "./series-value.ts";

export interface Series {
  readonly id: string;
  /** Missing ones are NaN. */
  readonly values: Float64Array;
}

const SERIES_COUNT_MAX = 100_000;
const LINE_CHARACTERS_MAX = 16_000_000;
const TOTAL_COUNT_MAX = 50_000_000;
const EXPECTED_FILE = "a file with rows id,v1,v2,… or timestamp,value";

/** Reads the whole file. Throws a CliError with file, line and column of the first fault. */
export async function readSeriesFile(file: string): Promise<Series[]> {
  const wide: Series[] = [];
  const ids = new Set<string>();
  let long: LongSeries | null = null;
  let [lineNumber, total] = [0, 0];
  let hasHeader = false;
  for await (const line of readLines(file)) {
    lineNumber += 1;
    if (line.trim() === "") continue;
    const fail = (fault: RowFault): never => {
      throw new CliError(`Cannot read series ${file}:${lineNumber}:${fault.column}: is ${fault.found}, expected ${fault.expected}`);
    };
    const cells = csvCells(line) ?? fail({ column: 1, found: "a cell with an open quote", expected: 'cells such as 42 or "42"' });
    const isFirst = long === null && wide.length === 0;
    if (isFirst && !hasHeader && isHeader(cells)) {
      hasHeader = true;
      continue;
    }
    if (isFirst && cells.length === 2 && parseTimestampMs(cells[0]?.text ?? "") !== null) long = new LongSeries();
    const fault = long === null ? addWide(cells, { series: wide, ids }) : long.add(cells);
    if (fault !== null) fail(fault);
    total += long === null ? (wide.at(-1)?.values.length ?? 0) : 1;
    if (total > TOTAL_COUNT_MAX) fail({ column: 1, found: `value ${total}`, expected: `at most ${TOTAL_COUNT_MAX} in all` });
  }
  const series = long === null ? wide : [{ id: basename(file, extname(file)), values: long.values() }];
  if (series.length === 0) throw new CliError(`Cannot read series ${file}: it has no rows, expected ${EXPECTED_FILE}`);
  return series;
}

/** A header has words after its first cell, and no number. */
function isHeader([, ...cells]: readonly CsvCell[]): boolean {
  return cells.some(({ text }) => isWord(text)) && !cells.some(({ text }) => isNumber(text));
}

function addWide([first, ...cells]: readonly CsvCell[], { series, ids }: { series: Series[]; ids: Set<string> }): RowFault | null {
  const id = first?.text ?? "";
  if (id === "") return { column: 1, found: "empty", expected: "the name of a series" };
  if (ids.has(id)) return { column: 1, found: `${JSON.stringify(id)} again`, expected: "a name that no row before has" };
  if (series.length >= SERIES_COUNT_MAX)
    return { column: 1, found: `series ${series.length + 1}`, expected: `at most ${SERIES_COUNT_MAX}` };
  const last = cells.findLastIndex(({ text }) => text !== "");
  if (last < 0) return { column: id.length + 1, found: "no value", expected: "at least one" };
  if (last >= VALUE_COUNT_MAX)
    return { column: cells[VALUE_COUNT_MAX]?.column ?? 1, found: `value ${last + 1}`, expected: `at most ${VALUE_COUNT_MAX}` };
  const values = new Float64Array(last + 1);
  for (const [index, cell] of cells.slice(0, last + 1).entries()) {
    const value = readValue(cell);
    if (typeof value !== "number") return value;
    values[index] = value;
  }
  ids.add(id);
  series.push({ id, values });
  return null;
}

async function* readLines(file: string): AsyncGenerator<string> {
  const tooLong = (): CliError =>
    new CliError(`Cannot read series ${file}: it has a line of more than ${LINE_CHARACTERS_MAX} characters, expected ${EXPECTED_FILE}`);
  try {
    yield* boundedLines(createReadStream(file), { charactersMax: LINE_CHARACTERS_MAX, tooLong });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot read series ${file}: ${error.code}, expected ${EXPECTED_FILE}`, { cause: error });
  }
}
