// Double-seasonal exponential smoothing with an autoregressive residual (Taylor 2003; Gould et al. 2008), additive on
// the log scale.
import type { Seasons, SmootherRates } from "#shared/forecast/seasonal-model.ts";

export class Smoother {
  readonly #rates: SmootherRates;
  readonly #daily: Float32Array;
  readonly #weekly: Float32Array;
  #level = 0;
  #residual = 0;
  #hour = 0;

  constructor(rates: SmootherRates, { day, week }: Seasons) {
    this.#rates = rates;
    this.#daily = new Float32Array(day);
    this.#weekly = new Float32Array(week);
  }

  /** Begins with one week: its days' mean, and what is left. A last day that the week cuts off counts for its hours. */
  begin(values: Float32Array): void {
    const { length: day } = this.#daily;
    const { length: week } = this.#weekly;
    for (let slot = 0; slot < day; slot += 1) {
      let [sum, count] = [0, 0];
      for (let hour = slot; hour < week; hour += day) {
        sum += values[hour]!;
        count += 1;
      }
      this.#daily[slot] = sum / count;
    }
    for (let hour = 0; hour < week; hour += 1) this.#weekly[hour] = values[hour]! - this.#daily[hour % day]!;
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
