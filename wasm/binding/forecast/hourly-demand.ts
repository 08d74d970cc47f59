// The seasonal core fed by the clock: hours of local time, so that a day's shape stays where people keep it.
import { HORIZON_MAX } from "#shared/forecast/seasonal-model.ts";
import type { SeasonalForecast, SeasonalForecaster } from "./seasonal-forecaster.ts";

const HOUR_MS = 3_600_000;
/** Hours of the outlook: the one before, for a slope, and the coming. */
const OUTLOOK_HOURS = 26;
/** Missing hours that one observation makes up for; the rest waits for the next ones. */
const CATCH_UP_MAX = 6;
const WEEK_HOURS = 168;

/** Everything but the core's own state. */
export interface HourlyState {
  readonly hour: number | null;
  readonly sum: number;
  readonly count: number;
  readonly expectedLog: number | null;
}

export interface Outlook {
  /** Local time. */
  readonly startMs: number;
  /** log1p of the hours from there on. */
  readonly logs: readonly number[];
}

export interface HourlyRow {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

export class HourlyDemand {
  readonly #core: SeasonalForecaster;
  /** The local hour that is being summed up; null before any. */
  #hour: number | null = null;
  #sum = 0;
  #count = 0;
  #expectedLog = Number.NaN;
  /** Of this hour, once asked for. */
  #coming: Pick<SeasonalForecast, "mean" | "lower" | "upper"> | null = null;

  constructor(core: SeasonalForecaster) {
    this.#core = core;
  }

  /**
   * A value at a local time; NaN where it is missing. The outlook, where an hour ended with it. When clocks go back the repeated hour is part of
   * the same; when they go forward the hour that is left out is missing; so are hours of silence.
   */
  observe(value: number, localMs: number): Outlook | null {
    const hour = Math.floor(localMs / HOUR_MS);
    this.#hour ??= hour;
    // Set back by more than daylight saving: begin to sum up again from here.
    if (hour < this.#hour - 2) this.#hour = hour;
    const outlook = hour > this.#hour ? this.#closeUntil(hour) : null;
    // While hours of silence are made up for, the hour at hand has not come.
    if (!Number.isNaN(value) && hour <= this.#hour) {
      this.#sum += value;
      this.#count += 1;
    }
    return outlook;
  }

  #closeUntil(hour: number): Outlook {
    let at = this.#hour ?? hour;
    // Of a long silence, so much that the hours of the week stay in step.
    if (hour - at > 2 * WEEK_HOURS) at = hour - WEEK_HOURS - ((hour - at) % WEEK_HOURS);
    let before = this.#expectedLog;
    const end = Math.min(hour, at + CATCH_UP_MAX);
    for (; at < end; at += 1) {
      this.#core.observe(this.#count > 0 ? this.#sum / this.#count : Number.NaN);
      [this.#sum, this.#count] = [0, 0];
      before = this.#expectedLog;
    }
    this.#hour = at;
    this.#coming = null;
    const coming = Array.from(this.#core.forecast(OUTLOOK_HOURS).mean, (mean) => Math.log1p(mean));
    this.#expectedLog = coming[0] ?? Number.NaN;
    return Number.isNaN(before) ? { startMs: at * HOUR_MS, logs: coming } : { startMs: (at - 1) * HOUR_MS, logs: [before, ...coming] };
  }

  /** What is expected of the hour of a local time; null where that is not among the coming 168. */
  rowAt(localMs: number): HourlyRow | null {
    if (this.#hour === null) return null;
    const step = Math.floor(localMs / HOUR_MS) - this.#hour;
    if (step < 0 || step >= HORIZON_MAX) return null;
    const { mean, lower, upper } = (this.#coming ??= copyOf(this.#core.forecast(HORIZON_MAX)));
    return { mean: mean[step] ?? 0, lower: lower[step] ?? 0, upper: upper[step] ?? 0 };
  }

  get state(): HourlyState {
    const expectedLog = Number.isNaN(this.#expectedLog) ? null : this.#expectedLog;
    return { hour: this.#hour, sum: this.#sum, count: this.#count, expectedLog };
  }

  set state({ hour, sum, count, expectedLog }: HourlyState) {
    this.#hour = hour;
    this.#sum = sum;
    this.#count = count;
    this.#expectedLog = expectedLog ?? Number.NaN;
    this.#coming = null;
  }
}

function copyOf({ mean, lower, upper }: SeasonalForecast): Pick<SeasonalForecast, "mean" | "lower" | "upper"> {
  return { mean: mean.slice(), lower: lower.slice(), upper: upper.slice() };
}
