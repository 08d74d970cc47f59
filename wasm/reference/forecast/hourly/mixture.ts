// A weighted mean of the pool's experts, in logs, weighed by what each said about the last days.
import { exponential } from "../elementary.ts";
import type { Judged } from "./judged.ts";
import { DAILY_COUNT, HORIZON_MAX, type MixtureSpec } from "./settings.ts";

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
    for (let expert = 0; expert < weights.length; expert += 1)
      weights[expert] = judged.dailyCount > 0 ? judged.dailyLoss(expert, DAILY_COUNT) : 0;
    weighByLoss(weights, shares, eta);
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
}

/** Turns losses into weights: share × exp(−eta (loss ÷ best − 1)), of sum 1. Share 0 has no part. */
export function weighByLoss(losses: Float64Array, shares: readonly number[], eta: number): void {
  let best = Infinity;
  for (let index = 0; index < losses.length; index += 1) if (shares[index]! > 0) best = Math.min(best, losses[index]!);
  let sum = 0;
  for (let index = 0; index < losses.length; index += 1) {
    const loss = losses[index]!;
    const excess = best > 0 ? loss / best - 1 : loss > 0 ? Infinity : 0;
    losses[index] = shares[index]! > 0 ? shares[index]! * exponential(-eta * excess) : 0;
    sum += losses[index]!;
  }
  for (let index = 0; index < losses.length; index += 1) losses[index] = losses[index]! / sum;
}
