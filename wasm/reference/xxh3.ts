// Twin of wasm/assembly/hash/xxh3.ts: oracle for tests, baseline for benches. Written from the specification, with
// the derived secret as the table of bytes that it is there.

const MASK = (1n << 64n) - 1n;
const MASK_32 = 0xffff_ffffn;
const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;
const BLOCK_STRIPES = 16;

const SECRET_HEX = [
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e",
  "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d",
  "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc",
  "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
].join("");
const DEFAULT_SECRET = viewOf(Uint8Array.from({ length: 192 }, (_, at) => Number.parseInt(SECRET_HEX.slice(2 * at, 2 * at + 2), 16)));

export function xxh3Reference(bytes: Uint8Array, seed: bigint): bigint {
  const input = viewOf(bytes);
  const { length } = bytes;
  if (length > 240) return hashLong(input, deriveSecret(seed));
  if (length > 16) return hashMedium(input, seed);
  if (length > 8) return hash9To16(input, seed);
  if (length >= 4) return hash4To8(input, seed);
  if (length > 0) return hash1To3(input, seed);
  return avalancheXxh64(seed ^ word(DEFAULT_SECRET, 56) ^ word(DEFAULT_SECRET, 64));
}

function hash1To3(input: DataView, seed: bigint): bigint {
  const length = input.byteLength;
  const parts = [input.getUint8(length - 1), length, input.getUint8(0), input.getUint8(length >> 1)];
  const combined = parts.reduce((sum, part, index) => sum | (BigInt(part) << BigInt(8 * index)), 0n);
  return avalancheXxh64(((half(DEFAULT_SECRET, 0) ^ half(DEFAULT_SECRET, 4)) + seed) ^ combined);
}

function hash4To8(input: DataView, seed: bigint): bigint {
  const length = input.byteLength;
  const modified = seed ^ (swap(seed & MASK_32, 4) << 32n);
  const combined = half(input, length - 4) | (half(input, 0) << 32n);
  let value = (((word(DEFAULT_SECRET, 8) ^ word(DEFAULT_SECRET, 16)) - modified) & MASK) ^ combined;
  value ^= rotate(value, 49n) ^ rotate(value, 24n);
  value = (value * PRIME_MX2) & MASK;
  value ^= (value >> 35n) + BigInt(length);
  value = (value * PRIME_MX2) & MASK;
  return value ^ (value >> 28n);
}

function hash9To16(input: DataView, seed: bigint): bigint {
  const length = input.byteLength;
  const low = (((word(DEFAULT_SECRET, 24) ^ word(DEFAULT_SECRET, 32)) + seed) & MASK) ^ word(input, 0);
  const high = (((word(DEFAULT_SECRET, 40) ^ word(DEFAULT_SECRET, 48)) - seed) & MASK) ^ word(input, length - 8);
  return avalanche(BigInt(length) + swap(low, 8) + high + fold(low, high));
}

function hashMedium(input: DataView, seed: bigint): bigint {
  const length = input.byteLength;
  const mix = (at: number, secretAt: number): bigint => {
    const first = word(input, at) ^ ((word(DEFAULT_SECRET, secretAt) + seed) & MASK);
    return fold(first, word(input, at + 8) ^ ((word(DEFAULT_SECRET, secretAt + 8) - seed) & MASK));
  };
  let sum = BigInt(length) * PRIME64_1;
  if (length <= 128) {
    for (let chunk = (length - 1) >> 5; chunk >= 0; chunk -= 1)
      sum += mix(16 * chunk, 32 * chunk) + mix(length - 16 * chunk - 16, 32 * chunk + 16);
    return avalanche(sum);
  }
  for (let chunk = 0; chunk < 8; chunk += 1) sum += mix(16 * chunk, 16 * chunk);
  sum = avalanche(sum);
  for (let chunk = 8; chunk < length >> 4; chunk += 1) sum += mix(16 * chunk, 16 * (chunk - 8) + 3);
  return avalanche(sum + mix(length - 16, 119));
}

function hashLong(input: DataView, secret: DataView): bigint {
  const length = input.byteLength;
  const sums = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
  const accumulate = (at: number, secretAt: number): void => {
    for (let lane = 0; lane < 8; lane += 1) {
      const data = word(input, at + 8 * lane);
      const mixed = data ^ word(secret, secretAt + 8 * lane);
      sums[lane ^ 1] = ((sums[lane ^ 1] ?? 0n) + data) & MASK;
      sums[lane] = ((sums[lane] ?? 0n) + (mixed & MASK_32) * (mixed >> 32n)) & MASK;
    }
  };
  const stripes = Math.floor((length - 1) / 64);
  for (let stripe = 0; stripe < stripes; stripe += 1) {
    accumulate(64 * stripe, 8 * (stripe % BLOCK_STRIPES));
    const isBlock = (stripe + 1) % BLOCK_STRIPES === 0;
    if (isBlock)
      for (const [lane, sum] of sums.entries()) sums[lane] = ((sum ^ (sum >> 47n) ^ word(secret, 128 + 8 * lane)) * PRIME32_1) & MASK;
  }
  accumulate(length - 64, 121);
  let sum = BigInt(length) * PRIME64_1;
  for (let lane = 0; lane < 8; lane += 2)
    sum += fold((sums[lane] ?? 0n) ^ word(secret, 11 + 8 * lane), (sums[lane + 1] ?? 0n) ^ word(secret, 19 + 8 * lane));
  return avalanche(sum);
}

function deriveSecret(seed: bigint): DataView {
  const derived = viewOf(new Uint8Array(192));
  for (let at = 0; at < 192; at += 16) {
    derived.setBigUint64(at, word(DEFAULT_SECRET, at) + seed, true);
    derived.setBigUint64(at + 8, word(DEFAULT_SECRET, at + 8) - seed, true);
  }
  return derived;
}

function fold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & MASK) ^ (product >> 64n);
}

function avalanche(value: bigint): bigint {
  const word64 = value & MASK;
  const mixed = ((word64 ^ (word64 >> 37n)) * PRIME_MX1) & MASK;
  return mixed ^ (mixed >> 32n);
}

function avalancheXxh64(value: bigint): bigint {
  const word64 = value & MASK;
  let mixed = ((word64 ^ (word64 >> 33n)) * PRIME64_2) & MASK;
  mixed = ((mixed ^ (mixed >> 29n)) * PRIME64_3) & MASK;
  return mixed ^ (mixed >> 32n);
}

function swap(value: bigint, bytes: number): bigint {
  let swapped = 0n;
  for (let index = 0; index < bytes; index += 1) swapped = (swapped << 8n) | ((value >> BigInt(8 * index)) & 0xffn);
  return swapped;
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function word(view: DataView, at: number): bigint {
  return view.getBigUint64(at, true);
}

function half(view: DataView, at: number): bigint {
  return BigInt(view.getUint32(at, true));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
