// Weighted least squares with forgetting, under a Gaussian prior, for two targets of the same features: normal equations in
// single precision, solved in double. Without news the moments fade and the coefficients return to the prior: nothing winds
// up, and A + prior is positive definite whatever comes.
import { factor, solveFactored } from "./cholesky.ts";

export class LeastSquares {
  readonly #order: number;
  /** Lower triangle, row by row. */
  readonly #moments: Float32Array;
  readonly #cross: readonly [Float32Array, Float32Array];
  readonly coefficients: readonly [Float32Array, Float32Array];
  readonly #means: readonly number[];
  readonly #precisions: readonly number[];
  readonly #matrix: Float64Array;
  readonly #vector: Float64Array;

  constructor(means: readonly number[], precisions: readonly number[]) {
    const order = means.length;
    this.#order = order;
    this.#moments = new Float32Array((order * (order + 1)) / 2);
    this.#cross = [new Float32Array(order), new Float32Array(order)];
    this.coefficients = [Float32Array.from(means), Float32Array.from(means)];
    this.#means = means;
    this.#precisions = precisions;
    this.#matrix = new Float64Array(order * order);
    this.#vector = new Float64Array(order);
  }

  /** `features` from `at` on. */
  observe(
    features: Float32Array,
    at: number,
    { keep, weight, targets }: { keep: number; weight: number; targets: readonly [number, number] },
  ): void {
    const order = this.#order;
    let cell = 0;
    for (let row = 0; row < order; row += 1) {
      const x = features[at + row]!;
      const weighted = weight * x;
      for (let column = 0; column <= row; column += 1, cell += 1)
        this.#moments[cell] = keep * this.#moments[cell]! + weighted * features[at + column]!;
      this.#cross[0][row] = keep * this.#cross[0][row]! + weighted * targets[0];
      this.#cross[1][row] = keep * this.#cross[1][row]! + weighted * targets[1];
    }
  }

  solve(): void {
    const order = this.#order;
    let cell = 0;
    for (let row = 0; row < order; row += 1) {
      for (let column = 0; column <= row; column += 1, cell += 1) this.#matrix[row * order + column] = this.#moments[cell]!;
      this.#matrix[row * order + row] = this.#matrix[row * order + row]! + this.#precisions[row]!;
    }
    if (!factor(this.#matrix, order)) return;
    for (let target = 0; target < 2; target += 1) {
      const cross = this.#cross[target as 0 | 1];
      for (let row = 0; row < order; row += 1) this.#vector[row] = cross[row]! + this.#precisions[row]! * this.#means[row]!;
      solveFactored(this.#matrix, order, this.#vector);
      this.coefficients[target as 0 | 1].set(this.#vector);
    }
  }

  /** What target 0 or 1 would be. */
  predict(target: 0 | 1, features: Float32Array, at: number): number {
    const coefficients = this.coefficients[target];
    let sum = 0;
    for (let index = 0; index < this.#order; index += 1) sum += coefficients[index]! * features[at + index]!;
    return sum;
  }
}
