// One trace through a forecaster as it would live: every bin observed once, the hourly core told of every whole hour, and
// what it expects told to the minutes.
import { learnedModel } from "#shared/forecast/learned-model.ts";
import { FineForecaster } from "#wasm/binding/forecast/fine-forecaster.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { SeasonalForecaster } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { Trace } from "./traces.ts";

const HOUR_MS = 3_600_000;
const OUTLOOK_HOURS = 4;

/** By the bin that was forecast; NaN where nothing was. */
export interface Said {
  readonly mean: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Also the mean processor time of an observation with all horizons, without the core's. */
export function runTrace(kernels: Kernels, trace: Trace): { said: Said[]; microseconds: number } {
  const { values, stepMs, startMs, horizonsMs } = trace;
  const forecaster = new FineForecaster(kernels, { stepMs, horizonsMs });
  const empty = (): Float64Array => new Float64Array(values.length).fill(Number.NaN);
  const said = horizonsMs.map(() => ({ mean: empty(), lower: empty(), upper: empty() }));
  const core = new HourlyCore(kernels, Math.floor(startMs / HOUR_MS));
  let microseconds = 0;
  let count = 0;
  const timed = <T>(run: () => T): T => {
    const began = process.cpuUsage();
    const result = run();
    const { user, system } = process.cpuUsage(began);
    microseconds += user + system;
    return result;
  };
  for (const [bin, value] of values.entries()) {
    const timeMs = startMs + bin * stepMs;
    // In the order of DemandForecaster. This closes the bin before: what is learned from it is to know no more of the hours than
    // what will be told knows, so the new hour's outlook comes after.
    if (!Number.isNaN(value)) timed(() => forecaster.observe(value, timeMs));
    const outlook = core.advance(Math.floor(timeMs / HOUR_MS));
    if (outlook !== null) forecaster.setOutlook(outlook.startMs, outlook.logs);
    if (Number.isNaN(value)) continue;
    core.observe(value);
    const rows = timed(() => forecaster.profile(horizonsMs));
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
  return { said, microseconds: microseconds / count };
}

// Hours are complete once a later one begins; a missing hour is NaN.
class HourlyCore {
  readonly #core: SeasonalForecaster;
  #hour: number;
  #sum = 0;
  #count = 0;
  #expected = Number.NaN;

  constructor(kernels: Kernels, hour: number) {
    this.#core = new SeasonalForecaster(kernels, learnedModel(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64")));
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
    let coming: number[] = [];
    for (; this.#hour < hour; this.#hour += 1) {
      this.#core.observe(this.#count > 0 ? this.#sum / this.#count : Number.NaN);
      [this.#sum, this.#count] = [0, 0];
      before = this.#expected;
      coming = Array.from(this.#core.forecast(OUTLOOK_HOURS).mean, (mean) => Math.log1p(mean));
      this.#expected = coming[0] ?? Number.NaN;
    }
    if (Number.isNaN(before)) return null;
    return { startMs: (hour - 1) * HOUR_MS, logs: [before, ...coming] };
  }
}
