// The loop of wasm/assembly/schedule/rendezvous.ts in C with 128-bit intrinsics, bit for bit, and its time.
// Build: gcc -O3 -msse4.1 -ffp-contract=off -o rendezvous rendezvous.c
// Run:   ./rendezvous <shards> <lookups>
// Shard i of n has the id `shard-<i>` and the weight 10 + 7 i mod 41; the keys are `acme/d-10000` to `acme/d-11023`,
// in turn. Prints one JSON object: nanoseconds per lookup, the median of 15 repetitions, and an FNV-1a checksum of
// the choices for the 1,024 keys, which the kernel's must equal.
#include <smmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHARD_COUNT_MAX 1024
#define KEY_COUNT 1024
#define KEY_BYTES 12
#define REPETITIONS 15

static uint32_t seed_low[SHARD_COUNT_MAX] __attribute__((aligned(16)));
static uint32_t seed_high[SHARD_COUNT_MAX] __attribute__((aligned(16)));
static float inverse_weight[SHARD_COUNT_MAX] __attribute__((aligned(16)));

// XXH64 with seed 0 of fewer than 32 bytes, as wasm/assembly/hash/xxh64.ts.
static const uint64_t PRIME_1 = 0x9e3779b185ebca87u, PRIME_2 = 0xc2b2ae3d27d4eb4fu, PRIME_3 = 0x165667b19e3779f9u,
                      PRIME_4 = 0x85ebca77c2b2ae63u, PRIME_5 = 0x27d4eb2f165667c5u;

static inline uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

