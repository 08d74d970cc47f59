// Quantile sketch with a relative error (DDSketch), its lowest bins collapsing.
//
// Memory picture, at a 16-aligned base, for n bins, n a power of two from 64 to 1,024 (48 + 4 × n bytes):
//   sum f64 · what the sum lost f64 · min f64 · max f64 · count u32 · zero count u32 · highest index i32 · n u32 · bins u32[n]
// The bin of index i lies at place i mod n, so the window (highest - n, highest] moves without moving a bin.
//
// Mathematics. x = (1 + s) × 2^e, 0 ≤ s < 1, has index 35 × e + ⌊6s³ - 21s² + 50s⌋: DDSketch's cubic in place of the
// logarithm (6/35 s³ - 3/5 s² + 10/7 s ≈ log2(1 + s)), at 35 bins an octave, where its coefficients are integers.
// Its slope in ln x is (1 + s)(18s² - 42s + 50) ≥ 50 (least at s = 0 and 2/3), so a bin spans at most 1/50 in ln x, and
// the harmonic middle of its ends is within tanh(1/100) < 1 % of everything in it. A logarithm would need 34.66 bins.
//
// Promise: a quantile is within 1 % of the value of that rank, for every value above max / 2^(n / 35 - 1); below, it is
// too large by what was collapsed, never more than max. The same values in any order, or merged in any grouping,
// leave the same bins. Count, min and max are exact; the sum is a pair of f64 (relative error below 2⁻¹⁰⁰). Only IEEE
// operations: the same bins on every engine. Values below 2⁻³⁰ count as 0; there are at most 2³² - 1.
// Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch" (VLDB 2019); T. J. Dekker (1971) for the sum.

export const BIN_COUNT_MAX: u32 = 1024;
export const VALUE_MIN: f64 = 9.313225746154785e-10; // 2⁻³⁰
export const VALUE_MAX: f64 = 1125899906842624; // 2⁵⁰
const BINS_PER_OCTAVE: i32 = 35;
export const INDEX_MIN: i32 = -30 * BINS_PER_OCTAVE;
export const INDEX_MAX: i32 = 50 * BINS_PER_OCTAVE;

const SUM_LOST: usize = 8;
const MIN: usize = 16;
const MAX: usize = 24;
const COUNT: usize = 32;
const ZERO_COUNT: usize = 36;
const HIGHEST: usize = 40;
const BIN_COUNT: usize = 44;
const BINS: usize = 48;

export function quantileReset(base: usize, binCount: u32): void {
  assert((base & 15) === 0 && binCount >= 64 && binCount <= BIN_COUNT_MAX && (binCount & (binCount - 1)) === 0);
  memory.fill(base, 0, BINS + ((<usize>binCount) << 2));
  store<f64>(base, Infinity, MIN);
  store<u32>(base, binCount, BIN_COUNT);
}

/** 1, or 0 where 2³² - 1 values are in it already. */
export function quantileAdd(base: usize, value: f64): u32 {
  assert(value >= 0 && value <= VALUE_MAX);
  if (load<u32>(base, COUNT) === u32.MAX_VALUE) return 0;
  const positive = abs(value); // -0 is 0.
  if (positive < VALUE_MIN) addZeros(base, 1);
  else addToBin(base, indexOf(positive), 1);
  addSummary(base, positive, positive);
  addToSum(base, positive);
  return 1;
}

/** Adds everything in `other`: 1, or 0 with nothing changed where there would be more than 2³² - 1 values. */
export function quantileMerge(base: usize, other: usize): u32 {
  assert(base !== other);
  const otherCount = load<u32>(other, COUNT);
  if (otherCount > u32.MAX_VALUE - load<u32>(base, COUNT)) return 0;
  if (otherCount === 0) return 1;
  const mask = load<u32>(other, BIN_COUNT) - 1;
  const lowest = quantileLowest(other);
  addZeros(base, load<u32>(other, ZERO_COUNT));
  for (let i: u32 = 0; i <= mask; i++) {
    const amount = binAt(other, lowest + <i32>i);
    if (amount > 0) addToBin(base, lowest + <i32>i, amount);
  }
  addSummary(base, load<f64>(other, MIN), load<f64>(other, MAX));
  addToSum(base, load<f64>(other));
  addToSum(base, load<f64>(other, SUM_LOST));
  return 1;
}

/** The value of rank ⌊q × (count - 1)⌋, within the promise; -1 where there is none. */
export function quantileValue(base: usize, q: f64): f64 {
  assert(q >= 0 && q <= 1);
  const count = load<u32>(base, COUNT);
  if (count === 0) return -1;
  const rank = <u32>floor(q * <f64>(count - 1));
  const smallest = load<f64>(base, MIN);
  const largest = load<f64>(base, MAX);
  if (rank === 0 || rank < load<u32>(base, ZERO_COUNT)) return smallest;
  if (rank === count - 1) return largest;
  const index = rank >= count >>> 1 ? fromAbove(base, rank) : fromBelow(base, rank);
  return min(max(middleOf(index), smallest), largest);
}

