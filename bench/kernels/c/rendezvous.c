// The loop of wasm/assembly/schedule/rendezvous.ts in C with 128-bit intrinsics, bit for bit, and its time.
// Run: ./rendezvous <shards> <lookups>. Shard i of n has the id `shard-<i>` and the weight 10 + 7 i mod 41; the checksum is of
// the choices for the first 1,024 keys.
#include "bench.h"

#define SHARD_COUNT_MAX 1024

static int count;
static uint32_t seed_low[SHARD_COUNT_MAX] __attribute__((aligned(16)));
static uint32_t seed_high[SHARD_COUNT_MAX] __attribute__((aligned(16)));
static float inverse_weight[SHARD_COUNT_MAX] __attribute__((aligned(16)));

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

static uint32_t choose_key(uint32_t index) {
  put_key(index);
  return (uint32_t)choose(count, xxh64(buffer, KEY_BYTES, 0));
}

int main(int argc, char **argv) {
  count = argc == 3 ? atoi(argv[1]) : 0;
  if (count < 1 || count > SHARD_COUNT_MAX) return refuse("1 to 1024 shards and how many lookups");
  write_keys();
  for (int i = 0; i < SHARD_COUNT_MAX; i++) inverse_weight[i] = __builtin_inff();
  for (int i = 0; i < count; i++) {
    char id[24];
    const uint64_t seed = xxh64((uint8_t *)id, (uint32_t)snprintf(id, sizeof id, "shard-%d", i), 0);
    seed_low[i] = (uint32_t)seed;
    seed_high[i] = (uint32_t)(seed >> 32) | 1;
    inverse_weight[i] = (float)(1.0 / (10 + i * 7 % 41));
  }
  uint32_t checksum = FNV_START;
  for (uint32_t i = 0; i < 1024; i++) checksum = fold(checksum, choose_key(i));
  return report(choose_key, atoi(argv[2]), checksum);
}
