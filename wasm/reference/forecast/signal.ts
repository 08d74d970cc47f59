// One scale of the series: its last lags, its extremes, and its smoothed hour-of-week and hour-of-day profiles.
import { HORIZON_MAX, REGRESSION, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { Profile } from "./profile.ts";

/** What the profiles said of the last hour before it was seen. */
interface Said {
  weekSlow: number;
  day: number;
  dayFast: number;
}

export class Signal {
  readonly #lagMax: number;
  readonly #day: number;
  /** The last `lagMax` values, oldest first, then room for a forecast's steps. */
  readonly #window: Float32Array;
  readonly #weekFast: Profile;
  readonly #weekSlow: Profile;
  readonly #daySlow: Profile;
  readonly #dayFast: Profile;
  /** What the fast week said of each hour of the last day before it was seen, then of a forecast's steps. */
  readonly #saidWeek: Float32Array;
  readonly #said: Said = { weekSlow: 0, day: 0, dayFast: 0 };
  readonly #saidSaved: Said = { weekSlow: 0, day: 0, dayFast: 0 };
  #hour = 0;
  #least = Infinity;
  #most = -Infinity;

  constructor({ day, week, lagMax }: Pick<SeasonalModel, "day" | "week" | "lagMax">) {
    this.#lagMax = lagMax;
    this.#day = day;
    this.#window = new Float32Array(lagMax + HORIZON_MAX);
    this.#weekFast = new Profile(week, 0.3);
    this.#weekSlow = new Profile(week, 0.1);
    this.#daySlow = new Profile(day, 0.1);
    this.#dayFast = new Profile(day, 0.3);
    this.#saidWeek = new Float32Array(day + HORIZON_MAX);
  }

  /** The value `lag` hours before the hour that is `step` steps ahead (0: the next one). */
  back(lag: number, step: number): number {
    return this.#window[this.#lagMax + step - lag]!;
  }

  observe(value: number): void {
    const hour = this.#hour;
    this.#window.copyWithin(0, 1, this.#lagMax);
    this.#window[this.#lagMax - 1] = value;
    this.#saidWeek.copyWithin(0, 1, this.#day);
    this.#saidWeek[this.#day - 1] = this.#weekFast.at(hour);
    this.#keepSaid(hour);
    for (const profile of [this.#weekFast, this.#weekSlow, this.#daySlow, this.#dayFast]) profile.observe(hour, value);
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
    this.#saidWeek[this.#day + step] = this.#weekFast.at(hour);
    features[at] = this.#weekFast.at(hour);
    features[at + 1] = this.#saidWeek[this.#day + step - 1]!;
    features[at + 2] = this.#saidWeek[step]!;
    features[at + 3] = this.#weekSlow.at(hour);
    features[at + 4] = this.#said.weekSlow;
    features[at + 5] = this.#daySlow.at(hour);
    features[at + 6] = this.#said.day;
    features[at + 7] = this.#dayFast.at(hour);
    features[at + 8] = this.#said.dayFast;
  }

  /** A forecast's steps are taken into the daily profiles as if they had been seen; `endForecast` forgets them. */
  beginForecast(): void {
    this.#daySlow.save();
    this.#dayFast.save();
    Object.assign(this.#saidSaved, this.#said);
  }

  /** Clamps a step's value to the range of the history, keeps it, and returns it. */
  forecastStep(step: number, value: number): number {
    const slack = REGRESSION.clampRatio * (this.#most - this.#least);
    const kept = Math.min(this.#most + slack, Math.max(this.#least - slack, value));
    const hour = this.#hour + step;
    this.#window[this.#lagMax + step] = kept;
    this.#keepSaid(hour);
    this.#daySlow.suppose(hour, kept);
    this.#dayFast.suppose(hour, kept);
    return kept;
  }

  endForecast(): void {
    this.#daySlow.restore();
    this.#dayFast.restore();
    Object.assign(this.#said, this.#saidSaved);
  }

  #keepSaid(hour: number): void {
    this.#said.weekSlow = this.#weekSlow.at(hour);
    this.#said.day = this.#daySlow.at(hour);
    this.#said.dayFast = this.#dayFast.at(hour);
  }
}
