// Weighted least connections: the shard of the smallest (active + 1) / weight, in integers.
//
// Memory picture, at a 16-aligned base, for a capacity c that is a multiple of four, at most 1,024 (8 × c bytes):
//   weight u32[c] · active u32[c]
//
// Promise: (active_a + 1) / weight_a < (active_b + 1) / weight_b is compared as products of 64 bits, exactly. Ties
// go to the first in turn from `start`, which the caller rotates: without, a quiet service would send everything to
// its first shard. Weight 0 is never chosen.
// Source: W. Zhang, "Linux Virtual Server for scalable network services" (2000), weighted least-connection
// scheduling; + 1 for the request that is being placed, as Envoy and nginx have it for unequal weights.

const SHARD_COUNT_MAX: u32 = 1024;

/** Index of the chosen shard, or -1 where every weight is 0. */
export function leastConnectionsChoose(base: usize, capacity: u32, count: u32, start: u32): i32 {
  assert((base & 15) === 0 && (capacity & 3) === 0 && count <= capacity && capacity <= SHARD_COUNT_MAX);
  const actives = base + ((<usize>capacity) << 2);
  let best = -1;
  let bestActive: u64 = 0;
  let bestWeight: u64 = 0;
  let index = count > 0 ? start % count : 0;
  for (let step: u32 = 0; step < count; step++) {
    const weight = <u64>load<u32>(base + ((<usize>index) << 2));
    const active = <u64>load<u32>(actives + ((<usize>index) << 2)) + 1;
    if (weight > 0 && (best < 0 || active * bestWeight < bestActive * weight)) {
      best = index;
      bestActive = active;
      bestWeight = weight;
    }
    index += 1;
    if (index === count) index = 0;
  }
  return best;
}
