// A weighted mean of the pool's experts, in logs, weighed by what each said about the last days; and its own scale of error.
import { exponential } from "../elementary.ts";
import type { Judged } from "./judged.ts";
import { BLOCK_COUNT, DAILY_COUNT, HORIZON_MAX, INTERVAL, LONG_COUNT, RECENT_COUNT, type MixtureSpec } from "./settings.ts";

export class Mixture {
  readonly spec: MixtureSpec;
  /** Its place among the columns that are judged. */
  readonly column: number;
  /** After `weigh`. */
  readonly weights: Float64Array;

  constructor(spec: MixtureSpec, column: number) {
    this.spec = spec;
    this.column = column;
    this.weights = new Float64Array(spec.shares.length);
  }

  weigh(judged: Judged): void {
    const { shares, eta } = this.spec;
    const { weights } = this;
    let best = Infinity;
    for (let expert = 0; expert < weights.length; expert += 1) {
      weights[expert] = judged.dailyCount > 0 ? judged.dailyLoss(expert, DAILY_COUNT) : 0;
      if (shares[expert]! > 0) best = Math.min(best, weights[expert]!);
    }
    let sum = 0;
    for (let expert = 0; expert < weights.length; expert += 1) {
      const loss = weights[expert]!;
      const excess = best > 0 ? loss / best - 1 : loss > 0 ? Infinity : 0;
      weights[expert] = shares[expert]! > 0 ? shares[expert]! * exponential(-eta * excess) : 0;
      sum += weights[expert]!;
    }
    for (let expert = 0; expert < weights.length; expert += 1) weights[expert] = weights[expert]! / sum;
  }

  /** Writes the mixture's steps into its own column of `columns`, HORIZON_MAX steps each. */
  mix(columns: Float64Array, horizon: number): void {
    const own = this.column * HORIZON_MAX;
    for (let step = 0; step < horizon; step += 1) {
      let sum = 0;
      for (let expert = 0; expert < this.weights.length; expert += 1) sum += this.weights[expert]! * columns[expert * HORIZON_MAX + step]!;
      columns[own + step] = sum;
    }
  }

  /** The expected absolute log error of the coming steps; `hour` hours have been seen. */
  scalesInto(scales: Float64Array, horizon: number, { judged, hour }: { judged: Judged; hour: number }): void {
    if (judged.maturedCount === 0) {
      scales.fill(1, 0, horizon);
      return;
    }
    const long = judged.maturedError(this.column, LONG_COUNT);
    const recent = judged.maturedError(this.column, RECENT_COUNT);
    const waiting = judged.pendingError(this.column, hour);
    const pending = Number.isNaN(waiting) ? long : waiting;
    const base = INTERVAL.long * long + INTERVAL.recent * recent + INTERVAL.pending * pending + INTERVAL.floor;
    for (let step = 0; step < horizon; step += 1) {
      const shape = long > 0 ? this.#blockError(judged, Math.min(step, judged.steps - 1)) / long : 1;
      scales[step] = base * Math.sqrt(0.5 + 0.5 * shape);
    }
  }

  // Between the middles of two blocks on a straight line.
  #blockError({ blocks, blockSteps }: Judged, step: number): number {
    const place = Math.min(BLOCK_COUNT - 1, Math.max(0, (step + 0.5) / blockSteps - 0.5));
    const first = Math.min(BLOCK_COUNT - 2, Math.floor(place));
    const at = this.column * BLOCK_COUNT + first;
    return blocks[at]! + (place - first) * (blocks[at + 1]! - blocks[at]!);
  }
}
