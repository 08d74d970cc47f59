// The point forecast: the regression's, beside the simplest ones, each weighed by what it cost of late. Where the regression
// is right it costs nothing; where the regime changes faster than it learns, the simplest are better, and this is how it yields.
import { exponential } from "./elementary.ts";
import { POOL } from "./fine-settings.ts";

export const POOL_COUNT = POOL.shares.length;

export class Pool {
  readonly #losses = new Float64Array(POOL_COUNT);
  readonly #keep: number;

  constructor(keep: number) {
    this.#keep = keep;
  }

  /** Their weighted mean. */
  mix(members: Float32Array): number {
    let best = Infinity;
    for (const loss of this.#losses) best = Math.min(best, loss);
    let [weights, sum] = [0, 0];
    for (let index = 0; index < POOL_COUNT; index += 1) {
      const excess = best > 0 ? this.#losses[index]! / best - 1 : 0;
      const weight = POOL.shares[index]! * exponential(-POOL.eta * excess);
      weights += weight;
      sum += weight * members[index]!;
    }
    return sum / weights;
  }

  observe(index: number, loss: number): void {
    this.#losses[index] = this.#keep * this.#losses[index]! + loss;
  }
}
