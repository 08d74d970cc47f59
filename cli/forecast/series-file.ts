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
  const rows = new SeriesRows();
  let lineNumber = 0;
  for await (const line of readLines(file)) {
    lineNumber += 1;
    const fault = line.trim() === "" ? null : rows.add(line);
    if (fault !== null)
      throw new CliError(`Cannot read series ${file}:${lineNumber}:${fault.column}: is ${fault.found}, expected ${fault.expected}`);
  }
  const series = rows.series(basename(file, extname(file)));
  if (series.length === 0) throw new CliError(`Cannot read series ${file}: it has no rows, expected ${EXPECTED_FILE}`);
  return series;
}

/** What the rows say so far: each is a series, or all are one. */
class SeriesRows {
  readonly #wide: Series[] = [];
  readonly #ids = new Set<string>();
  #long: LongSeries | null = null;
  #hasHeader = false;
  #total = 0;

  /** `name`: of the one series of a long file. */
  series(name: string): Series[] {
    return this.#long === null ? this.#wide : [{ id: name, values: this.#long.values() }];
  }

  add(line: string): RowFault | null {
    const cells = csvCells(line);
    if (cells === null) return { column: 1, found: "a cell with an open quote", expected: 'cells such as 42 or "42"' };
    const isFirst = this.#long === null && this.#wide.length === 0;
    if (isFirst && !this.#hasHeader && isHeader(cells)) {
      this.#hasHeader = true;
      return null;
    }
    if (isFirst && cells.length === 2 && parseTimestampMs(cells[0]?.text ?? "") !== null) this.#long = new LongSeries();
    const fault = this.#long === null ? addWide(cells, { series: this.#wide, ids: this.#ids }) : this.#long.add(cells);
    if (fault !== null) return fault;
    this.#total += this.#long === null ? (this.#wide.at(-1)?.values.length ?? 0) : 1;
    if (this.#total <= TOTAL_COUNT_MAX) return null;
    return { column: 1, found: `value ${this.#total}`, expected: `at most ${TOTAL_COUNT_MAX} in all` };
  }
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
