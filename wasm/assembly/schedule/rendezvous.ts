// Weighted rendezvous hashing over a shard table, whose memory picture is in rendezvous-cost.ts.
//
// Mathematics. For key k and shard i let u(k, i) be uniform in (0, 1), independent over i. Then
// -ln(1 - u) / w_i is exponential with rate w_i, and the smallest of independent exponentials is the i-th with
// probability w_i / Σ w. So: choose the shard of the smallest cost(k, i) = -ln(1 - u(k, i)) × (1 / w_i).
// Source: D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates" (1998);
// J. Schindelhauer, G. Schomaker, "Weighted distributed hash tables" (2005), the logarithmic method.
//
// Promise. A weight that rises lowers only its own shard's cost, so keys move only to it; all weights times a
// power of two move nothing. Weight 0 has the inverse weight +∞ and is never chosen. Ties go to the lowest index.
//
// Why the loop has no logarithm: -ln(1 - u) ≥ u, so u × (1 / w_i) is a lower bound of the cost, tight where u is
// small. One pass keeps the smallest and the second smallest bound; where the exact cost of the first is below
// the second, no other shard can be cheaper (all but about one key in n of n equal shards). Else an exact pass.

import { xxh64 } from "../hash/xxh64";
import { KEY_BYTES_MAX, KEY_OFFSET } from "../memory/layout";
import {
  PICK_COUNT_MAX,
  ROUND_SHARDS,
  boundBits,
  checkTable,
  costOf,
  draw,
  drawsAt,
  eights,
  keyHighOf,
  keyLowOf,
  leastOf,
  lowest,
  negativeLog,
  ones,
} from "./rendezvous-cost";

const INDEX_MASK: i32 = 1023;
const INFINITY_BITS: i32 = 0x7f800000;

/** Index of the chosen shard among the first `count`, or -1 where every weight is 0. */
export function rendezvousChoose(base: usize, capacity: u32, count: u32, keyHash: u64): i32 {
  checkTable(base, capacity, count);
  const keyLow = keyLowOf(keyHash);
  const keyHigh = keyHighOf(keyHash);
  const stride = (<usize>capacity) << 2;
  const end = base + ((<usize>((count + ROUND_SHARDS - 1) & ~(ROUND_SHARDS - 1))) << 2);
  const one = ones();
  const bits = boundBits();
  const step = eights();
  let indexA = i32x4(0, 1, 2, 3);
  let indexB = i32x4(4, 5, 6, 7);
  // A bound is its f32's bits with the index in the lower ten: ordered as integers, distinct, and never too high.
  let first = i32x4.splat(i32.MAX_VALUE);
  let second = first;
  for (let at = base; at < end; at += ROUND_SHARDS << 2) {
    const high = at + stride;
    const inverse = high + stride;
    const drawA = draw(v128.xor(keyLow, v128.load(at)), v128.xor(keyHigh, v128.load(high)), one);
    const drawB = draw(v128.xor(keyLow, v128.load(at, 16)), v128.xor(keyHigh, v128.load(high, 16)), one);
    const a = v128.or(v128.and(f32x4.mul(drawA, v128.load(inverse)), bits), indexA);
    const b = v128.or(v128.and(f32x4.mul(drawB, v128.load(inverse, 16)), bits), indexB);
    const smaller = i32x4.min_s(a, b);
    second = i32x4.min_s(i32x4.min_s(second, i32x4.max_s(a, b)), i32x4.max_s(first, smaller));
    first = i32x4.min_s(first, smaller);
    indexA = i32x4.add(indexA, step);
    indexB = i32x4.add(indexB, step);
  }
  // Fold the four lanes: halves, then neighbours.
  let other = v128.shuffle<i32>(first, first, 2, 3, 0, 1);
  second = i32x4.min_s(i32x4.min_s(second, v128.shuffle<i32>(second, second, 2, 3, 0, 1)), i32x4.max_s(first, other));
  first = i32x4.min_s(first, other);
  other = v128.shuffle<i32>(first, first, 1, 0, 3, 2);
  second = i32x4.min_s(i32x4.min_s(second, v128.shuffle<i32>(second, second, 1, 0, 3, 2)), i32x4.max_s(first, other));
  const best = i32x4.extract_lane(i32x4.min_s(first, other), 0);
  if (best >= INFINITY_BITS) return -1;
  const bound = reinterpret<f32>(i32x4.extract_lane(second, 0) & ~INDEX_MASK);
  const index = best & INDEX_MASK;
  if (costOf(base, capacity, index, keyHash) < bound) return index;
  return chooseAfter(base, capacity, count, keyHash, -1, -1);
}

/** The same for the key of `keyBytes` bytes at KEY_OFFSET, so that no 64-bit integer crosses to the host. */
export function rendezvousChooseKey(base: usize, capacity: u32, count: u32, keyBytes: u32): i32 {
  return rendezvousChoose(base, capacity, count, hashOfKey(keyBytes));
}

/** Writes the key's `k` best shards, best first, to the table's picks; returns how many have weight, at most k. */
export function rendezvousTopK(base: usize, capacity: u32, count: u32, keyBytes: u32, k: u32): u32 {
  assert(k <= PICK_COUNT_MAX);
  const keyHash = hashOfKey(keyBytes);
  const picks = base + <usize>capacity * 20;
  let found: u32 = 0;
  let index = rendezvousChoose(base, capacity, count, keyHash);
  while (index >= 0 && found < k) {
    store<i32>(picks + ((<usize>found) << 2), index);
    found += 1;
    if (found < k) index = chooseAfter(base, capacity, count, keyHash, costOf(base, capacity, index, keyHash), index);
  }
  return found;
}

export function hashOfKey(keyBytes: u32): u64 {
  assert(keyBytes <= KEY_BYTES_MAX);
  return xxh64(KEY_OFFSET, keyBytes, 0);
}

/** The shard of the smallest (cost, index) above the given pair, or -1: the exact order of preference. */
function chooseAfter(base: usize, capacity: u32, count: u32, keyHash: u64, afterCost: f32, afterIndex: i32): i32 {
  const keyLow = keyLowOf(keyHash);
  const keyHigh = keyHighOf(keyHash);
  const stride = (<usize>capacity) << 2;
  const end = base + ((<usize>((count + 3) & ~3)) << 2);
  const floorCost = f32x4.splat(afterCost);
  const floorIndex = i32x4.splat(afterIndex);
  let bestCost = f32x4.splat(f32.MAX_VALUE);
  let bestIndex = i32x4.splat(-1);
  let least = bestCost;
  for (let at = base; at < end; at += 16) {
    const v = drawsAt(at, stride, keyLow, keyHigh);
    const inverse = v128.load(at + 2 * stride);
    // No logarithm where the bound says that nobody here is cheaper: all but a few vectors.
    if (!v128.any_true(f32x4.lt(f32x4.mul(v, inverse), least))) continue;
    const index = i32x4.add(i32x4.splat(<i32>((at - base) >> 2)), i32x4(0, 1, 2, 3));
    const cost = f32x4.mul(negativeLog(v), inverse);
    const isNext = v128.and(f32x4.eq(cost, floorCost), i32x4.gt_s(index, floorIndex));
    // Strictly less: within a lane the first of equals stays; +∞ is not less than the largest finite.
    const isBetter = v128.and(v128.or(f32x4.gt(cost, floorCost), isNext), f32x4.lt(cost, bestCost));
    bestCost = v128.bitselect(cost, bestCost, isBetter);
    bestIndex = v128.bitselect(index, bestIndex, isBetter);
    least = leastOf(bestCost);
  }
  return lowest(bestCost, bestIndex);
}
