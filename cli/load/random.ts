// Seeded randomness for traces and load: the same seed gives the same numbers on every machine.
// sfc32 (Chris Doty-Humphrey's Small Fast Counter, PractRand): 128 bits of state, a counter that makes the period
// at least 2^32, and no known failure in PractRand's tests. Not for secrets.

/** Above this mean, Poisson is drawn from the normal distribution: its skew, mean^-½, is then below an eighth. */
const POISSON_EXACT_MEAN_MAX = 64;
/** Mixes the seed into all of the state, as the author recommends. */
const WARM_UP_ROUNDS = 12;

export class Random {
  #a: number;
  #b: number;
  #c = 0;
  #counter = 1;

  /** `stream` separates uses of one seed: their numbers are unrelated. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.word();
  }

  /** 32 bits. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 to below 1, in steps of 2^-53. */
  uniform(): number {
    return ((this.word() >>> 5) * 2 ** 26 + (this.word() >>> 6)) / 2 ** 53;
  }

  /** An integer from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** An index, each as likely as its weight says. */
  weighted(weights: readonly number[]): number {
    let rest = this.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
    const index = weights.findIndex((weight) => (rest -= weight) < 0);
    return index === -1 ? weights.length - 1 : index; // Rounding can leave a sliver past the last weight.
  }

  /** How many of independent events happen when `mean` are expected. */
  poisson(mean: number): number {
    if (mean > POISSON_EXACT_MEAN_MAX) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.normal()));
    // Knuth, The Art of Computer Programming, volume 2, 3.4.1, algorithm Q.
    const floor = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > floor; product *= this.uniform()) count++;
    return count;
  }

  /** Mean 0, variance 1. Box and Muller, one of its pair. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}