// The bin that holds the rank, sought from the nearer end: latencies are asked for their p99.
function fromAbove(base: usize, rank: u32): i32 {
  let before = load<u32>(base, COUNT);
  let index = load<i32>(base, HIGHEST);
  for (let i: u32 = 0; i < BIN_COUNT_MAX; i++) {
    before -= binAt(base, index);
    if (before <= rank) break;
    index--;
  }
  return index;
}

function fromBelow(base: usize, rank: u32): i32 {
  let through = load<u32>(base, ZERO_COUNT);
  let index = quantileLowest(base);
  // Nothing is below the smallest value's bin, unless that is a zero.
  if (through === 0) index = max(index, indexOf(load<f64>(base, MIN)));
  for (let i: u32 = 0; i < BIN_COUNT_MAX; i++) {
    through += binAt(base, index);
    if (through > rank) break;
    index++;
  }
  return index;
}

export function quantileCount(base: usize): u32 {
  return load<u32>(base, COUNT);
}

export function quantileSum(base: usize): f64 {
  return load<f64>(base);
}

export function quantileMin(base: usize): f64 {
  return load<f64>(base, MIN);
}

export function quantileMax(base: usize): f64 {
  return load<f64>(base, MAX);
}

// The rest is the family's own: quantile-blob.ts reads and writes through it.

export function sumLost(base: usize): f64 {
  return load<f64>(base, SUM_LOST);
}

export function zeroCountOf(base: usize): u32 {
  return load<u32>(base, ZERO_COUNT);
}

/** The window's lowest index, whether its bin holds anything or not. */
export function quantileLowest(base: usize): i32 {
  return load<i32>(base, HIGHEST) - <i32>(load<u32>(base, BIN_COUNT) - 1);
}

export function quantileHighest(base: usize): i32 {
  return load<i32>(base, HIGHEST);
}

export function binAt(base: usize, index: i32): u32 {
  return load<u32>(cellOf(base, index), BINS);
}

export function indexOf(value: f64): i32 {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>(bits >> 52) - 1023;
  const s = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000) - 1;
  return exponent * BINS_PER_OCTAVE + <i32>(((6 * s - 21) * s + 50) * s);
}

export function addZeros(base: usize, amount: u32): void {
  store<u32>(base, load<u32>(base, ZERO_COUNT) + amount, ZERO_COUNT);
  store<u32>(base, load<u32>(base, COUNT) + amount, COUNT);
}

export function addSummary(base: usize, smallest: f64, largest: f64): void {
  store<f64>(base, min(load<f64>(base, MIN), smallest), MIN);
  store<f64>(base, max(load<f64>(base, MAX), largest), MAX);
}

/** Knuth's exact sum of two, then Dekker's renormalisation. */
export function addToSum(base: usize, value: f64): void {
  const before = load<f64>(base);
  const rounded = before + value;
  const taken = rounded - before;
  const lost = before - (rounded - taken) + (value - taken) + load<f64>(base, SUM_LOST);
  const sum = rounded + lost;
  store<f64>(base, sum);
  store<f64>(base, lost - (sum - rounded), SUM_LOST);
}

export function addToBin(base: usize, index: i32, amount: u32): void {
  const count = load<u32>(base, COUNT);
  if (count === load<u32>(base, ZERO_COUNT)) store<i32>(base, index, HIGHEST);
  else if (index > load<i32>(base, HIGHEST)) raise(base, index);
  const cell = cellOf(base, max(index, quantileLowest(base)));
  store<u32>(cell, load<u32>(cell, BINS) + amount, BINS);
  store<u32>(base, count + amount, COUNT);
}

// Moves the window up: what falls out of it is collapsed into its new lowest bin.
function raise(base: usize, highest: i32): void {
  const lowest = highest - <i32>(load<u32>(base, BIN_COUNT) - 1);
  const last = min(lowest - 1, load<i32>(base, HIGHEST));
  let collapsed: u32 = 0;
  for (let index = quantileLowest(base); index <= last; index++) {
    const cell = cellOf(base, index);
    collapsed += load<u32>(cell, BINS);
    store<u32>(cell, 0, BINS);
  }
  store<i32>(base, highest, HIGHEST);
  const cell = cellOf(base, lowest);
  store<u32>(cell, load<u32>(cell, BINS) + collapsed, BINS);
}

function cellOf(base: usize, index: i32): usize {
  return base + ((<usize>(<u32>index & (load<u32>(base, BIN_COUNT) - 1))) << 2);
}

// The harmonic middle of the bin's ends: as far from both, relatively.
function middleOf(index: i32): f64 {
  const octave = <i32>floor(<f64>index / <f64>BINS_PER_OCTAVE);
  const step = index - octave * BINS_PER_OCTAVE;
  const low = 1 + startOf(step);
  const high = 1 + startOf(step + 1);
  return reinterpret<f64>((<u64>(octave + 1023)) << 52) * ((2 * low * high) / (low + high));
}

// Where 6s³ - 21s² + 50s = step: Newton from step / 35. The error falls 0.09, 6e-3, 3e-5, 7e-10, below 2⁻⁵³.
function startOf(step: i32): f64 {
  const target = <f64>step;
  let s = target / <f64>BINS_PER_OCTAVE;
  for (let i = 0; i < 5; i++) s -= (((6 * s - 21) * s + 50) * s - target) / ((18 * s - 42) * s + 50);
  return s;
}