static uint64_t xxh64(const uint8_t *at, uint32_t bytes) {
  const uint8_t *end = at + bytes;
  uint64_t hash = PRIME_5 + bytes, word;
  for (; at + 8 <= end; at += 8) {
    memcpy(&word, at, 8);
    hash = rotate(hash ^ (rotate(word * PRIME_2, 31) * PRIME_1), 27) * PRIME_1 + PRIME_4;
  }
  if (at + 4 <= end) {
    uint32_t half;
    memcpy(&half, at, 4);
    hash = rotate(hash ^ (half * PRIME_1), 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotate(hash ^ (*at * PRIME_5), 11) * PRIME_1;
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

static inline __m128 draw(__m128i key_low, __m128i key_high, __m128i low, __m128i high) {
  const __m128i one = _mm_set1_epi32(1);
  __m128i mixed = _mm_mullo_epi32(_mm_xor_si128(key_low, low), _mm_xor_si128(key_high, high));
  return _mm_cvtepi32_ps(_mm_or_si128(_mm_srli_epi32(mixed, 8), one));
}

static inline __m128 negative_log(__m128 v) {
  const __m128i centre = _mm_set1_epi32(0x3f3504f3);
  const __m128i shifted = _mm_sub_epi32(_mm_castps_si128(_mm_sub_ps(_mm_set1_ps(16777216), v)), centre);
  const __m128i halvings = _mm_sub_epi32(_mm_set1_epi32(24), _mm_srai_epi32(shifted, 23));
  const __m128i mantissa = _mm_add_epi32(_mm_and_si128(shifted, _mm_set1_epi32(0x007fffff)), centre);
  const __m128 f = _mm_sub_ps(_mm_castsi128_ps(mantissa), _mm_set1_ps(1));
  __m128 p = _mm_set1_ps(0.11949444562196732f);
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(-0.18587608635425568f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0.20449119806289673f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(-0.24919062852859497f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0.33319219946861267f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(-0.5000084638595581f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(1));
  const __m128 whole = _mm_mul_ps(_mm_cvtepi32_ps(halvings), _mm_set1_ps(0.69314718f));
  const __m128 log = _mm_mul_ps(_mm_sub_ps(whole, _mm_mul_ps(f, p)), _mm_set1_ps(16777216));
  return _mm_max_ps(log, v);
}

static float cost_of(int index, uint64_t key) {
  const __m128 v = draw(_mm_set1_epi32((int)key), _mm_set1_epi32((int)(key >> 32) & ~1), _mm_set1_epi32((int)seed_low[index]),
                        _mm_set1_epi32((int)seed_high[index]));
  return _mm_cvtss_f32(_mm_mul_ps(negative_log(v), _mm_set1_ps(inverse_weight[index])));
}

static __attribute__((noinline)) int choose_exactly(int count, uint64_t key) {
  const __m128i key_low = _mm_set1_epi32((int)key), key_high = _mm_set1_epi32((int)(key >> 32) & ~1);
  __m128 best_cost = _mm_set1_ps(3.4028234663852886e38f);
  __m128i best_index = _mm_set1_epi32(-1), index = _mm_setr_epi32(0, 1, 2, 3);
  for (int at = 0; at < count; at += 4) {
    const __m128 v = draw(key_low, key_high, _mm_load_si128((void *)&seed_low[at]), _mm_load_si128((void *)&seed_high[at]));
    const __m128 cost = _mm_mul_ps(negative_log(v), _mm_load_ps(&inverse_weight[at]));
    const __m128 better = _mm_cmplt_ps(cost, best_cost);
    best_cost = _mm_blendv_ps(best_cost, cost, better);
    best_index = _mm_castps_si128(_mm_blendv_ps(_mm_castsi128_ps(best_index), _mm_castsi128_ps(index), better));
    index = _mm_add_epi32(index, _mm_set1_epi32(4));
  }
  float costs[4];
  int indices[4], best = 0;
  _mm_storeu_ps(costs, best_cost);
  _mm_storeu_si128((void *)indices, best_index);
  for (int lane = 1; lane < 4; lane++)
    if (costs[lane] < costs[best] || (costs[lane] == costs[best] && (uint32_t)indices[lane] < (uint32_t)indices[best])) best = lane;
  return indices[best];
}

static int choose(int count, uint64_t key) {
  const __m128i key_low = _mm_set1_epi32((int)key), key_high = _mm_set1_epi32((int)(key >> 32) & ~1);
  const __m128i bits = _mm_set1_epi32(~1023), step = _mm_set1_epi32(8);
  __m128i index_a = _mm_setr_epi32(0, 1, 2, 3), index_b = _mm_setr_epi32(4, 5, 6, 7);
  __m128i first = _mm_set1_epi32(INT32_MAX), second = first;
  for (int at = 0; at < count; at += 8) {
    const __m128 draw_a = draw(key_low, key_high, _mm_load_si128((void *)&seed_low[at]), _mm_load_si128((void *)&seed_high[at]));
    const __m128 draw_b = draw(key_low, key_high, _mm_load_si128((void *)&seed_low[at + 4]), _mm_load_si128((void *)&seed_high[at + 4]));
    const __m128 bound_a = _mm_mul_ps(draw_a, _mm_load_ps(&inverse_weight[at]));
    const __m128 bound_b = _mm_mul_ps(draw_b, _mm_load_ps(&inverse_weight[at + 4]));
    const __m128i a = _mm_or_si128(_mm_and_si128(_mm_castps_si128(bound_a), bits), index_a);
    const __m128i b = _mm_or_si128(_mm_and_si128(_mm_castps_si128(bound_b), bits), index_b);
    const __m128i smaller = _mm_min_epi32(a, b);
    second = _mm_min_epi32(_mm_min_epi32(second, _mm_max_epi32(a, b)), _mm_max_epi32(first, smaller));
    first = _mm_min_epi32(first, smaller);
    index_a = _mm_add_epi32(index_a, step);
    index_b = _mm_add_epi32(index_b, step);
  }
  __m128i other = _mm_shuffle_epi32(first, _MM_SHUFFLE(1, 0, 3, 2));
  second = _mm_min_epi32(_mm_min_epi32(second, _mm_shuffle_epi32(second, _MM_SHUFFLE(1, 0, 3, 2))), _mm_max_epi32(first, other));
  first = _mm_min_epi32(first, other);
  other = _mm_shuffle_epi32(first, _MM_SHUFFLE(2, 3, 0, 1));
  second = _mm_min_epi32(_mm_min_epi32(second, _mm_shuffle_epi32(second, _MM_SHUFFLE(2, 3, 0, 1))), _mm_max_epi32(first, other));
  const int best = _mm_cvtsi128_si32(_mm_min_epi32(first, other));
  if (best >= 0x7f800000) return -1;
  const int bound_bits = _mm_cvtsi128_si32(second) & ~1023;
  float bound;
  memcpy(&bound, &bound_bits, 4);
  return cost_of(best & 1023, key) < bound ? best & 1023 : choose_exactly(count, key);
}

static __attribute__((noinline)) int choose_key(int count, const uint8_t *key, uint32_t bytes) { return choose(count, xxh64(key, bytes)); }

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 64, lookups = argc > 2 ? atoi(argv[2]) : 1000000;
  if (count < 1 || count > SHARD_COUNT_MAX || lookups < 1) return fprintf(stderr, "Cannot run: expected 1 to 1024 shards and lookups\n"), 2;
  static uint8_t keys[KEY_COUNT][16], buffer[16];
  for (int i = 0; i < KEY_COUNT; i++) snprintf((char *)keys[i], 16, "acme/d-%d", 10000 + i);
  for (int i = 0; i < SHARD_COUNT_MAX; i++) inverse_weight[i] = __builtin_inff();
  for (int i = 0; i < count; i++) {
    char id[24];
    const uint64_t seed = xxh64((uint8_t *)id, (uint32_t)snprintf(id, sizeof id, "shard-%d", i));
    seed_low[i] = (uint32_t)seed;
    seed_high[i] = (uint32_t)(seed >> 32) | 1;
    inverse_weight[i] = (float)(1.0 / (10 + i * 7 % 41));
  }
  uint32_t checksum = 2166136261u;
  for (int i = 0; i < KEY_COUNT; i++) checksum = (checksum ^ (uint32_t)choose_key(count, keys[i], KEY_BYTES)) * 16777619u;
  double nanoseconds[REPETITIONS];
  volatile int sink = 0;
  for (int repetition = 0; repetition < REPETITIONS; repetition++) {
    const double start = now_ns();
    for (int i = 0; i < lookups; i++) {
      memcpy(buffer, keys[i & (KEY_COUNT - 1)], KEY_BYTES); // The kernel's host writes the key as well.
      sink += choose_key(count, buffer, KEY_BYTES);
    }
    nanoseconds[repetition] = (now_ns() - start) / lookups;
  }
  qsort(nanoseconds, REPETITIONS, sizeof(double), by_size);
  printf("{\"shards\":%d,\"nsPerLookup\":%.2f,\"checksum\":%u}\n", count, nanoseconds[REPETITIONS / 2], checksum);
  return 0;
}
