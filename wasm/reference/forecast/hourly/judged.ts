// The forecasts that wait for their hours, and what the hours that came said about them. A column is a forecast of its
// own: every expert's, then every mixture's.
import { exponential } from "../elementary.ts";
import { BLOCK_COUNT, DAILY_COUNT, HORIZON_MAX, HOUR_RATES, HOURS, LONG_COUNT, PENDING_COUNT } from "./settings.ts";

export class Judged {
  readonly columnCount: number;
  /** The steps on which forecasts are judged, and how many of them are a block. */
  readonly steps: number;
  readonly blockSteps: number;
  readonly #issueEvery: number;
  /** Slot-major, then column, then step. */
  readonly #waiting: Float32Array;
  readonly #origins: Float64Array;
  /** Slot-major: sums over the steps seen, of each column's relative and absolute log errors. */
  readonly #losses: Float32Array;
  readonly #errors: Float32Array;
  /** Rings of what matured: mean relative error of the daily origins; mean absolute log error of all. */
  readonly #daily: Float32Array;
  readonly #matured: Float32Array;
  /** Column-major: running means of the absolute log errors of every block of steps. */
  readonly #blocks: Float32Array;
  /** Steps seen in every block. */
  readonly #blockCounts = new Uint32Array(BLOCK_COUNT);
  /** By hour of the day: the watched column's log error half a day to a day ahead, signed and absolute, exponentially weighted. */
  readonly #hourBiases: Float32Array;
  readonly #hourErrors: Float32Array;
  readonly #watched: number;
  dailyCount = 0;
  maturedCount = 0;

  constructor(columnCount: number, watched: number, { day, issueEvery } = HOURS) {
    this.#watched = watched;
    this.columnCount = columnCount;
    this.#issueEvery = issueEvery;
    this.steps = PENDING_COUNT * issueEvery;
    this.blockSteps = this.steps / BLOCK_COUNT;
    this.#origins = new Float64Array(PENDING_COUNT).fill(-this.steps);
    this.#hourBiases = new Float32Array(day);
    this.#hourErrors = new Float32Array(day);
    this.#waiting = new Float32Array(PENDING_COUNT * columnCount * this.steps);
    this.#losses = new Float32Array(PENDING_COUNT * columnCount);
    this.#errors = new Float32Array(PENDING_COUNT * columnCount);
    this.#daily = new Float32Array(DAILY_COUNT * columnCount);
    this.#matured = new Float32Array(LONG_COUNT * columnCount);
    this.#blocks = new Float32Array(columnCount * BLOCK_COUNT);
  }

  /** Keeps a forecast made after `hour` hours: columns of HORIZON_MAX steps each, as log1p. */
  issue(hour: number, columns: Float64Array): void {
    const slot = (hour / this.#issueEvery) % PENDING_COUNT;
    for (let column = 0; column < this.columnCount; column += 1) {
      const at = (slot * this.columnCount + column) * this.steps;
      for (let step = 0; step < this.steps; step += 1) this.#waiting[at + step] = columns[column * HORIZON_MAX + step]!;
      this.#losses[slot * this.columnCount + column] = 0;
      this.#errors[slot * this.columnCount + column] = 0;
    }
    this.#origins[slot] = hour;
  }

  /** Hour `hour` brought a value of which this is log1p. */
  observe(hour: number, log: number): void {
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const step = hour - this.#origins[slot]!;
      if (step >= this.steps) continue;
      const block = Math.floor(step / this.blockSteps);
      const rate = 1 / Math.min(this.#blockCounts[block]! + 1, LONG_COUNT * this.blockSteps);
      this.#blockCounts[block] = Math.min(this.#blockCounts[block]! + 1, LONG_COUNT * this.blockSteps);
      for (let column = 0; column < this.columnCount; column += 1) {
        const at = slot * this.columnCount + column;
        const error = Math.abs(log - this.#waiting[at * this.steps + step]!);
        this.#losses[at] = this.#losses[at]! + relativeError(error);
        this.#errors[at] = this.#errors[at]! + error;
        const cell = column * BLOCK_COUNT + block;
        this.#blocks[cell] = this.#blocks[cell]! + rate * (error - this.#blocks[cell]!);
      }
      if (step >= this.#issueEvery && step < 2 * this.#issueEvery) {
        this.#learnHour(hour % this.#hourErrors.length, log - this.waiting({ slot, column: this.#watched, step }));
      }
      if (step === this.steps - 1) this.#mature(slot);
    }
  }

  #learnHour(hour: number, error: number): void {
    this.#hourBiases[hour] = this.#hourBiases[hour]! + HOUR_RATES.bias * (error - this.#hourBiases[hour]!);
    const size = Math.abs(error);
    const before = this.#hourErrors[hour]!;
    // The first error of an hour weighs half, the mean of the others the other half.
    this.#hourErrors[hour] = before === 0 ? 0.5 * (this.hourErrorMean() + size) : before + HOUR_RATES.error * (size - before);
  }

  #mature(slot: number): void {
    const { columnCount } = this;
    const isDaily = this.#origins[slot]! % (2 * this.#issueEvery) === 0;
    for (let column = 0; column < columnCount; column += 1) {
      const from = slot * columnCount + column;
      this.#matured[(this.maturedCount % LONG_COUNT) * columnCount + column] = this.#errors[from]! / this.steps;
      if (isDaily) this.#daily[(this.dailyCount % DAILY_COUNT) * columnCount + column] = this.#losses[from]! / this.steps;
    }
    this.maturedCount += 1;
    if (isDaily) this.dailyCount += 1;
  }

