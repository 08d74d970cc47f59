// Double-seasonal exponential smoothing with an autoregressive residual (Taylor 2003), additive on the log scale.
import { HOURS } from "./settings.ts";

export interface SmootherRates {
  readonly level: number;
  readonly daily: number;
  readonly weekly: number;
  /** How much of the last residual stays a step later. */
  readonly residual: number;
}

export class Smoother {
  readonly #rates: SmootherRates;
  readonly #daily: Float32Array;
  readonly #weekly: Float32Array;
  #level = 0;
  #residual = 0;
  #hour = 0;

  constructor(rates: SmootherRates, { day, week } = HOURS) {
    this.#rates = rates;
    this.#daily = new Float32Array(day);
    this.#weekly = new Float32Array(week);
  }

  /**
   * Begins with one week, read from `from` on: its days' mean, and what is left. A last day that the week cuts off counts for
   * what it has.
   */
  begin(values: Float32Array, from: number): void {
    const [{ length: day }, { length: week }] = [this.#daily, this.#weekly];
    for (let slot = 0; slot < day; slot += 1) {
      let [sum, count] = [0, 0];
      for (let hour = slot; hour < week; hour += day) {
        sum += values[from + hour]!;
        count += 1;
      }
      this.#daily[slot] = sum / count;
    }
    for (let hour = 0; hour < week; hour += 1) this.#weekly[hour] = values[from + hour]! - this.#daily[hour % day]!;
    this.#hour = week;
  }

  observe(value: number): void {
    const { level, daily, weekly, residual } = this.#rates;
    const [day, week] = [this.#hour % this.#daily.length, this.#hour % this.#weekly.length];
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
      into[step] = this.#level + this.#daily[hour % this.#daily.length]! + this.#weekly[hour % this.#weekly.length]! + rest;
    }
  }
}
