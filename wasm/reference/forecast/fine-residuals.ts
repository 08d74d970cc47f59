// How residuals in units of their expected scale are distributed: a histogram on a logarithmic grid, forgetting.
import { exp, ln1p } from "./elementary.ts";
import { HISTOGRAM } from "./fine-settings.ts";

const { sideCount: SIDE, unit: UNIT, ratio: RATIO } = HISTOGRAM;
/** Above this the counts are scaled down, so that newer ones, which weigh more and more, stay in range. */
const WEIGHT_MAX = 1e9;

export class Residuals {
  readonly #counts = new Float32Array(2 * SIDE);
  #weight = 1;
  #total = 0;

  constructor() {
    // A double exponential of mean size 1.5: wide, until the residuals themselves are known.
    for (let side = 0; side < SIDE; side += 1) {
      const share = exp(-edge(side) / 1.5) - (side === SIDE - 1 ? 0 : exp(-edge(side + 1) / 1.5));
      const count = (HISTOGRAM.priorCount / 2) * share;
      this.#counts[SIDE + side] = count;
      this.#counts[SIDE - 1 - side] = count;
    }
    for (const count of this.#counts) this.#total += count;
  }

  /** `growth` is 1 ÷ what is kept of the old counts. */
  observe(z: number, growth: number): void {
    this.#weight *= growth;
    if (this.#weight > WEIGHT_MAX) this.#scaleDown();
    const side = Math.min(SIDE - 1, Math.floor(ln1p(Math.abs(z) / UNIT) / RATIO));
    const bin = z >= 0 ? SIDE + side : SIDE - 1 - side;
    this.#counts[bin] = this.#counts[bin]! + this.#weight;
    this.#total += this.#weight;
  }

  #scaleDown(): void {
    this.#total = 0;
    for (let bin = 0; bin < 2 * SIDE; bin += 1) {
      this.#counts[bin] = this.#counts[bin]! / this.#weight;
      this.#total += this.#counts[bin]!;
    }
    this.#weight = 1;
  }

  quantile(p: number): number {
    let left = p * this.#total;
    for (let bin = 0; bin < 2 * SIDE; bin += 1) {
      const count = this.#counts[bin]!;
      if (left <= count && count > 0) {
        const [from, to] = bin >= SIDE ? [edge(bin - SIDE), edge(bin - SIDE + 1)] : [-edge(SIDE - bin), -edge(SIDE - 1 - bin)];
        return from + (left / count) * (to - from);
      }
      left -= count;
    }
    return edge(SIDE);
  }
}

function edge(side: number): number {
  return UNIT * (exp(RATIO * side) - 1);
}
