// XXH3-64 over bytes in memory, seeded, with the default secret; any alignment. Reads only; nothing is kept.
// Memory picture: the default secret, 192 bytes, among the compiler's constants.
// Promise: equal to the reference implementation (xxHash 0.8) for every input and seed.
// Source: xxHash specification 0.2.0 (Y. Collet), https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
//
// The secret of a seeded long input is the default one with the seed added to its even words and taken from its odd
// ones. Nothing stores it: words are derived where they are read.

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const PRIME64_1: u64 = 0x9e3779b185ebca87;
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME64_3: u64 = 0x165667b19e3779f9;
const PRIME64_4: u64 = 0x85ebca77c2b2ae63;
const PRIME64_5: u64 = 0x27d4eb2f165667c5;
const PRIME_MX1: u64 = 0x165667919e3779f9;
const PRIME_MX2: u64 = 0x9fb21c651e98df25;

const STRIPE_BYTES: usize = 64;
const BLOCK_STRIPES: u32 = 16;

// Little-endian words of the specification's byte table.
const SECRET = memory.data<u64>([
  0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072, 0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82,
  0x8e2443f7744608b8, 0x4c263a81e69035e0, 0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
  0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8, 0xc3ebd33483acc5ea, 0xeb6313faffa081c5,
  0x49daf0b751dd0d17, 0x9e68d429265516d3, 0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af,
]);

export function xxh3(offset: usize, bytes: u32, seed: u64): u64 {
  if (bytes > 240) return hashLong(offset, bytes, seed);
  if (bytes > 128) return hash129To240(offset, bytes, seed);
  if (bytes > 16) return hash17To128(offset, bytes, seed);
  if (bytes > 8) return hash9To16(offset, bytes, seed);
  if (bytes >= 4) return hash4To8(offset, bytes, seed);
  if (bytes > 0) return hash1To3(offset, bytes, seed);
  return avalancheXxh64(seed ^ secret(56) ^ secret(64));
}

function hash1To3(offset: usize, bytes: u32, seed: u64): u64 {
  const first = <u32>load<u8>(offset);
  const middle = <u32>load<u8>(offset + <usize>(bytes >> 1));
  const last = <u32>load<u8>(offset + <usize>bytes - 1);
  const combined = last | (bytes << 8) | (first << 16) | (middle << 24);
  return avalancheXxh64((<u64>(load<u32>(SECRET) ^ load<u32>(SECRET, 4)) + seed) ^ <u64>combined);
}

function hash4To8(offset: usize, bytes: u32, seed: u64): u64 {
  const modified = seed ^ ((<u64>bswap<u32>(<u32>seed)) << 32);
  const combined = <u64>load<u32>(offset + <usize>bytes - 4) | ((<u64>load<u32>(offset)) << 32);
  let value = ((secret(8) ^ secret(16)) - modified) ^ combined;
  value ^= rotl<u64>(value, 49) ^ rotl<u64>(value, 24);
  value *= PRIME_MX2;
  value ^= (value >> 35) + <u64>bytes;
  value *= PRIME_MX2;
  return value ^ (value >> 28);
}

function hash9To16(offset: usize, bytes: u32, seed: u64): u64 {
  const low = ((secret(24) ^ secret(32)) + seed) ^ load<u64>(offset);
  const high = ((secret(40) ^ secret(48)) - seed) ^ load<u64>(offset + <usize>bytes - 8);
  return avalanche(<u64>bytes + bswap<u64>(low) + high + foldedProduct(low, high));
}

function hash17To128(offset: usize, bytes: u32, seed: u64): u64 {
  const end = offset + <usize>bytes;
  let sum = <u64>bytes * PRIME64_1;
  for (let chunk = <i32>((bytes - 1) >> 5); chunk >= 0; chunk--) {
    const at = (<usize>chunk) << 4;
    sum += mixStep(offset + at, at << 1, seed);
    sum += mixStep(end - at - 16, (at << 1) + 16, seed);
  }
  return avalanche(sum);
}

function hash129To240(offset: usize, bytes: u32, seed: u64): u64 {
  const chunks = <usize>(bytes >> 4);
  let sum = <u64>bytes * PRIME64_1;
  for (let chunk: usize = 0; chunk < 8; chunk++) sum += mixStep(offset + (chunk << 4), chunk << 4, seed);
  sum = avalanche(sum);
  for (let chunk: usize = 8; chunk < chunks; chunk++) sum += mixStep(offset + (chunk << 4), ((chunk - 8) << 4) + 3, seed);
  return avalanche(sum + mixStep(offset + <usize>bytes - 16, 119, seed));
}

