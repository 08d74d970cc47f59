// A value for every hour of a season: a running mean at first, then exponentially weighted.
export class Profile {
  readonly values: Float32Array;
  readonly #rateMin: number;
  readonly #saved: Float32Array;

  constructor(hours: number, rateMin: number) {
    this.values = new Float32Array(hours);
    this.#saved = new Float32Array(hours);
    this.#rateMin = rateMin;
  }

  at(hour: number): number {
    return this.values[hour % this.values.length]!;
  }

  observe(hour: number, value: number): void {
    const seasons = Math.floor(hour / this.values.length);
    this.#blend(hour, value, Math.max(1 / (seasons + 1), this.#rateMin));
  }

  /** Takes in a forecast's step as if it had been seen, at the steady rate. */
  suppose(hour: number, value: number): void {
    this.#blend(hour, value, this.#rateMin);
  }

  save(): void {
    this.#saved.set(this.values);
  }

  restore(): void {
    this.values.set(this.#saved);
  }

  #blend(hour: number, value: number, rate: number): void {
    const slot = hour % this.values.length;
    this.values[slot] = this.at(hour) + rate * (value - this.at(hour));
  }
}
