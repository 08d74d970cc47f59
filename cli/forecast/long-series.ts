// A series as rows of timestamp,value: put on an even grid, what is not there is missing.
import { parseTimestampMs } from "../load/trace-point.ts";
import type { CsvCell } from "./csv-cells.ts";
import { readValue, VALUE_COUNT_MAX, type RowFault } from "./series-value.ts";

interface Point {
  readonly atMs: number;
  readonly value: number;
}

export class LongSeries {
  readonly #points: Point[] = [];

  add(cells: readonly CsvCell[]): RowFault | null {
    const [timestamp, cell] = cells;
    if (timestamp === undefined || cell === undefined || cells.length > 2)
      return { column: cells[2]?.column ?? 1, found: `${cells.length} cells`, expected: "two, timestamp,value" };
    const atMs = parseTimestampMs(timestamp.text);
    if (atMs === null) return { column: 1, found: JSON.stringify(timestamp.text), expected: "a time such as 1995-07-01 00:00:00" };
    const previousMs = this.#points.at(-1)?.atMs ?? -Infinity;
    if (atMs <= previousMs)
      return { column: 1, found: new Date(atMs).toISOString(), expected: `a time after ${new Date(previousMs).toISOString()}` };
    const value = readValue(cell);
    if (typeof value !== "number") return value;
    if (this.#points.length >= VALUE_COUNT_MAX)
      return { column: 1, found: `row ${VALUE_COUNT_MAX + 1}`, expected: `at most ${VALUE_COUNT_MAX}` };
    this.#points.push({ atMs, value });
    return null;
  }

  /**
   * On the grid of the most frequent distance; each row at the nearest place of it, of two at one place the later. After a gap so
   * long that the grid would outgrow its bound, what is behind the gap.
   */
  values(): Float64Array {
    const stepMs = this.#stepMs();
    const lastMs = this.#points.at(-1)?.atMs ?? 0;
    const places = this.#points.map(({ atMs }) => Math.round((atMs - lastMs) / stepMs));
    const first = places.find((place) => place > -VALUE_COUNT_MAX) ?? 0;
    const values = new Float64Array(1 - first).fill(NaN);
    for (const [index, { value }] of this.#points.entries()) {
      const place = (places[index] ?? 0) - first;
      if (place >= 0) values[place] = value;
    }
    return values;
  }

  #stepMs(): number {
    const counts = new Map<number, number>();
    for (const [index, { atMs }] of this.#points.slice(1).entries()) {
      const stepMs = atMs - (this.#points[index]?.atMs ?? 0);
      counts.set(stepMs, (counts.get(stepMs) ?? 0) + 1);
    }
    const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
    return most?.[0] ?? 1;
  }
}
