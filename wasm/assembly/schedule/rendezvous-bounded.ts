// Rendezvous hashing with bounded load over the same shard table (memory picture in rendezvous-cost.ts).
//
// Let m be the load of all shards with weight and W their weight, Σ w. With the load that is being placed, shard
// i's fair part is (m + 1) × w_i / W, and its bound is b_i = ⌈c × (m + 1) × w_i / W⌉: ⌈c × mean⌉ where weights
// are equal. The key goes to the best of its shards with load_i < b_i, so no placement takes a shard above its
// bound. With c ≥ 1 there always is one: Σ b_i ≥ m + 1 > m. As c grows this becomes rendezvousChoose.
// load_i < b_i is compared without a division: load_i × 256 W < (256 c) × (m + 1) × w_i, in f64, exact while
// the products stay below 2⁵³.
// Source: V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent hashing with bounded loads" (2018); parts by
// weight as Envoy's BoundedLoadHashingLoadBalancer has them. Here the walk along the ring is the key's own order
// of preference, so a full shard's keys spread over all others and none inherits them all.
//
// Promise: W is summed per lane in index order, then (lane 0 + lane 1) + (lane 2 + lane 3), on every engine.

import { checkTable, drawsAt, keyHighOf, keyLowOf, leastOf, lowest, negativeLog } from "./rendezvous-cost";
import { hashOfKey, rendezvousChoose } from "./rendezvous";

/** Index of the chosen shard, or -1 where every weight is 0. `ratio256` is 256 × c, at least 256. Loads are ≤ 2²⁰. */
export function rendezvousChooseBounded(base: usize, capacity: u32, count: u32, keyBytes: u32, ratio256: u32): i32 {
  assert(ratio256 >= 256);
  const keyHash = hashOfKey(keyBytes);
  const best = rendezvousChoose(base, capacity, count, keyHash);
  if (best < 0) return -1;
  const stride = (<usize>capacity) << 2;
  const weights = base + 3 * stride;
  const bytes = (<usize>((count + 3) & ~3)) << 2;
  let loads = i32x4.splat(0);
  let lowLanes = f64x2.splat(0);
  let highLanes = f64x2.splat(0);
  for (let at = weights; at < weights + bytes; at += 16) {
    const weight = v128.load(at);
    lowLanes = f64x2.add(lowLanes, f64x2.promote_low_f32x4(weight));
    highLanes = f64x2.add(highLanes, f64x2.promote_low_f32x4(v128.shuffle<i32>(weight, weight, 2, 3, 0, 1)));
    loads = i32x4.add(loads, v128.and(v128.load(at + stride), f32x4.gt(weight, f32x4.splat(0))));
  }
  const low = f64x2.extract_lane(lowLanes, 0) + f64x2.extract_lane(lowLanes, 1);
  const weightSum = low + (f64x2.extract_lane(highLanes, 0) + f64x2.extract_lane(highLanes, 1));
  const left = i32x4.extract_lane(loads, 0) + i32x4.extract_lane(loads, 1);
  const loadSum = <u32>(left + i32x4.extract_lane(loads, 2) + i32x4.extract_lane(loads, 3));
  const perLoad = 256 * weightSum;
  const perWeight = <f64>ratio256 * <f64>(loadSum + 1);
  const at = weights + ((<usize>best) << 2);
  if (<f64>load<u32>(at + stride) * perLoad < <f64>load<f32>(at) * perWeight) return best;
  return chooseBelow(base, capacity, count, keyHash, perLoad, perWeight);
}

function chooseBelow(base: usize, capacity: u32, count: u32, keyHash: u64, perLoad: f64, perWeight: f64): i32 {
  checkTable(base, capacity, count);
  const keyLow = keyLowOf(keyHash);
  const keyHigh = keyHighOf(keyHash);
  const stride = (<usize>capacity) << 2;
  const end = base + ((<usize>((count + 3) & ~3)) << 2);
  let bestCost = f32x4.splat(f32.MAX_VALUE);
  let bestIndex = i32x4.splat(-1);
  let least = bestCost;
  for (let at = base; at < end; at += 16) {
    const v = drawsAt(at, stride, keyLow, keyHigh);
    const inverse = v128.load(at + 2 * stride);
    if (!v128.any_true(f32x4.lt(f32x4.mul(v, inverse), least))) continue;
    const weight = v128.load(at + 3 * stride);
    const load = v128.load(at + 4 * stride);
    const lowHalf = isBelow(load, weight, perLoad, perWeight);
    const highHalf = isBelow(v128.shuffle<i32>(load, load, 2, 3, 0, 1), v128.shuffle<i32>(weight, weight, 2, 3, 0, 1), perLoad, perWeight);
    const hasRoom = v128.shuffle<i32>(lowHalf, highHalf, 0, 2, 4, 6);
    const index = i32x4.add(i32x4.splat(<i32>((at - base) >> 2)), i32x4(0, 1, 2, 3));
    const cost = f32x4.mul(negativeLog(v), inverse);
    const isBetter = v128.and(hasRoom, f32x4.lt(cost, bestCost));
    bestCost = v128.bitselect(cost, bestCost, isBetter);
    bestIndex = v128.bitselect(index, bestIndex, isBetter);
    least = leastOf(bestCost);
  }
  return lowest(bestCost, bestIndex);
}

/** For the two shards in the lower lanes, 64 bits each. */
function isBelow(load: v128, weight: v128, perLoad: f64, perWeight: f64): v128 {
  const left = f64x2.mul(f64x2.convert_low_i32x4_u(load), f64x2.splat(perLoad));
  return f64x2.lt(left, f64x2.mul(f64x2.promote_low_f32x4(weight), f64x2.splat(perWeight)));
}
