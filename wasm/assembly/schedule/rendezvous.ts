// Weighted rendezvous hashing over a shard table, four shards a step.
//
// Memory picture, at a 16-aligned base, for a capacity c that is a multiple of four (12 × c bytes):
//   seed low u32[c] · seed high u32[c] · inverse weight f32[c]
// Places beyond the last shard hold the inverse weight +∞.
//
// Mathematics. For key k and shard i let u(k, i) be uniform in (0, 1), independent over i. Then
// -log2(u) / w_i is exponential with rate proportional to w_i, and the smallest of independent
// exponentials is the i-th with probability w_i / Σ w. So: choose the shard of the smallest cost
//   cost(k, i) = -log2(u(k, i)) × (1 / w_i).
// A weight that rises lowers only its own shard's cost, so keys move only to it; all weights times a power
// of two move nothing. Weight 0 has the inverse weight +∞ and is never chosen.
// Source: D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates" (1998);
// J. Schindelhauer, G. Schomaker, "Weighted distributed hash tables" (2005), the logarithmic method.
//
// Promise: the same shard on every engine. Only f32 +, -, ×, ÷ (IEEE 754, correctly rounded, no fused
// operation) and integer operations are used; the logarithm is the series below and nobody's library.
// Ties go to the lowest index.

import { xxh64 } from "../hash/xxh64";
import { KEY_BYTES_MAX, KEY_OFFSET } from "../memory/layout";

/** Index of the chosen shard among the first `count`, or -1 where every weight is 0. */
export function rendezvousChoose(base: usize, capacity: u32, count: u32, keyHash: u64): i32 {
  assert((base & 15) === 0 && (capacity & 3) === 0 && count <= capacity);
  const keyLow = i32x4.splat(<i32>keyHash);
  const keyHigh = i32x4.splat(<i32>(keyHash >> 32));
  let bestCost = f32x4.splat(f32.MAX_VALUE);
  let bestIndex = i32x4.splat(-1);
  let index = i32x4(0, 1, 2, 3);
  const four = i32x4.splat(4);
  const stride = (<usize>capacity) << 2;
  const seedHighBase = base + stride;
  const inverseWeightBase = seedHighBase + stride;
  const end = (<usize>((count + 3) & ~3)) << 2;
  for (let at: usize = 0; at < end; at += 16) {
    const seedLow = v128.load(base + at);
    const seedHigh = v128.load(seedHighBase + at);
    const mixed = mix(v128.xor(keyLow, seedLow), v128.xor(keyHigh, seedHigh));
    const cost = f32x4.mul(negativeLog2(mixed), v128.load(inverseWeightBase + at));
    // Strictly less: within a lane the first of equals stays; +∞ is not less than the largest finite.
    const better = f32x4.lt(cost, bestCost);
    bestCost = v128.bitselect(cost, bestCost, better);
    bestIndex = v128.bitselect(index, bestIndex, better);
    index = i32x4.add(index, four);
  }
  return reduce(bestCost, bestIndex);
}

/** The same for the key of `keyBytes` bytes at KEY_OFFSET, so that no 64-bit integer crosses to the host. */
export function rendezvousChooseKey(base: usize, capacity: u32, count: u32, keyBytes: u32): i32 {
  assert(keyBytes <= KEY_BYTES_MAX);
  return rendezvousChoose(base, capacity, count, xxh64(KEY_OFFSET, keyBytes, 0));
}

// Two words in, one well-mixed word out: the low-bias 32-bit finaliser (C. Wellons, "hash-prospector"),
// with the high word folded in between its multiplications.
function mix(low: v128, high: v128): v128 {
  let x = v128.xor(low, i32x4.shr_u(low, 16));
  x = i32x4.mul(x, i32x4.splat(0x7feb352d));
  x = v128.xor(x, high);
  x = v128.xor(x, i32x4.shr_u(x, 15));
  x = i32x4.mul(x, i32x4.splat(<i32>0x846ca68b));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

// -log2((word's upper 23 bits + 1/2) / 2²³): every step exact or correctly rounded, always > 0.
// x = m × 2^e with m in [√½, √2); log2(m) = 2/ln 2 × atanh(s), s = (m - 1)/(m + 1), |s| ≤ 0.1716, four terms
// (the next is below 5e-8). Centred on 1 so that u near 1, where the winners are, keeps its relative accuracy.
function negativeLog2(word: v128): v128 {
  const x = f32x4.add(f32x4.convert_i32x4_u(i32x4.shr_u(word, 9)), f32x4.splat(0.5));
  const centre = i32x4.splat(0x3f3504f3); // The bits of √½.
  const shifted = i32x4.sub(x, centre);
  const exponent = i32x4.shr_s(shifted, 23);
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), centre);
  const one = f32x4.splat(1);
  const s = f32x4.div(f32x4.sub(mantissa, one), f32x4.add(mantissa, one));
  const s2 = f32x4.mul(s, s);
  let series = f32x4.splat(0.4121985831); // 2/ln 2 / 7
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(0.5770780164)); // 2/ln 2 / 5
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(0.9617966939)); // 2/ln 2 / 3
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(2.8853900818)); // 2/ln 2
  const whole = f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(23), exponent));
  return f32x4.sub(whole, f32x4.mul(s, series));
}

function reduce(cost: v128, index: v128): i32 {
  let bestCost = f32x4.extract_lane(cost, 0);
  let best = i32x4.extract_lane(index, 0);
  const cost1 = f32x4.extract_lane(cost, 1);
  const index1 = i32x4.extract_lane(index, 1);
  if (isBetter(cost1, index1, bestCost, best)) {
    bestCost = cost1;
    best = index1;
  }
  const cost2 = f32x4.extract_lane(cost, 2);
  const index2 = i32x4.extract_lane(index, 2);
  if (isBetter(cost2, index2, bestCost, best)) {
    bestCost = cost2;
    best = index2;
  }
  const cost3 = f32x4.extract_lane(cost, 3);
  const index3 = i32x4.extract_lane(index, 3);
  return isBetter(cost3, index3, bestCost, best) ? index3 : best;
}

// An index of -1 read as unsigned is the largest, so "none" loses every tie.
function isBetter(cost: f32, index: i32, bestCost: f32, best: i32): bool {
  return cost < bestCost || (cost === bestCost && <u32>index < <u32>best);
}
