// How residuals in units of their expected scale are distributed: a histogram on a logarithmic grid, forgetting.
import { exponential, logarithm, logOnePlus } from "./elementary.ts";
import { RESIDUALS } from "./fine-settings.ts";

const { sideCount: SIDE, unit: UNIT, ratio: RATIO, tailRatio: TAIL } = RESIDUALS;
/** A new residual weighs more and more instead of all the others less; above this all are scaled down. */
const WEIGHT_MAX = 1e9;
/** Of the bins, from the lowest; edge(SIDE) is where they end. */
const EDGES = Float64Array.from({ length: 2 * SIDE + 1 }, (_, bin) => (bin < SIDE ? -edge(SIDE - bin) : edge(bin - SIDE)));

export class Residuals {
  readonly #counts = new Float32Array(2 * SIDE);
  readonly #growth: number;
  #weight = 1;
  /** NaN: to be counted again. */
  #total = Number.NaN;

  /** `keep`: what is kept of the old counts at every new one. */
  constructor(keep: number) {
    this.#growth = 1 / keep;
    for (let side = 0; side < SIDE; side += 1) {
      const beyond = side === SIDE - 1 ? 0 : exponential(-edge(side + 1) / RESIDUALS.priorSize);
      const count = (RESIDUALS.priorCount / 2) * (exponential(-edge(side) / RESIDUALS.priorSize) - beyond);
      this.#counts[SIDE + side] = count;
      this.#counts[SIDE - 1 - side] = count;
    }
  }

  /** `updates`: how many there were before. */
  observe(z: number, updates: number): void {
    this.#weight *= Math.max(this.#growth, 1 + 1 / (RESIDUALS.memoryUpdatesFirst + updates / 2));
    this.#total = Number.NaN;
    if (this.#weight > WEIGHT_MAX) {
      for (let bin = 0; bin < 2 * SIDE; bin += 1) this.#counts[bin] = this.#counts[bin]! / this.#weight;
      this.#weight = 1;
    }
    const side = Math.min(SIDE - 1, Math.floor(logOnePlus(Math.abs(z) / UNIT) / RATIO));
    const bin = z >= 0 ? SIDE + side : SIDE - 1 - side;
    this.#counts[bin] = this.#counts[bin]! + this.#weight;
  }

  /** `p` within (0, 1). */
  quantile(p: number): number {
    const share = Math.min(p, 1 - p);
    if (share >= TAIL) return this.quantiles([p])[0]!;
    const [first, second] = this.quantiles(p < 0.5 ? [TAIL, 4 * TAIL] : [1 - 4 * TAIL, 1 - TAIL]);
    const [outer, inner] = p < 0.5 ? [first!, second!] : [second!, first!];
    return outer + ((outer - inner) / logarithm(4)) * logarithm(TAIL / share);
  }

  /** Of ascending probabilities that are not in the tails. */
  quantiles(probabilities: readonly number[]): number[] {
    if (Number.isNaN(this.#total)) this.#total = this.#counts.reduce((sum, count) => sum + count, 0);
    let [bin, below] = [0, 0];
    return probabilities.map((p) => {
      const wanted = p * this.#total;
      while (bin < 2 * SIDE - 1 && below + this.#counts[bin]! < wanted) {
        below += this.#counts[bin]!;
        bin += 1;
      }
      const [from, to] = [EDGES[bin]!, EDGES[bin + 1]!];
      return from + Math.min(1, (wanted - below) / this.#counts[bin]!) * (to - from);
    });
  }
}

function edge(side: number): number {
  return UNIT * (exponential(RATIO * side) - 1);
}