// Eight 64-bit accumulators in four vectors; a block is 16 stripes of 64 bytes, then a scramble. The last stripe
// overlaps what came before where the input does not end on one.
function hashLong(offset: usize, bytes: u32, seed: u64): u64 {
  const end = offset + <usize>bytes;
  const stripes = (bytes - 1) >> 6; // Those that end before the input's last byte.
  const upDown = i64x2.replace_lane(i64x2.splat(seed), 1, 0 - seed);
  const downUp = i64x2.replace_lane(i64x2.splat(0 - seed), 1, seed);
  let a = i64x2(PRIME32_3, PRIME64_1);
  let b = i64x2(PRIME64_2, PRIME64_3);
  let c = i64x2(PRIME64_4, PRIME32_2);
  let d = i64x2(PRIME64_5, PRIME32_1);
  let at = offset;
  let key = SECRET;
  let signs = upDown;
  for (let stripe: u32 = 1; stripe <= stripes; stripe++) {
    a = accumulate(a, v128.load(at), i64x2.add(v128.load(key), signs));
    b = accumulate(b, v128.load(at, 16), i64x2.add(v128.load(key, 16), signs));
    c = accumulate(c, v128.load(at, 32), i64x2.add(v128.load(key, 32), signs));
    d = accumulate(d, v128.load(at, 48), i64x2.add(v128.load(key, 48), signs));
    at += STRIPE_BYTES;
    key += 8;
    signs = v128.shuffle<i64>(signs, signs, 1, 0);
    if ((stripe & (BLOCK_STRIPES - 1)) !== 0) continue;
    a = scramble(a, i64x2.add(v128.load(SECRET, 128), upDown));
    b = scramble(b, i64x2.add(v128.load(SECRET, 144), upDown));
    c = scramble(c, i64x2.add(v128.load(SECRET, 160), upDown));
    d = scramble(d, i64x2.add(v128.load(SECRET, 176), upDown));
    key = SECRET;
  }
  const last = end - STRIPE_BYTES;
  a = accumulate(a, v128.load(last), derived(121, upDown, downUp));
  b = accumulate(b, v128.load(last, 16), derived(137, upDown, downUp));
  c = accumulate(c, v128.load(last, 32), derived(153, upDown, downUp));
  d = accumulate(d, v128.load(last, 48), derived(169, upDown, downUp));
  let sum = <u64>bytes * PRIME64_1;
  sum += merged(a, derived(11, upDown, downUp));
  sum += merged(b, derived(27, upDown, downUp));
  sum += merged(c, derived(43, upDown, downUp));
  sum += merged(d, derived(59, upDown, downUp));
  return avalanche(sum);
}

/** Two accumulators: the neighbour's input is added, and the product of the halves of input ^ key. */
function accumulate(sum: v128, input: v128, key: v128): v128 {
  const mixed = v128.xor(input, key);
  const low = v128.shuffle<i32>(mixed, mixed, 0, 2, 0, 2);
  const high = v128.shuffle<i32>(mixed, mixed, 1, 3, 1, 3);
  return i64x2.add(i64x2.add(sum, v128.shuffle<i64>(input, input, 1, 0)), i64x2.extmul_low_i32x4_u(low, high));
}

function scramble(sum: v128, key: v128): v128 {
  return i64x2.mul(v128.xor(v128.xor(sum, i64x2.shr_u(sum, 47)), key), i64x2.splat(PRIME32_1));
}

function merged(sum: v128, key: v128): u64 {
  const mixed = v128.xor(sum, key);
  return foldedProduct(i64x2.extract_lane(mixed, 0), i64x2.extract_lane(mixed, 1));
}

/** 16 bytes of the derived secret from any offset: its bytes lie in three words, whose signs alternate. */
function derived(at: usize, upDown: v128, downUp: v128): v128 {
  const word = SECRET + (at & ~7);
  const bits = <i32>((at & 7) << 3);
  const isOdd = (at & 8) !== 0;
  const low = i64x2.add(v128.load(word), isOdd ? downUp : upDown);
  const next = i64x2.add(v128.load(word, 8), isOdd ? upDown : downUp);
  return v128.or(i64x2.shr_u(low, bits), i64x2.shl(next, 64 - bits));
}

function mixStep(at: usize, secretAt: usize, seed: u64): u64 {
  return foldedProduct(load<u64>(at) ^ (secret(secretAt) + seed), load<u64>(at, 8) ^ (secret(secretAt + 8) - seed));
}

function secret(at: usize): u64 {
  return load<u64>(SECRET + at);
}

/** The 128-bit product's halves, one xor the other: four products of 32-bit halves, as Wasm has no wider one. */
function foldedProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const lowLow = aLow * bLow;
  const highLow = aHigh * bLow;
  const cross = (lowLow >> 32) + (highLow & 0xffffffff) + aLow * bHigh;
  return (aHigh * bHigh + (highLow >> 32) + (cross >> 32)) ^ (a * b);
}

function avalanche(value: u64): u64 {
  const mixed = (value ^ (value >> 37)) * PRIME_MX1;
  return mixed ^ (mixed >> 32);
}

function avalancheXxh64(value: u64): u64 {
  let mixed = (value ^ (value >> 33)) * PRIME64_2;
  mixed = (mixed ^ (mixed >> 29)) * PRIME64_3;
  return mixed ^ (mixed >> 32);
}
