// The forecasts that wait for their hours, and what the hours that came said about them.
import { INTERVAL, MIXTURE, PENDING_COUNT, HORIZON_MAX, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { exponential, logOnePlus } from "./elementary.ts";

/** A step's error is smoothed over so many neighbours on each side. */
const NEIGHBOURS = 4;

export class Judged {
  /** After `weigh`: each expert's share. */
  readonly weights: Float64Array;
  readonly #shares: readonly number[];
  readonly #issueEvery: number;
  /** The steps on which the experts are judged. */
  readonly #judged: number;
  /** Slot-major: every expert's steps, then the mixture's. */
  readonly #waiting: Float32Array;
  readonly #origins: Float64Array;
  readonly #losses: Float64Array;
  readonly #errors = new Float64Array(PENDING_COUNT);
  readonly #dailyLosses: Float32Array;
  #dailyCount = 0;
  readonly #matured = new Float32Array(INTERVAL.longCount);
  #maturedCount = 0;
  readonly #stepErrors: Float32Array;

  constructor({ issueEvery, shares }: Pick<SeasonalModel, "issueEvery" | "shares">) {
    this.#shares = shares;
    this.#issueEvery = issueEvery;
    this.#judged = PENDING_COUNT * issueEvery;
    this.weights = new Float64Array(shares.length);
    this.#waiting = new Float32Array(PENDING_COUNT * (shares.length + 1) * this.#judged);
    this.#origins = new Float64Array(PENDING_COUNT).fill(-this.#judged);
    this.#losses = new Float64Array(PENDING_COUNT * shares.length);
    this.#dailyLosses = new Float32Array(MIXTURE.originCount * shares.length);
    this.#stepErrors = new Float32Array(this.#judged);
  }

  /** Keeps a forecast made after `hour` hours: `experts` as in Experts.forecasts, and the mixture's steps. */
  issue(hour: number, experts: Float64Array, mixture: Float64Array): void {
    const count = this.#shares.length;
    const slot = (hour / this.#issueEvery) % PENDING_COUNT;
    const at = slot * (count + 1) * this.#judged;
    for (let expert = 0; expert < count; expert += 1)
      for (let step = 0; step < this.#judged; step += 1)
        this.#waiting[at + expert * this.#judged + step] = experts[expert * HORIZON_MAX + step]!;
    for (let step = 0; step < this.#judged; step += 1) this.#waiting[at + count * this.#judged + step] = mixture[step]!;
    this.#origins[slot] = hour;
    this.#errors[slot] = 0;
    this.#losses.fill(0, slot * count, (slot + 1) * count);
  }

  /** Hour `hour` brought `value`. */
  observe(hour: number, value: number): void {
    const count = this.#shares.length;
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const step = hour - this.#origins[slot]!;
      if (step >= this.#judged) continue;
      const at = slot * (count + 1) * this.#judged + step;
      for (let expert = 0; expert < count; expert += 1)
        this.#losses[slot * count + expert] =
          this.#losses[slot * count + expert]! + relativeError(value, this.#waiting[at + expert * this.#judged]!);
      const error = Math.abs(logOnePlus(value) - logOnePlus(this.#waiting[at + count * this.#judged]!));
      this.#errors[slot] = this.#errors[slot]! + error;
      const rate = 1 / Math.min(this.#maturedCount + 1, INTERVAL.longCount);
      this.#stepErrors[step] = this.#stepErrors[step]! + rate * (error - this.#stepErrors[step]!);
      if (step === this.#judged - 1) this.#mature(slot);
    }
  }

  #mature(slot: number): void {
    this.#matured[this.#maturedCount % INTERVAL.longCount] = this.#errors[slot]! / this.#judged;
    this.#maturedCount += 1;
    // Every second origin judges the experts: a day apart, where the two seasons are a day and a week.
    if (this.#origins[slot]! % (2 * this.#issueEvery) !== 0) return;
    const count = this.#shares.length;
    const row = (this.#dailyCount % MIXTURE.originCount) * count;
    for (let expert = 0; expert < count; expert += 1) this.#dailyLosses[row + expert] = this.#losses[slot * count + expert]! / this.#judged;
    this.#dailyCount += 1;
  }

  weigh(): void {
    const rows = Math.min(this.#dailyCount, MIXTURE.originCount);
    const { weights } = this;
    const { length: count } = weights;
    weights.fill(0);
    for (let index = 0; index < rows * count; index += 1) weights[index % count] = weights[index % count]! + this.#dailyLosses[index]!;
    let best = Infinity;
    for (const loss of weights) best = Math.min(best, loss);
    let sum = 0;
    for (let expert = 0; expert < count; expert += 1) {
      const excess = best > 0 ? weights[expert]! / best - 1 : weights[expert]! > 0 ? Infinity : 0;
      weights[expert] = this.#shares[expert]! * exponential(-MIXTURE.eta * excess);
      sum += weights[expert]!;
    }
    for (let expert = 0; expert < count; expert += 1) weights[expert] = weights[expert]! / sum;
  }

  /** The expected absolute log error of the coming steps; `hour` hours have been seen. */
  scalesInto(scales: Float64Array, horizon: number, hour: number): void {
    const long = this.#meanOfMatured(INTERVAL.longCount);
    if (Number.isNaN(long)) {
      scales.fill(1, 0, horizon);
      return;
    }
    const recent = this.#meanOfMatured(INTERVAL.recentCount);
    const base = INTERVAL.long * long + INTERVAL.recent * recent + INTERVAL.pending * this.#meanOfPending(hour, long) + INTERVAL.floor;
    for (let step = 0; step < horizon; step += 1) {
      const shape = long > 0 ? this.#smoothed(Math.min(step, this.#judged - 1)) / long : 1;
      scales[step] = base * Math.sqrt(0.5 + 0.5 * shape);
    }
  }

  #meanOfMatured(count: number): number {
    const used = Math.min(count, this.#maturedCount);
    let sum = 0;
    for (let back = 1; back <= used; back += 1) sum += this.#matured[(this.#maturedCount - back) % INTERVAL.longCount]!;
    return sum / used;
  }

  #meanOfPending(hour: number, otherwise: number): number {
    let [sum, seenCount] = [0, 0];
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const seen = hour - this.#origins[slot]!;
      if (seen >= this.#judged) continue;
      sum += this.#errors[slot]!;
      seenCount += seen;
    }
    return seenCount > 0 ? sum / seenCount : otherwise;
  }

  #smoothed(step: number): number {
    const first = Math.max(0, step - NEIGHBOURS);
    const last = Math.min(this.#judged - 1, step + NEIGHBOURS);
    let sum = 0;
    for (let at = first; at <= last; at += 1) sum += this.#stepErrors[at]!;
    return sum / (last - first + 1);
  }

  /** What the newest waiting forecast of the mixture says about hour `hour`; NaN where there is none. */
  expected(hour: number): number {
    const { length: count } = this.#shares;
    let [newest, value] = [-1, NaN];
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const origin = this.#origins[slot]!;
      if (origin <= newest || hour - origin >= this.#judged) continue;
      newest = origin;
      value = this.#waiting[(slot * (count + 1) + count) * this.#judged + hour - origin]!;
    }
    return value;
  }
}

// One step's share of sMAPE, without its factor of 200.
function relativeError(value: number, said: number): number {
  const sum = value + said;
  return sum > 0 ? Math.abs(value - said) / sum : 0;
}