  /** A column's mean relative error over the last `count` matured daily origins; NaN before the first. */
  dailyLoss(column: number, count: number): number {
    const used = Math.min(count, this.dailyCount);
    let sum = 0;
    for (let back = 1; back <= used; back += 1) sum += this.#daily[((this.dailyCount - back) % DAILY_COUNT) * this.columnCount + column]!;
    return sum / used;
  }

  /** A column's mean absolute log error over the last `count` matured origins; NaN before the first. */
  maturedError(column: number, count: number): number {
    const used = Math.min(count, this.maturedCount);
    let sum = 0;
    for (let back = 1; back <= used; back += 1)
      sum += this.#matured[((this.maturedCount - back) % LONG_COUNT) * this.columnCount + column]!;
    return sum / used;
  }

  /** The same over what has been seen of those that wait; NaN where nothing has. */
  pendingError(column: number, hour: number): number {
    let sum = 0;
    let count = 0;
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const seen = hour - this.#origins[slot]!;
      if (seen >= this.steps) continue;
      sum += this.#errors[slot * this.columnCount + column]!;
      count += seen;
    }
    return sum / count;
  }

  /** What a column of the newest waiting forecast says about hour `hour`; NaN where there is none. */
  expected(column: number, hour: number): number {
    let newest = -1;
    let value = NaN;
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const origin = this.#origins[slot]!;
      if (origin <= newest || hour - origin >= this.steps) continue;
      newest = origin;
      value = this.#waiting[(slot * this.columnCount + column) * this.steps + hour - origin]!;
    }
    return value;
  }

  hourBias(hour: number): number {
    return this.#hourBiases[hour % this.#hourBiases.length]!;
  }

  hourError(hour: number): number {
    return this.#hourErrors[hour % this.#hourErrors.length]!;
  }

  /** Over the hours that have one. */
  hourErrorMean(): number {
    let sum = 0;
    let count = 0;
    for (const error of this.#hourErrors) {
      sum += error;
      count += error > 0 ? 1 : 0;
    }
    return count > 0 ? sum / count : 0;
  }

  /** Mean absolute log error of a column in a block of steps. */
  blockError(column: number, block: number): number {
    return this.#blocks[column * BLOCK_COUNT + block]!;
  }

  /** Hours since the forecast in a slot was made; infinite where there is none. */
  age(slot: number, hour: number): number {
    const origin = this.#origins[slot]!;
    return origin < 0 ? Infinity : hour - origin;
  }

  /** The slot of the youngest forecast at least `ageMin` and at most `steps` hours old; −1 where there is none. */
  youngest(hour: number, ageMin: number): number {
    let found = -1;
    let least = Infinity;
    for (let slot = 0; slot < PENDING_COUNT; slot += 1) {
      const age = this.age(slot, hour);
      if (age < ageMin || age > this.steps || age >= least) continue;
      found = slot;
      least = age;
    }
    return found;
  }

  /** What a column of the forecast in a slot says about its step. */
  waiting({ slot, column, step }: { slot: number; column: number; step: number }): number {
    return this.#waiting[(slot * this.columnCount + column) * this.steps + step]!;
  }
}

// One step's share of sMAPE, without its factor of 200, of values one more than they are: |a − b| ÷ (a + b) is
// tanh(|log a − log b| ÷ 2).
function relativeError(error: number): number {
  const ratio = exponential(-error);
  return (1 - ratio) / (1 + ratio);
}
