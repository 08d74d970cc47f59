// What the C peers share: XXH64 as in wasm/assembly/hash/xxh64.ts, the inputs and the checksum of bench/kernels/inputs.ts,
// and the time of an operation. Build: gcc -O3 -msse4.1 -ffp-contract=off -o NAME NAME.c -lm
#include <smmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INDEX_MASK 0xffff
#define KEY_BYTES 12
#define REPETITIONS 5
#define API static __attribute__((unused))

static const uint64_t PRIME_1 = 0x9e3779b185ebca87u, PRIME_2 = 0xc2b2ae3d27d4eb4fu, PRIME_3 = 0x165667b19e3779f9u,
                      PRIME_4 = 0x85ebca77c2b2ae63u, PRIME_5 = 0x27d4eb2f165667c5u;

static inline uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

static inline uint64_t word_at(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

static inline uint64_t xxh_round(uint64_t lane, uint64_t input) { return rotate(lane + input * PRIME_2, 31) * PRIME_1; }

static inline uint64_t xxh_merge(uint64_t hash, uint64_t lane) { return (hash ^ xxh_round(0, lane)) * PRIME_1 + PRIME_4; }

API uint64_t xxh64(const uint8_t *at, uint32_t bytes, uint64_t seed) {
  const uint8_t *end = at + bytes;
  uint64_t hash = seed + PRIME_5;
  if (bytes >= 32) {
    uint64_t a = seed + PRIME_1 + PRIME_2, b = seed + PRIME_2, c = seed, d = seed - PRIME_1;
    for (; at + 32 <= end; at += 32) {
      a = xxh_round(a, word_at(at));
      b = xxh_round(b, word_at(at + 8));
      c = xxh_round(c, word_at(at + 16));
      d = xxh_round(d, word_at(at + 24));
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    hash = xxh_merge(xxh_merge(xxh_merge(xxh_merge(hash, a), b), c), d);
  }
  hash += bytes;
  for (; at + 8 <= end; at += 8) hash = rotate(hash ^ xxh_round(0, word_at(at)), 27) * PRIME_1 + PRIME_4;
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

/** FNV-1a over words. */
#define FNV_START 2166136261u
static inline uint32_t fold(uint32_t sum, uint32_t word) { return (sum ^ word) * 16777619u; }

API uint32_t fold_double(uint32_t sum, double value) {
  uint32_t words[2];
  memcpy(words, &value, 8);
  return fold(fold(sum, words[0]), words[1]);
}

static inline uint32_t word_a(uint32_t index) { return (index + 1) * 0x9e3779b1u; }
static inline uint32_t word_b(uint32_t index) { return (index + 1) * 0x85ebca77u; }

/** 0.5 to 4,096.5, the small ones more often; exact. */
API double latency_of(uint32_t index) {
  return (double)((uint64_t)(word_a(index) >> 12) * (word_b(index) >> 12)) / 268435456 + 0.5;
}

static uint8_t keys[INDEX_MASK + 1][16];

/** `acme/d-10000` and on. */
API void write_keys(void) {
  for (int i = 0; i <= INDEX_MASK; i++) snprintf((char *)keys[i], 16, "acme/d-%d", 10000 + i);
}

/** Where the kernel's host writes a key; this one writes it as well. */
static uint8_t buffer[4096];
static inline void put_key(uint32_t index) { memcpy(buffer, keys[index & INDEX_MASK], KEY_BYTES); }

/** Of this process alone: on a busy machine its wall clock counts the others too, and a slow C would flatter the kernels. */
static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

/** Prints the median time of an operation, which is called, as a kernel is, and not inlined; and the checksum. */
API __attribute__((noipa)) int report(uint32_t (*of)(uint32_t), int operations, uint32_t checksum) {
  double nanoseconds[REPETITIONS];
  volatile uint32_t sink = 0;
  for (int repetition = 0; repetition < REPETITIONS; repetition++) {
    const double start = now_ns();
    for (int i = 0; i < operations; i++) sink += of((uint32_t)i & INDEX_MASK);
    nanoseconds[repetition] = (now_ns() - start) / operations;
  }
  qsort(nanoseconds, REPETITIONS, sizeof(double), by_size);
  printf("{\"nsPerOperation\":%.3f,\"checksum\":%u}\n", nanoseconds[REPETITIONS / 2], checksum);
  return 0;
}

API int refuse(const char *expected) { return fprintf(stderr, "Cannot run: expected %s\n", expected), 2; }
