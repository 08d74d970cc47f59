// One scale of the series: its last lags, its extremes, and its smoothed hour-of-week and hour-of-day profiles.
import { Profile } from "./profile.ts";
import { DAY, HORIZON_MAX, LAG_MAX, REGRESSION, WEEK } from "./settings.ts";

export const PROFILE_COUNT_MAX = 9;

/** What the profiles said of the last hour before it was seen. */
interface Said {
  weekSlow: number;
  day: number;
  dayFast: number;
}

export class Signal {
  /** The last LAG_MAX values, oldest first, then room for a forecast's steps. */
  readonly window = new Float64Array(LAG_MAX + HORIZON_MAX);
  readonly #weekFast = new Profile(WEEK, 0.3);
  readonly #weekSlow = new Profile(WEEK, 0.1);
  readonly #day = new Profile(DAY, 0.1);
  readonly #dayFast = new Profile(DAY, 0.3);
  /** What the fast week said of each hour of the last day before it was seen, then of a forecast's steps. */
  readonly #saidWeek = new Float64Array(DAY + HORIZON_MAX);
  readonly #said: Said = { weekSlow: 0, day: 0, dayFast: 0 };
  readonly #saidSaved: Said = { weekSlow: 0, day: 0, dayFast: 0 };
  #hour = 0;
  #least = Infinity;
  #most = -Infinity;

  observe(value: number): void {
    const hour = this.#hour;
    this.window.copyWithin(0, 1, LAG_MAX);
    this.window[LAG_MAX - 1] = value;
    this.#saidWeek.copyWithin(0, 1, DAY);
    this.#saidWeek[DAY - 1] = this.#weekFast.at(hour);
    this.#keepSaid(hour);
    for (const profile of [this.#weekFast, this.#weekSlow, this.#day, this.#dayFast]) profile.observe(hour, value);
    this.#least = Math.min(this.#least, value);
    this.#most = Math.max(this.#most, value);
    this.#hour = hour + 1;
  }

  /**
   * Writes the profile features of the hour `step` steps ahead (0: the next one) from `at` on. Those of earlier hours
   * are what the profiles said before the hour was seen, so that learning and forecasting mean the same by them.
   */
  profilesInto(features: Float64Array, at: number, step: number): void {
    const hour = this.#hour + step;
    this.#saidWeek[DAY + step] = this.#weekFast.at(hour);
    features[at] = this.#weekFast.at(hour);
    features[at + 1] = this.#saidWeek[DAY + step - 1]!;
    features[at + 2] = this.#saidWeek[step]!;
    features[at + 3] = this.#weekSlow.at(hour);
    features[at + 4] = this.#said.weekSlow;
    features[at + 5] = this.#day.at(hour);
    features[at + 6] = this.#said.day;
    features[at + 7] = this.#dayFast.at(hour);
    features[at + 8] = this.#said.dayFast;
  }

  /** A forecast's steps are taken into the daily profiles as if they had been seen; `endForecast` forgets them. */
  beginForecast(): void {
    this.#day.save();
    this.#dayFast.save();
    Object.assign(this.#saidSaved, this.#said);
  }

  /** Clamps a step's value to the range of the history, keeps it, and returns it. */
  forecastStep(step: number, value: number): number {
    const slack = REGRESSION.clampRatio * (this.#most - this.#least);
    const kept = Math.min(this.#most + slack, Math.max(this.#least - slack, value));
    const hour = this.#hour + step;
    this.window[LAG_MAX + step] = kept;
    this.#keepSaid(hour);
    this.#day.suppose(hour, kept);
    this.#dayFast.suppose(hour, kept);
    return kept;
  }

  endForecast(): void {
    this.#day.restore();
    this.#dayFast.restore();
    Object.assign(this.#said, this.#saidSaved);
  }

  #keepSaid(hour: number): void {
    this.#said.weekSlow = this.#weekSlow.at(hour);
    this.#said.day = this.#day.at(hour);
    this.#said.dayFast = this.#dayFast.at(hour);
  }
}
