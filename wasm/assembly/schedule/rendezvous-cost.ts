// What a shard costs a key, four shards a step: the arithmetic under rendezvous.ts and rendezvous-bounded.ts.
//
// Memory picture of a shard table, at a 16-aligned base, for a capacity c that is a multiple of eight, at most
// 1,024 (20 × c + 64 bytes):
//   seed low u32[c] · seed high u32[c], odd · inverse weight f32[c] · weight f32[c] · load u32[c] · picks i32[16]
// Places beyond the last shard, and shards of weight 0, have the inverse weight +∞. The host writes everything
// but the picks.
//
// Promise: the same bits on every engine. Only f32 +, -, × (IEEE 754, correctly rounded, no fused operation) and
// integer operations are used; the logarithm is the polynomial below and nobody's library.

/** Shards in one round of the loop: two vectors of four. */
export const ROUND_SHARDS: u32 = 8;
export const SHARD_COUNT_MAX: u32 = 1024;
export const PICK_COUNT_MAX: u32 = 16;

// Vector constants come from memory: V8 builds a constant vector anew in every round of a loop (1.5 × the time of
// the C loop at 1,024 shards; 1.2 × with these).
const CONSTANTS = memory.data<u32>([1, 0xfffffc00, 8]);

const LN2: f32 = <f32>Math.LN2;
// Least largest relative error of 1 + P1 f + … + P6 f⁶ to ln(1 + f) / f over [√½ - 1, √2 - 1], the first held at 1.
const P1: f32 = -0.5000084638595581;
const P2: f32 = 0.33319219946861267;
const P3: f32 = -0.24919062852859497;
const P4: f32 = 0.20449119806289673;
const P5: f32 = -0.18587608635425568;
const P6: f32 = 0.11949444562196732;

export function checkTable(base: usize, capacity: u32, count: u32): void {
  assert((base & 15) === 0 && (capacity & (ROUND_SHARDS - 1)) === 0 && count <= capacity && capacity <= SHARD_COUNT_MAX);
}

export function ones(): v128 {
  return v128.load32_splat(CONSTANTS);
}

/** All bits but the lower ten, where a bound carries its shard's index. */
export function boundBits(): v128 {
  return v128.load32_splat(CONSTANTS, 4);
}

export function eights(): v128 {
  return v128.load32_splat(CONSTANTS, 8);
}

export function keyLowOf(keyHash: u64): v128 {
  return i32x4.splat(<i32>keyHash);
}

/** Even, so that its exclusive or with a seed is odd. */
export function keyHighOf(keyHash: u64): v128 {
  return i32x4.splat(<i32>(keyHash >> 32) & ~1);
}

/**
 * A uniform draw per (key, shard): v odd in 1 … 2²⁴ - 1, so that v and 2²⁴ - v are exact in f32 and neither is 0.
 * Key and seed words are XXH64's and well mixed already; one multiplication, by an odd number, lets all bits of
 * both words decide the upper ones (docs/design/balance.md has the tests of independence).
 */
export function draw(low: v128, oddHigh: v128, one: v128): v128 {
  return f32x4.convert_i32x4_s(v128.or(i32x4.shr_u(i32x4.mul(low, oddHigh), 8), one));
}

/**
 * -ln(1 - v / 2²⁴) × 2²⁴, never below v. 2²⁴ - v = m × 2^e with m in [√½, √2), and ln m = (m - 1) × P(m - 1):
 * centred on 1, so that small v, where the winners are, keep their relative accuracy. Over all 2²³ draws it
 * never falls, and its error is at most 1.5 × 10⁻⁶ of the value.
 */
export function negativeLog(v: v128): v128 {
  const complement = f32x4.sub(f32x4.splat(16777216), v);
  const centre = i32x4.splat(0x3f3504f3); // The bits of √½.
  const shifted = i32x4.sub(complement, centre);
  const halvings = i32x4.sub(i32x4.splat(24), i32x4.shr_s(shifted, 23));
  const f = f32x4.sub(i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), centre), f32x4.splat(1));
  let p = f32x4.splat(P6);
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(P5));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(P4));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(P3));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(P2));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(P1));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(1));
  const whole = f32x4.mul(f32x4.convert_i32x4_s(halvings), f32x4.splat(LN2));
  const log = f32x4.mul(f32x4.sub(whole, f32x4.mul(f, p)), f32x4.splat(16777216));
  return f32x4.pmax(log, v);
}

/** The draws of the four shards whose columns begin at `at`; `stride` is a column's size in bytes. */
export function drawsAt(at: usize, stride: usize, keyLow: v128, keyHigh: v128): v128 {
  return draw(v128.xor(keyLow, v128.load(at)), v128.xor(keyHigh, v128.load(at + stride)), ones());
}

/** The smallest of four in all four lanes. */
export function leastOf(costs: v128): v128 {
  const two = f32x4.pmin(costs, v128.shuffle<i32>(costs, costs, 2, 3, 0, 1));
  return f32x4.pmin(two, v128.shuffle<i32>(two, two, 1, 0, 3, 2));
}

/** The exact cost of one shard. */
export function costOf(base: usize, capacity: u32, index: u32, keyHash: u64): f32 {
  const stride = (<usize>capacity) << 2;
  const at = base + ((<usize>index) << 2);
  const low = v128.xor(keyLowOf(keyHash), v128.load32_splat(at));
  const high = v128.xor(keyHighOf(keyHash), v128.load32_splat(at + stride));
  return f32x4.extract_lane(f32x4.mul(negativeLog(draw(low, high, ones())), v128.load32_splat(at + 2 * stride)), 0);
}

/** The index of the smallest of four costs, of equal ones the lowest. -1 read as unsigned is the largest. */
export function lowest(cost: v128, index: v128): i32 {
  let other = v128.shuffle<i32>(cost, cost, 2, 3, 0, 1);
  let otherIndex = v128.shuffle<i32>(index, index, 2, 3, 0, 1);
  let keep = precedes(cost, index, other, otherIndex);
  const two = v128.bitselect(cost, other, keep);
  const twoIndex = v128.bitselect(index, otherIndex, keep);
  other = v128.shuffle<i32>(two, two, 1, 0, 3, 2);
  otherIndex = v128.shuffle<i32>(twoIndex, twoIndex, 1, 0, 3, 2);
  keep = precedes(two, twoIndex, other, otherIndex);
  return i32x4.extract_lane(v128.bitselect(twoIndex, otherIndex, keep), 0);
}

function precedes(cost: v128, index: v128, other: v128, otherIndex: v128): v128 {
  return v128.or(f32x4.lt(cost, other), v128.and(f32x4.eq(cost, other), i32x4.lt_u(index, otherIndex)));
}
