// XXH64 over bytes in memory, little-endian as Wasm is; any alignment.
// Promise: equal to the reference implementation for every input and seed.
// Source: xxHash specification 0.1.1 (Y. Collet), https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

export function xxh64(offset: usize, bytes: u32, seed: u64): u64 {
  const end = offset + <usize>bytes;
  let at = offset;
  let hash: u64;
  if (bytes >= 32) {
    // Four lanes of eight bytes each; `last` is the last place where a whole stripe fits.
    const last = end - 32;
    let a = seed + PRIME_1 + PRIME_2;
    let b = seed + PRIME_2;
    let c = seed;
    let d = seed - PRIME_1;
    do {
      a = round(a, load<u64>(at));
      b = round(b, load<u64>(at, 8));
      c = round(c, load<u64>(at, 16));
      d = round(d, load<u64>(at, 24));
      at += 32;
    } while (at <= last);
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + PRIME_5;
  }
  hash += <u64>bytes;
  while (at + 8 <= end) {
    hash = rotl<u64>(hash ^ round(0, loadHalves(at)), 27) * PRIME_1 + PRIME_4;
    at += 8;
  }
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  while (at < end) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * PRIME_5), 11) * PRIME_1;
    at += 1;
  }
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

/**
 * Eight bytes in two loads: the host writes short keys in words of four, and a load of eight that two writes still under way
 * cover must wait for both to reach the cache (docs/design/balance.md has the cost).
 */
function loadHalves(at: usize): u64 {
  return <u64>load<u32>(at) | ((<u64>load<u32>(at, 4)) << 32);
}

function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME_2, 31) * PRIME_1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}
