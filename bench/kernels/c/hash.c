// The loops of wasm/assembly/hash/*.ts in C, XXH3's with 128-bit intrinsics, for the lengths that are measured; and their time.
// Run: ./hash <xxh64 | xxh3> <key | text> <operations>. Key: `acme/d-10007`; text: `tide` 1,024 times. The checksum is the hash's.
#include "bench.h"

#define MX1 0x165667919e3779f9u
#define P32_1 0x9e3779b1u
#define P32_2 0x85ebca77u
#define P32_3 0xc2b2ae3du

static const uint64_t SECRET[24] = {
    0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072, 0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82,
    0x8e2443f7744608b8, 0x4c263a81e69035e0, 0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
    0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8, 0xc3ebd33483acc5ea, 0xeb6313faffa081c5,
    0x49daf0b751dd0d17, 0x9e68d429265516d3, 0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af};
static uint8_t text[4096];
static uint32_t text_bytes;
/** Known at run time only, as the kernel's. */
static volatile uint64_t seed_given = 0;

static uint64_t avalanche(uint64_t value) {
  value = (value ^ (value >> 37)) * MX1;
  return value ^ (value >> 32);
}

static uint64_t folded_product(uint64_t a, uint64_t b) {
  const unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline __m128i load(const void *at) { return _mm_loadu_si128(at); }
static inline const uint8_t *secret(int at) { return (const uint8_t *)SECRET + at; }

static inline __m128i accumulate(__m128i sum, __m128i input, __m128i key) {
  const __m128i mixed = _mm_xor_si128(input, key);
  const __m128i product = _mm_mul_epu32(mixed, _mm_srli_epi64(mixed, 32));
  return _mm_add_epi64(_mm_add_epi64(sum, _mm_shuffle_epi32(input, _MM_SHUFFLE(1, 0, 3, 2))), product);
}

static inline __m128i scramble(__m128i sum, __m128i key) {
  const __m128i mixed = _mm_xor_si128(_mm_xor_si128(sum, _mm_srli_epi64(sum, 47)), key), prime = _mm_set1_epi64x(P32_1);
  return _mm_add_epi64(_mm_mul_epu32(mixed, prime), _mm_slli_epi64(_mm_mul_epu32(_mm_srli_epi64(mixed, 32), prime), 32));
}

/** 16 bytes of the secret that the seed derives, from any offset. */
static inline __m128i derived(int at, __m128i up_down, __m128i down_up) {
  const int bits = (at & 7) << 3, is_odd = at & 8;
  const __m128i low = _mm_add_epi64(load(secret(at & ~7)), is_odd ? down_up : up_down);
  const __m128i next = _mm_add_epi64(load(secret((at & ~7) + 8)), is_odd ? up_down : down_up);
  return _mm_or_si128(_mm_srli_epi64(low, bits), _mm_slli_epi64(next, 64 - bits));
}

static inline uint64_t merged(__m128i sum, __m128i key) {
  const __m128i mixed = _mm_xor_si128(sum, key);
  return folded_product((uint64_t)_mm_cvtsi128_si64(mixed), (uint64_t)_mm_extract_epi64(mixed, 1));
}

static uint64_t hash_long(const uint8_t *at, uint32_t bytes, uint64_t seed) {
  const __m128i up_down = _mm_set_epi64x((int64_t)(0 - seed), (int64_t)seed), down_up = _mm_set_epi64x((int64_t)seed, (int64_t)(0 - seed));
  const uint8_t *last = at + bytes - 64, *key = secret(0);
  __m128i sums[4] = {_mm_set_epi64x((int64_t)PRIME_1, P32_3), _mm_set_epi64x((int64_t)PRIME_3, (int64_t)PRIME_2),
                     _mm_set_epi64x(P32_2, (int64_t)PRIME_4), _mm_set_epi64x(P32_1, (int64_t)PRIME_5)};
  __m128i signs = up_down;
  for (uint32_t stripe = 1; stripe <= (bytes - 1) >> 6; stripe++) {
    for (int i = 0; i < 4; i++) sums[i] = accumulate(sums[i], load(at + 16 * i), _mm_add_epi64(load(key + 16 * i), signs));
    at += 64;
    key += 8;
    signs = _mm_shuffle_epi32(signs, _MM_SHUFFLE(1, 0, 3, 2));
    if (stripe & 15) continue;
    for (int i = 0; i < 4; i++) sums[i] = scramble(sums[i], _mm_add_epi64(load(secret(128 + 16 * i)), up_down));
    key = secret(0);
  }
  uint64_t hash = bytes * PRIME_1;
  for (int i = 0; i < 4; i++) sums[i] = accumulate(sums[i], load(last + 16 * i), derived(121 + 16 * i, up_down, down_up));
  for (int i = 0; i < 4; i++) hash += merged(sums[i], derived(11 + 16 * i, up_down, down_up));
  return avalanche(hash);
}

static uint64_t xxh3(const uint8_t *at, uint32_t bytes, uint64_t seed) {
  if (bytes > 240) return hash_long(at, bytes, seed);
  const uint64_t low = ((SECRET[3] ^ SECRET[4]) + seed) ^ word_at(at), high = ((SECRET[5] ^ SECRET[6]) - seed) ^ word_at(at + bytes - 8);
  return avalanche(bytes + __builtin_bswap64(low) + high + folded_product(low, high));
}

static uint32_t run_xxh64(uint32_t unused) {
  (void)unused;
  memcpy(buffer, text, text_bytes);
  return (uint32_t)xxh64(buffer, text_bytes, seed_given);
}

static uint32_t run_xxh3(uint32_t unused) {
  (void)unused;
  memcpy(buffer, text, text_bytes);
  return (uint32_t)xxh3(buffer, text_bytes, seed_given);
}

int main(int argc, char **argv) {
  if (argc != 4) return refuse("a hash, an input and how often");
  const int is_xxh3 = strcmp(argv[1], "xxh3") == 0, is_key = strcmp(argv[2], "key") == 0;
  text_bytes = is_key ? KEY_BYTES : sizeof text;
  for (uint32_t i = 0; i < text_bytes; i++) text[i] = (uint8_t)(is_key ? "acme/d-10007"[i] : "tide"[i & 3]);
  const uint64_t hash = is_xxh3 ? xxh3(text, text_bytes, 0) : xxh64(text, text_bytes, 0);
  return report(is_xxh3 ? run_xxh3 : run_xxh64, atoi(argv[3]), fold(fold(FNV_START, (uint32_t)hash), (uint32_t)(hash >> 32)));
}
