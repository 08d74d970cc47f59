// Smoothed hour-of-week and hour-of-day profiles of the series in logs, as features of the regressions.
import { HORIZON_MAX, HOURS } from "./settings.ts";

const FAST_RATE = 0.3;
const SLOW_RATE = 0.1;

export class Profiles {
  readonly #weekFast: Float32Array;
  readonly #weekSlow: Float32Array;
  readonly #day: Float32Array;
  /** What the fast week said of each hour of the last day before it was seen, then of a forecast's steps. */
  readonly #saidWeek: Float32Array;
  /** What the others said of the last hour before it was seen. */
  #saidWeekSlow = 0;
  #saidDay = 0;
  #hour = 0;
  readonly #savedDay: Float32Array;
  #savedSaidWeekSlow = 0;
  #savedSaidDay = 0;

  constructor({ day, week } = HOURS) {
    this.#weekFast = new Float32Array(week);
    this.#weekSlow = new Float32Array(week);
    this.#day = new Float32Array(day);
    this.#saidWeek = new Float32Array(day + HORIZON_MAX);
    this.#savedDay = new Float32Array(day);
  }

  observe(value: number): void {
    const [week, day] = [this.#hour % this.#weekFast.length, this.#hour % this.#day.length];
    this.#saidWeek.copyWithin(0, 1, this.#day.length);
    this.#saidWeek[this.#day.length - 1] = this.#weekFast[week]!;
    this.#saidWeekSlow = this.#weekSlow[week]!;
    this.#saidDay = this.#day[day]!;
    const [weeks, days] = [Math.floor(this.#hour / this.#weekFast.length), Math.floor(this.#hour / this.#day.length)];
    blend(this.#weekFast, { slot: week, value, rate: Math.max(1 / (weeks + 1), FAST_RATE) });
    blend(this.#weekSlow, { slot: week, value, rate: Math.max(1 / (weeks + 1), SLOW_RATE) });
    blend(this.#day, { slot: day, value, rate: Math.max(1 / (days + 1), SLOW_RATE) });
    this.#hour += 1;
  }

  /**
   * Writes PROFILE_FEATURES features of the hour `step` steps ahead (0: the next one) from `at` on. Those of earlier
   * hours are what the profiles said before the hour was seen, so that learning and forecasting mean the same by them.
   */
  describe(features: Float64Array, at: number, step: number): void {
    const [week, day] = [(this.#hour + step) % this.#weekFast.length, (this.#hour + step) % this.#day.length];
    this.#saidWeek[this.#day.length + step] = this.#weekFast[week]!;
    features[at] = this.#weekFast[week]!;
    features[at + 1] = this.#saidWeek[this.#day.length + step - 1]!;
    features[at + 2] = this.#saidWeek[step]!;
    features[at + 3] = this.#weekSlow[week]!;
    features[at + 4] = this.#saidWeekSlow;
    features[at + 5] = this.#day[day]!;
    features[at + 6] = this.#saidDay;
  }

  week(step: number): number {
    return this.#weekSlow[(this.#hour + step) % this.#weekFast.length]!;
  }

  day(step: number): number {
    return this.#day[(this.#hour + step) % this.#day.length]!;
  }

  /** A forecast's steps are taken into the daily profile as if they had been seen; `endForecast` forgets them. */
  beginForecast(): void {
    this.#savedDay.set(this.#day);
    this.#savedSaidWeekSlow = this.#saidWeekSlow;
    this.#savedSaidDay = this.#saidDay;
  }

  suppose(step: number, value: number): void {
    const [week, day] = [(this.#hour + step) % this.#weekFast.length, (this.#hour + step) % this.#day.length];
    this.#saidWeekSlow = this.#weekSlow[week]!;
    this.#saidDay = this.#day[day]!;
    blend(this.#day, { slot: day, value, rate: SLOW_RATE });
  }

  endForecast(): void {
    this.#day.set(this.#savedDay);
    this.#saidWeekSlow = this.#savedSaidWeekSlow;
    this.#saidDay = this.#savedSaidDay;
  }
}

function blend(profile: Float32Array, { slot, value, rate }: { slot: number; value: number; rate: number }): void {
  profile[slot] = profile[slot]! + rate * (value - profile[slot]!);
}
