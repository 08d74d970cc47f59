// The pool: what every expert says about the coming hours, each from the same observations.
import { HORIZON_MAX, VALUE_MAX, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { exponentialLessOne, logOnePlus } from "./elementary.ts";
import { Regression } from "./regression.ts";
import { Signal } from "./signal.ts";
import { Smoother } from "./smoother.ts";

export class Experts {
  /** The regressions, the smoothers, the same hour yesterday. */
  readonly count: number;
  /** Expert-major, HORIZON_MAX steps each, after `forecast`. */
  readonly forecasts: Float64Array;
  hour = 0;
  readonly #model: SeasonalModel;
  /** The first week, until the scale is known. */
  readonly #firstWeek: Float32Array;
  readonly #lastDay: Float32Array;
  readonly #log: Signal;
  readonly #raw: Signal;
  readonly #regressions: readonly Regression[];
  readonly #smoothers: readonly Smoother[];
  readonly #steps = new Float64Array(HORIZON_MAX);
  #logCentre = 0;
  #rawCentre = 1;

  constructor(model: SeasonalModel) {
    this.#model = model;
    this.count = model.shares.length;
    this.forecasts = new Float64Array(this.count * HORIZON_MAX);
    this.#firstWeek = new Float32Array(model.week);
    this.#lastDay = new Float32Array(model.day);
    this.#log = new Signal(model);
    this.#raw = new Signal(model);
    this.#regressions = model.regressions.map((spec) => {
      const signal = spec.scale === "log" ? this.#log : this.#raw;
      return new Regression(spec, signal, model.lags[spec.scale]);
    });
    this.#smoothers = model.smoothers.map((rates) => new Smoother(rates, model));
  }

  /** `value` is from 0 to VALUE_MAX. */
  observe(value: number): void {
    const { day, week, lagMax, regressions } = this.#model;
    this.#lastDay[this.hour % day] = value;
    if (this.hour < week) this.#firstWeek[this.hour] = value;
    this.hour += 1;
    if (this.hour < week) return;
    if (this.hour === week) {
      this.#begin();
      return;
    }
    const log = logOnePlus(value) - this.#logCentre;
    const raw = value / this.#rawCentre - 1;
    if (this.hour > lagMax + 1)
      this.#regressions.forEach((regression, index) => regression.observe(regressions[index]!.scale === "log" ? log : raw));
    for (const smoother of this.#smoothers) smoother.observe(log);
    this.#log.observe(log);
    this.#raw.observe(raw);
  }

  #begin(): void {
    const { week } = this.#model;
    let sum = 0;
    for (const value of this.#firstWeek) sum += logOnePlus(value);
    this.#logCentre = sum / week;
    this.#rawCentre = Math.max(1, exponentialLessOne(this.#logCentre));
    const logs = new Float32Array(week);
    for (const [hour, value] of this.#firstWeek.entries()) {
      const log = logOnePlus(value) - this.#logCentre;
      logs[hour] = log;
      this.#log.observe(log);
      this.#raw.observe(value / this.#rawCentre - 1);
    }
    for (const smoother of this.#smoothers) smoother.begin(logs);
  }

  solve(options: { readonly isKept: boolean }): void {
    for (const regression of this.#regressions) regression.solve(options);
  }

  forecast(horizon: number): void {
    const { regressions, lagMax, week } = this.#model;
    const naive = (this.count - 1) * HORIZON_MAX;
    for (let step = 0; step < horizon; step += 1) this.forecasts[naive + step] = this.repeated(step);
    for (let expert = 0; expert < this.count - 1; expert += 1) {
      const at = expert * HORIZON_MAX;
      if (this.hour < (expert < regressions.length ? lagMax + 2 : week)) {
        this.forecasts.copyWithin(at, naive, naive + horizon);
        continue;
      }
      if (expert < regressions.length) this.#regressions[expert]!.forecast(this.#steps, horizon);
      else this.#smoothers[expert - regressions.length]!.forecast(this.#steps, horizon);
      const isRaw = regressions[expert]?.scale === "raw";
      for (let step = 0; step < horizon; step += 1) {
        const said = this.#steps[step]!;
        const value = isRaw ? (said + 1) * this.#rawCentre : exponentialLessOne(said + this.#logCentre);
        // An expert that lost its way says what the day before says.
        this.forecasts[at + step] = Number.isNaN(value) ? this.forecasts[naive + step]! : Math.min(VALUE_MAX, Math.max(0, value));
      }
    }
  }

  /** The same hour yesterday; the last value where there is no yesterday, and 0 where there is no value. */
  repeated(step: number): number {
    const { day } = this.#model;
    if (this.hour === 0) return 0;
    return this.#lastDay[(this.hour < day ? this.hour - 1 : this.hour + step) % day]!;
  }
}
