export interface SeededRandom {
  /** Uniform in [0, 1), 32 bits of it. */
  next(): number;
  /** A uniform integer in [0, bound). */
  below(bound: number): number;
  /** Exponential with mean 1. */
  exponential(): number;
  /** Normal with mean 0 and deviation 1. */
  normal(): number;
}

/** The same numbers for the same seed: mulberry32 (T. Ettinger, public domain). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    exponential: () => -Math.log(1 - next()),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}
