// The pool: what every expert says about the coming hours, each from the same observations.
import { Regression } from "./regression.ts";
import { DAY, HORIZON_MAX, REGRESSION_FROM, REGRESSIONS, SMOOTHERS, VALUE_MAX, WEEK } from "./settings.ts";
import { Signal } from "./signal.ts";
import { Smoother } from "./smoother.ts";

/** The regressions, the smoothers, the same hour yesterday. */
export const EXPERT_COUNT = REGRESSIONS.length + SMOOTHERS.length + 1;

export class Experts {
  /** Expert-major, HORIZON_MAX steps each, after `forecast`. */
  readonly forecasts = new Float64Array(EXPERT_COUNT * HORIZON_MAX);
  hour = 0;
  /** The first week, until the scale is known; then the last week, by hour of the week. */
  readonly #week = new Float64Array(WEEK);
  readonly #log = new Signal();
  readonly #raw = new Signal();
  readonly #regressions = REGRESSIONS.map((spec) => new Regression(spec, spec.scale === "log" ? this.#log : this.#raw));
  readonly #smoothers = SMOOTHERS.map((rates) => new Smoother(rates));
  readonly #steps = new Float64Array(HORIZON_MAX);
  #logCentre = 0;
  #rawCentre = 1;

  /** `value` is from 0 to VALUE_MAX. */
  observe(value: number): void {
    this.#week[this.hour % WEEK] = value;
    this.hour += 1;
    if (this.hour < WEEK) return;
    if (this.hour === WEEK) {
      this.#begin();
      return;
    }
    const log = Math.log1p(value) - this.#logCentre;
    const raw = value / this.#rawCentre - 1;
    if (this.hour > REGRESSION_FROM)
      this.#regressions.forEach((regression, index) => regression.observe(REGRESSIONS[index]!.scale === "log" ? log : raw));
    for (const smoother of this.#smoothers) smoother.observe(log);
    this.#log.observe(log);
    this.#raw.observe(raw);
  }

  #begin(): void {
    const logs = this.#week.map((value) => Math.log1p(value));
    this.#logCentre = logs.reduce((sum, log) => sum + log, 0) / WEEK;
    this.#rawCentre = Math.max(1, Math.expm1(this.#logCentre));
    for (let hour = 0; hour < WEEK; hour += 1) {
      logs[hour] = logs[hour]! - this.#logCentre;
      this.#log.observe(logs[hour]!);
      this.#raw.observe(this.#week[hour]! / this.#rawCentre - 1);
    }
    for (const smoother of this.#smoothers) smoother.begin(logs);
  }

  solve(options: { readonly isKept: boolean }): void {
    for (const regression of this.#regressions) regression.solve(options);
  }

  forecast(horizon: number): void {
    const naive = (EXPERT_COUNT - 1) * HORIZON_MAX;
    this.#repeat(naive, horizon);
    for (let expert = 0; expert < EXPERT_COUNT - 1; expert += 1) {
      const at = expert * HORIZON_MAX;
      if (this.hour < (expert < REGRESSIONS.length ? REGRESSION_FROM + 1 : WEEK)) {
        this.forecasts.copyWithin(at, naive, naive + horizon);
        continue;
      }
      if (expert < REGRESSIONS.length) this.#regressions[expert]!.forecast(this.#steps, horizon);
      else this.#smoothers[expert - REGRESSIONS.length]!.forecast(this.#steps, horizon);
      const isRaw = REGRESSIONS[expert]?.scale === "raw";
      for (let step = 0; step < horizon; step += 1) {
        const said = this.#steps[step]!;
        const value = isRaw ? (said + 1) * this.#rawCentre : Math.expm1(said + this.#logCentre);
        // An expert that lost its way says what the day before says.
        this.forecasts[at + step] = Number.isNaN(value) ? this.forecasts[naive + step]! : Math.min(VALUE_MAX, Math.max(0, value));
      }
    }
  }

  // The same hour yesterday; the last value where there is no yesterday.
  #repeat(at: number, horizon: number): void {
    const period = this.hour < DAY ? 1 : DAY;
    for (let step = 0; step < horizon; step += 1)
      this.forecasts[at + step] = this.hour === 0 ? 0 : this.#week[(this.hour - period + (step % period)) % WEEK]!;
  }
}
