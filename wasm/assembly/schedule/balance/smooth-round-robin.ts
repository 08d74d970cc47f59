// Smooth weighted round robin: everyone's turn as often as its weight says, and as far apart as it can be.
//
// Memory picture, at a 16-aligned base, for a capacity c that is a multiple of four, at most 1,024 (8 × c bytes):
//   weight u32[c] · credit i32[c]
//
// Each turn every shard gains its weight; the richest one, the lowest index of equals, is chosen and pays the sum of
// all weights. Over a cycle of Σ w turns from credits of 0 shard i is chosen exactly w_i times and all credits are 0.
// Source: nginx, ngx_http_upstream_round_robin.c (commit 52327e0627f4): {5, 1, 1} gives a a b a c a a.
//
// Promise: weights are at most 2²⁰, so sums stay below 2³¹. Credits saturate at ± 2³⁰, which unchanged weights never
// reach: however weights change on the way, nothing wraps. A shard of weight 0 is not chosen and keeps its credit.

const SHARD_COUNT_MAX: u32 = 1024;
const CREDIT_MAX: i32 = 1 << 30;

/** Index of the shard whose turn it is, or -1 where every weight is 0. */
export function smoothRoundRobinNext(base: usize, capacity: u32, count: u32): i32 {
  assert((base & 15) === 0 && (capacity & 3) === 0 && count <= capacity && capacity <= SHARD_COUNT_MAX);
  const credits = base + ((<usize>capacity) << 2);
  let best = -1;
  let bestCredit = 0;
  let total = 0;
  for (let index: u32 = 0; index < count; index++) {
    const weight = load<i32>(base + ((<usize>index) << 2));
    if (weight === 0) continue;
    const at = credits + ((<usize>index) << 2);
    const credit = min(load<i32>(at) + weight, CREDIT_MAX);
    store<i32>(at, credit);
    total += weight;
    if (best >= 0 && credit <= bestCredit) continue;
    best = <i32>index;
    bestCredit = credit;
  }
  if (best >= 0) store<i32>(credits + ((<usize>best) << 2), <i32>max(<i64>bestCredit - <i64>total, -(<i64>CREDIT_MAX)));
  return best;
}
