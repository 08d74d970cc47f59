// Weighted least squares with forgetting, under a Gaussian prior, for two targets of the same features: normal equations in
// single precision, solved in double. Without news the moments fade and the coefficients return to the prior: nothing winds
// up, and A + prior is positive definite whatever comes.
import { factor, solveFactored } from "./cholesky.ts";

export type Target = 0 | 1;

interface News {
  readonly features: Float32Array;
  /** Where they begin in it. */
  readonly at: number;
  readonly weight: number;
  readonly targets: readonly [number, number];
}

export class LeastSquares {
  readonly #order: number;
  readonly #keep: number;
  readonly #precision: number;
  readonly #means: readonly number[];
  /** Lower triangle, row by row. */
  readonly #moments: Float32Array;
  readonly #cross: readonly [Float32Array, Float32Array];
  readonly #coefficients: readonly [Float32Array, Float32Array];
  readonly #matrix: Float64Array;
  readonly #vector: Float64Array;

  constructor({ means, precision, keep }: { means: readonly number[]; precision: number; keep: number }) {
    const order = means.length;
    this.#order = order;
    this.#keep = keep;
    this.#precision = precision;
    this.#means = means;
    this.#moments = new Float32Array((order * (order + 1)) / 2);
    this.#cross = [new Float32Array(order), new Float32Array(order)];
    this.#coefficients = [Float32Array.from(means), Float32Array.from(means)];
    this.#matrix = new Float64Array(order * order);
    this.#vector = new Float64Array(order);
  }

  observe({ features, at, weight, targets }: News): void {
    const [first, second] = this.#cross;
    const keep = this.#keep;
    let cell = 0;
    for (let row = 0; row < this.#order; row += 1) {
      const weighted = weight * features[at + row]!;
      for (let column = 0; column <= row; column += 1) {
        this.#moments[cell] = keep * this.#moments[cell]! + weighted * features[at + column]!;
        cell += 1;
      }
      first[row] = keep * first[row]! + weighted * targets[0];
      second[row] = keep * second[row]! + weighted * targets[1];
    }
  }

  solve(): void {
    const order = this.#order;
    let cell = 0;
    for (let row = 0; row < order; row += 1) {
      for (let column = 0; column <= row; column += 1) {
        this.#matrix[row * order + column] = this.#moments[cell]!;
        cell += 1;
      }
      this.#matrix[row * order + row] = this.#matrix[row * order + row]! + this.#precision;
    }
    if (!factor(this.#matrix, order)) return;
    for (const target of [0, 1] as const) {
      for (let row = 0; row < order; row += 1) this.#vector[row] = this.#cross[target][row]! + this.#precision * this.#means[row]!;
      solveFactored(this.#matrix, order, this.#vector);
      this.#coefficients[target].set(this.#vector);
    }
  }

  predict(target: Target, features: Float32Array): number {
    const coefficients = this.#coefficients[target];
    let sum = 0;
    for (let index = 0; index < this.#order; index += 1) sum += coefficients[index]! * features[index]!;
    return sum;
  }
}
