// One trace through a forecaster as it would live: every bin observed once, the hourly core told of every whole hour, and
// what it expects told to the minutes.
import { SeasonalForecasterReference } from "#wasm/reference/forecast/seasonal-forecaster.ts";
import type { Trace } from "./traces.ts";

const HOUR_MS = 3_600_000;
const OUTLOOK_HOURS = 4;

export interface MinuteForecaster {
  setOutlook(startMs: number, logs: ArrayLike<number>): void;
  observe(value: number, timeMs: number): unknown;
  profile(horizonsMs: readonly number[]): readonly { readonly mean: number; readonly lower: number; readonly upper: number }[];
}

/** By the bin that was forecast; NaN where nothing was. */
export interface Said {
  readonly mean: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Forecasts are asked for from bin `from` on. Also the mean time of an observation with all horizons, without the core's. */
export function runTrace(trace: Trace, forecaster: MinuteForecaster, from: number): { said: Said[]; microseconds: number } {
  const { values, stepMs, startMs, horizonsMs } = trace;
  const empty = (): Float64Array => new Float64Array(values.length).fill(Number.NaN);
  const said = horizonsMs.map(() => ({ mean: empty(), lower: empty(), upper: empty() }));
  const core = new HourlyCore(Math.floor(startMs / HOUR_MS));
  let elapsedMs = 0;
  let count = 0;
  for (const [bin, value] of values.entries()) {
    const timeMs = startMs + bin * stepMs;
    const outlook = core.advance(Math.floor(timeMs / HOUR_MS));
    if (outlook !== null) forecaster.setOutlook(outlook.startMs, outlook.logs);
    if (Number.isNaN(value)) continue;
    core.observe(value);
    const beganMs = performance.now();
    forecaster.observe(value, timeMs);
    if (bin < from) continue;
    const rows = forecaster.profile(horizonsMs);
    elapsedMs += performance.now() - beganMs;
    count += 1;
    for (const [index, row] of rows.entries()) {
      const at = bin + Math.round((horizonsMs[index] ?? 0) / stepMs);
      const into = said[index];
      if (into === undefined || at >= values.length) continue;
      into.mean[at] = row.mean;
      into.lower[at] = row.lower;
      into.upper[at] = row.upper;
    }
  }
  return { said, microseconds: (1_000 * elapsedMs) / count };
}

// Hours are complete once a later one begins; a missing hour is NaN.
class HourlyCore {
  readonly #core = new SeasonalForecasterReference();
  #hour: number;
  #sum = 0;
  #count = 0;
  #expected = Number.NaN;

  constructor(hour: number) {
    this.#hour = hour;
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
  }

  /** After new whole hours: what was expected of the last one, then what is expected of the coming. */
  advance(hour: number): { startMs: number; logs: number[] } | null {
    if (hour === this.#hour) return null;
    let before = Number.NaN;
    for (; this.#hour < hour; this.#hour += 1) {
      this.#core.observe(this.#count > 0 ? this.#sum / this.#count : Number.NaN);
      [this.#sum, this.#count] = [0, 0];
      this.#core.forecast(OUTLOOK_HOURS);
      before = this.#expected;
      this.#expected = Math.log1p(this.#core.mean[0] ?? 0);
    }
    if (Number.isNaN(before)) return null;
    return {
      startMs: (hour - 1) * HOUR_MS,
      logs: [before, ...Array.from(this.#core.mean.subarray(0, OUTLOOK_HOURS), (mean) => Math.log1p(mean))],
    };
  }
}
