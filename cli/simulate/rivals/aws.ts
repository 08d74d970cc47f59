// AWS Auto Scaling: target tracking, and predictive scaling on top (forecast and scale). Source: Amazon EC2 Auto Scaling
// user guide, "Target tracking", "Predictive scaling". Published: alarms of three minutes up and fifteen down on a metric of
// one minute, a band of 10 % below the target; an hourly forecast from 24 hours to 14 days of history, renewed every six
// hours, scale-out only, 300 s ahead of its hour. Unpublished is the forecast's model; in its place stands the mean of the
// same hour of the same weekday in the 14 days, or of every day where that weekday was not seen.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Scaler } from "../account.ts";
import type { Fleet } from "../fleet.ts";
import { ticksOf } from "../tick.ts";

const MINUTE_TICKS = ticksOf(MINUTE_MS);
const HOUR_TICKS = ticksOf(HOUR_MS);
const BUFFER_TICKS = ticksOf(300 * SECOND_MS);
const UP_MINUTES = 3;
const DOWN_MINUTES = 15;
const DOWN_BAND = 0.9;
const HOURS_PER_DAY = DAY_MS / HOUR_MS;
const HOURS_PER_WEEK = 7 * HOURS_PER_DAY;
const HISTORY_HOURS_MIN = HOURS_PER_DAY;
const HISTORY_HOURS_MAX = 14 * HOURS_PER_DAY;
const RENEWAL_HOURS = 6;
const COUNT_MIN = 1;
const ROUNDING = 1e-9;

/** Mean load of hour `hour` (counted from the trace's first) as known after `knownCount` whole hours; null: too little history. */
export function awsHourlyForecast(
  hourlyMeans: readonly number[],
  { hour, knownCount }: { hour: number; knownCount: number },
): number | null {
  if (knownCount < HISTORY_HOURS_MIN) return null;
  const oldest = Math.max(0, knownCount - HISTORY_HOURS_MAX);
  const meanBack = (period: number): number | null => {
    let sum = 0;
    let count = 0;
    for (let at = hour - period; at >= oldest; at -= period) {
      if (at >= knownCount) continue;
      sum += hourlyMeans[at] ?? 0;
      count++;
    }
    return count === 0 ? null : sum / count;
  };
  return meanBack(HOURS_PER_WEEK) ?? meanBack(HOURS_PER_DAY);
}

export class AwsScaler implements Scaler {
  readonly #load: Float32Array;
  readonly #target: number;
  readonly #hourlyMeans: number[] = [];
  #minuteSum = 0;
  #hourSum = 0;
  #highCount = 0;
  #lowCount = 0;

  constructor(load: Float32Array, target: number) {
    this.#load = load;
    this.#target = target;
  }

  decide(tick: number, { count, ready }: Fleet): number {
    if (tick === 0) return count;
    const newest = this.#load[tick - 1] ?? 0;
    this.#minuteSum += newest;
    this.#hourSum += newest;
    if (tick % HOUR_TICKS === 0) {
      this.#hourlyMeans.push(this.#hourSum / HOUR_TICKS);
      this.#hourSum = 0;
    }
    if (tick % MINUTE_TICKS !== 0) return count;
    const tracked = this.#track(this.#minuteSum / MINUTE_TICKS, { count, ready });
    this.#minuteSum = 0;
    return Math.max(COUNT_MIN, tracked, this.#predicted(tick));
  }

  /** Shards that warm up count as there: an alarm adds to them only what is still missing. */
  #track(need: number, { count, ready }: { count: number; ready: number }): number {
    const usage = need / Math.max(1, ready) / this.#target;
    this.#highCount = usage > 1 ? this.#highCount + 1 : 0;
    this.#lowCount = usage < DOWN_BAND ? this.#lowCount + 1 : 0;
    const desired = Math.ceil(need / this.#target - ROUNDING);
    if (this.#highCount >= UP_MINUTES) return Math.max(count, desired);
    return this.#lowCount >= DOWN_MINUTES ? Math.min(count, desired) : count;
  }

  #predicted(tick: number): number {
    const hour = Math.floor((tick + BUFFER_TICKS) / HOUR_TICKS);
    const known = Math.floor(tick / HOUR_TICKS);
    const need = Math.max(this.#forecast(hour, known), this.#forecast(Math.floor(tick / HOUR_TICKS), known));
    return Math.ceil(need / this.#target - ROUNDING);
  }

  #forecast(hour: number, known: number): number {
    return awsHourlyForecast(this.#hourlyMeans, { hour, knownCount: known - (known % RENEWAL_HOURS) }) ?? 0;
  }
}
