// Double-seasonal exponential smoothing with an autoregressive residual (Taylor 2003), additive on the log scale.
import { DAY, WEEK } from "./settings.ts";

export interface SmootherRates {
  readonly level: number;
  readonly daily: number;
  readonly weekly: number;
  /** How much of the last residual stays a step later. */
  readonly residual: number;
}

export class Smoother {
  readonly #rates: SmootherRates;
  readonly #daily = new Float32Array(DAY);
  readonly #weekly = new Float32Array(WEEK);
  #level = 0;
  #residual = 0;
  #hour = 0;

  constructor(rates: SmootherRates) {
    this.#rates = rates;
  }

  /** Begins with one week: its days' mean, and what is left. `week` is read from `from` on. */
  begin(week: Float32Array, from: number): void {
    for (let day = 0; day < DAY; day += 1) {
      let sum = 0;
      for (let hour = day; hour < WEEK; hour += DAY) sum += week[from + hour]!;
      this.#daily[day] = sum / (WEEK / DAY);
    }
    for (let hour = 0; hour < WEEK; hour += 1) this.#weekly[hour] = week[from + hour]! - this.#daily[hour % DAY]!;
    this.#hour = WEEK;
  }

  observe(value: number): void {
    const { level, daily, weekly, residual } = this.#rates;
    const [day, week] = [this.#hour % DAY, this.#hour % WEEK];
    const rest = value - (this.#level + this.#daily[day]! + this.#weekly[week]!);
    const error = rest - residual * this.#residual;
    this.#level += level * error;
    this.#daily[day] = this.#daily[day]! + daily * error;
    this.#weekly[week] = this.#weekly[week]! + weekly * error;
    // Of what the components have just taken up, nothing is left for the residual.
    this.#residual = rest - (level + daily + weekly) * error;
    this.#hour += 1;
  }

  forecast(into: Float64Array, horizon: number): void {
    let rest = this.#residual;
    for (let step = 0; step < horizon; step += 1) {
      rest *= this.#rates.residual;
      const hour = this.#hour + step;
      into[step] = this.#level + this.#daily[hour % DAY]! + this.#weekly[hour % WEEK]! + rest;
    }
  }
}
