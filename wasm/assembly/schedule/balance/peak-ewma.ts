// Two choices over peak-EWMA latency × (outstanding + 1).
//
// Memory picture, at a 16-aligned base, for a capacity c that is a multiple of four, at most 1,024 (24 × c bytes):
//   cost f64[c], ms · stamp f64[c], ms · outstanding u32[c] · open u32[c], 0 or 1
//
// Mathematics. An observed latency above the average replaces it at once; one below it moves it by the time that
// has passed: cost ← cost × e^(-Δ/τ) + latency × (1 - e^(-Δ/τ)). What is read has decayed to now, so a shard that
// was slow is tried again. Load is cost × (outstanding + 1); a shard without history that has requests
// outstanding counts 2⁴⁷ ns, so that it is probed by one request and not by a thousand.
// Source: Finagle's PeakEwma.scala (M. Eriksen, R. Oklander), which decays the stored cost at every reading; here
// a reading changes nothing. Two choices: M. Mitzenmacher, "The power of two choices" (2001).
//
// Promise: the same choice on every engine: f64 +, -, ×, ÷, floor, and an exponential of its own. Time never runs
// backwards: an earlier nowMs counts as the stamp. Ties go to the first drawn shard. Closed shards are never chosen.

const PENALTY_MS: f64 = 140737488;
const SHARD_COUNT_MAX: u32 = 1024;
// ln 2 in two parts (fdlibm): the first has 32 zero bits at its end, so that k × it is exact.
const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;

/** The cheaper of two distinct shards that two random words draw; of all open ones where both are closed; or -1. */
export function peakEwmaChoose(base: usize, capacity: u32, count: u32, wordA: u32, wordB: u32, nowMs: f64, decayMs: f64): i32 {
  check(base, capacity, count);
  if (count === 0) return -1;
  const first = <u32>((<u64>wordA * <u64>count) >> 32);
  if (count === 1) return isOpen(base, capacity, first) ? <i32>first : -1;
  let second = <u32>((<u64>wordB * <u64>(count - 1)) >> 32);
  if (second >= first) second += 1;
  if (!isOpen(base, capacity, first) && !isOpen(base, capacity, second)) return cheapestOpen(base, capacity, count, nowMs, decayMs);
  if (!isOpen(base, capacity, second)) return <i32>first;
  if (!isOpen(base, capacity, first)) return <i32>second;
  const isCheaper = peakEwmaLoad(base, capacity, second, nowMs, decayMs) < peakEwmaLoad(base, capacity, first, nowMs, decayMs);
  return <i32>(isCheaper ? second : first);
}

/** A request begins. */
export function peakEwmaStart(base: usize, capacity: u32, index: u32): void {
  check(base, capacity, index + 1);
  const at = outstandingAt(base, capacity, index);
  const outstanding = load<u32>(at);
  if (outstanding < u32.MAX_VALUE) store<u32>(at, outstanding + 1);
}

/** A request ends after `latencyMs`. An end without a beginning changes the average only. */
export function peakEwmaEnd(base: usize, capacity: u32, index: u32, latencyMs: f64, nowMs: f64, decayMs: f64): void {
  check(base, capacity, index + 1);
  const at = outstandingAt(base, capacity, index);
  const outstanding = load<u32>(at);
  if (outstanding > 0) store<u32>(at, outstanding - 1);
  const costAt = base + ((<usize>index) << 3);
  const stampAt = costAt + ((<usize>capacity) << 3);
  const cost = load<f64>(costAt);
  const weight = decay(nowMs, load<f64>(stampAt), decayMs);
  store<f64>(costAt, latencyMs > cost ? latencyMs : cost * weight + latencyMs * (1 - weight));
  store<f64>(stampAt, max(nowMs, load<f64>(stampAt)));
}

/** What two choices compare. */
export function peakEwmaLoad(base: usize, capacity: u32, index: u32, nowMs: f64, decayMs: f64): f64 {
  check(base, capacity, index + 1);
  const costAt = base + ((<usize>index) << 3);
  const cost = load<f64>(costAt) * decay(nowMs, load<f64>(costAt + ((<usize>capacity) << 3)), decayMs);
  const outstanding = <f64>load<u32>(outstandingAt(base, capacity, index));
  return cost === 0 && outstanding > 0 ? PENALTY_MS + outstanding : cost * (outstanding + 1);
}

function cheapestOpen(base: usize, capacity: u32, count: u32, nowMs: f64, decayMs: f64): i32 {
  let best = -1;
  let bestLoad: f64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    if (!isOpen(base, capacity, index)) continue;
    const candidate = peakEwmaLoad(base, capacity, index, nowMs, decayMs);
    if (best >= 0 && candidate >= bestLoad) continue;
    best = <i32>index;
    bestLoad = candidate;
  }
  return best;
}

function check(base: usize, capacity: u32, count: u32): void {
  assert((base & 15) === 0 && (capacity & 3) === 0 && count <= capacity && capacity <= SHARD_COUNT_MAX);
}

function isOpen(base: usize, capacity: u32, index: u32): bool {
  return load<u32>(outstandingAt(base, capacity, index) + ((<usize>capacity) << 2)) !== 0;
}

function outstandingAt(base: usize, capacity: u32, index: u32): usize {
  return base + ((<usize>capacity) << 4) + ((<usize>index) << 2);
}

function decay(nowMs: f64, stampMs: f64, decayMs: f64): f64 {
  return exponential(max(nowMs - stampMs, 0) / decayMs);
}

/**
 * e^-x for x ≥ 0, within 4 × 10⁻¹⁶ of the value: x = k ln 2 + r with |r| ≤ ½ ln 2, Taylor to r¹³, times 2^-k through
 * the exponent's bits. 0 above 700, where it is below 10⁻³⁰⁴.
 */
function exponential(x: f64): f64 {
  if (!(x <= 700)) return 0;
  const k = floor(x * Math.LOG2E + 0.5);
  const r = k * LN2_HIGH - x + k * LN2_LOW;
  // 1 ÷ 13! to 1 ÷ 2!, rounded: thirteen divisions in a row took half the time of a choice.
  let sum: f64 = 1.6059043836821613e-10;
  sum = sum * r + 2.08767569878681e-9;
  sum = sum * r + 2.505210838544172e-8;
  sum = sum * r + 2.755731922398589e-7;
  sum = sum * r + 2.7557319223985893e-6;
  sum = sum * r + 2.48015873015873e-5;
  sum = sum * r + 0.0001984126984126984;
  sum = sum * r + 0.001388888888888889;
  sum = sum * r + 0.008333333333333333;
  sum = sum * r + 0.041666666666666664;
  sum = sum * r + 0.16666666666666666;
  sum = sum * r + 0.5;
  sum = sum * r + 1;
  sum = sum * r + 1;
  return sum * reinterpret<f64>((1023 - <i64>k) << 52);
}
