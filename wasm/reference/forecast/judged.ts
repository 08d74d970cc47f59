// The forecasts that wait for their hours, and what the hours that came said about them.
import { EXPERT_COUNT } from "./experts.ts";
import { DAY, EXPERT_SHARES, HORIZON_MAX, INTERVAL, ISSUE_EVERY, JUDGED, MIXTURE, PENDING_COUNT } from "./settings.ts";

/** A step's error is smoothed over so many neighbours on each side. */
const NEIGHBOURS = 4;

export class Judged {
  /** After `weigh`: each expert's share. */
  readonly weights = new Float64Array(EXPERT_COUNT).fill(1 / EXPERT_COUNT);
  /** Slot-major: every expert's steps, then the mixture's. */
  readonly #waiting = new Float64Array(PENDING_COUNT * (EXPERT_COUNT + 1) * JUDGED);
  readonly #origins = new Float64Array(PENDING_COUNT).fill(-JUDGED);
  readonly #losses = new Float64Array(PENDING_COUNT * EXPERT_COUNT);
  readonly #errors = new Float64Array(PENDING_COUNT);
  readonly #dailyLosses = new Float64Array(MIXTURE.originCount * EXPERT_COUNT);
  #dailyCount = 0;
  readonly #matured = new Float64Array(INTERVAL.longCount);
  #maturedCount = 0;
  readonly #stepErrors = new Float64Array(JUDGED);

  /** Keeps a forecast made after `hour` hours: `experts` as in Experts.forecasts, and the mixture's steps. */
  issue(hour: number, experts: Float64Array, mixture: Float64Array): void {
    const slot = (hour / ISSUE_EVERY) % PENDING_COUNT;
    const at = slot * (EXPERT_COUNT + 1) * JUDGED;
    for (let expert = 0; expert < EXPERT_COUNT; expert += 1)
      for (let step = 0; step < JUDGED; step += 1) this.#waiting[at + expert * JUDGED + step] = experts[expert * HORIZON_MAX + step]!;
    for (let step = 0; step < JUDGED; step += 1) this.#waiting[at + EXPERT_COUNT * JUDGED + step] = mixture[step]!;
    this.#origins[slot] = hour;
    this.#errors[slot] = 0;
    this.#losses.fill(0, slot * EXPERT_COUNT, (slot + 1) * EXPERT_COUNT);
  }

  /** Hour `hour` brought `value`. */
  observe(hour: number, value: number): void {
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const step = hour - this.#origins[slot]!;
      if (step >= JUDGED) continue;
      const at = slot * (EXPERT_COUNT + 1) * JUDGED + step;
      for (let expert = 0; expert < EXPERT_COUNT; expert += 1)
        this.#losses[slot * EXPERT_COUNT + expert] =
          this.#losses[slot * EXPERT_COUNT + expert]! + relativeError(value, this.#waiting[at + expert * JUDGED]!);
      const error = Math.abs(Math.log1p(value) - Math.log1p(this.#waiting[at + EXPERT_COUNT * JUDGED]!));
      this.#errors[slot] = this.#errors[slot]! + error;
      const rate = 1 / Math.min(this.#maturedCount + 1, INTERVAL.longCount);
      this.#stepErrors[step] = this.#stepErrors[step]! + rate * (error - this.#stepErrors[step]!);
      if (step === JUDGED - 1) this.#mature(slot);
    }
  }

  #mature(slot: number): void {
    this.#matured[this.#maturedCount % INTERVAL.longCount] = this.#errors[slot]! / JUDGED;
    this.#maturedCount += 1;
    if (this.#origins[slot]! % DAY !== 0) return;
    const row = (this.#dailyCount % MIXTURE.originCount) * EXPERT_COUNT;
    for (let expert = 0; expert < EXPERT_COUNT; expert += 1)
      this.#dailyLosses[row + expert] = this.#losses[slot * EXPERT_COUNT + expert]! / JUDGED;
    this.#dailyCount += 1;
  }

  weigh(): void {
    const rows = Math.min(this.#dailyCount, MIXTURE.originCount);
    const { weights } = this;
    weights.fill(0);
    for (let index = 0; index < rows * EXPERT_COUNT; index += 1)
      weights[index % EXPERT_COUNT] = weights[index % EXPERT_COUNT]! + this.#dailyLosses[index]!;
    let best = Infinity;
    for (const loss of weights) best = Math.min(best, loss);
    let sum = 0;
    for (let expert = 0; expert < EXPERT_COUNT; expert += 1) {
      const excess = best > 0 ? weights[expert]! / best - 1 : weights[expert]! > 0 ? Infinity : 0;
      weights[expert] = EXPERT_SHARES[expert]! * Math.exp(-MIXTURE.eta * excess);
      sum += weights[expert]!;
    }
    for (let expert = 0; expert < EXPERT_COUNT; expert += 1) weights[expert] = weights[expert]! / sum;
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
      const shape = long > 0 ? this.#smoothed(Math.min(step, JUDGED - 1)) / long : 1;
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
    let [sum, count] = [0, 0];
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const seen = hour - this.#origins[slot]!;
      if (seen >= JUDGED) continue;
      sum += this.#errors[slot]!;
      count += seen;
    }
    return count > 0 ? sum / count : otherwise;
  }

  #smoothed(step: number): number {
    const first = Math.max(0, step - NEIGHBOURS);
    const last = Math.min(JUDGED - 1, step + NEIGHBOURS);
    let sum = 0;
    for (let at = first; at <= last; at += 1) sum += this.#stepErrors[at]!;
    return sum / (last - first + 1);
  }

  /** What the newest waiting forecast of the mixture says about hour `hour`; NaN where there is none. */
  expected(hour: number): number {
    let [newest, value] = [-1, NaN];
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const origin = this.#origins[slot]!;
      if (origin <= newest || hour - origin >= JUDGED) continue;
      newest = origin;
      value = this.#waiting[(slot * (EXPERT_COUNT + 1) + EXPERT_COUNT) * JUDGED + hour - origin]!;
    }
    return value;
  }
}

// One step's share of sMAPE, without its factor of 200.
function relativeError(value: number, said: number): number {
  const sum = value + said;
  return sum > 0 ? Math.abs(value - said) / sum : 0;
}
