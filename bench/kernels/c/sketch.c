// The loops of wasm/assembly/sketch/*.ts in C, and their time.
// Run: ./sketch <quantile-add | quantile-read | count-min | distinct-add | distinct-read | top-k> <operations>.
// The checksum: quantiles: the 50th, the 99th and the sum of 10,000 latencies; count-min: the estimates of 65,536 adds;
// distinct: the estimate of 65,536 keys; top-k: its entries after 65,536 adds.
#include <math.h>
#include "bench.h"

#define BIN_COUNT 1024
#define COLUMN_COUNT 1024u
#define PRECISION 10
#define REGISTERS (1 << PRECISION)
#define RANK_MAX (65 - PRECISION)
#define CAPACITY 64

static double sum, sum_lost, smallest = INFINITY, largest;
static uint32_t count, zero_count, bins[BIN_COUNT];
static int32_t highest;

static int32_t index_of(double value) {
  uint64_t bits;
  double s;
  memcpy(&bits, &value, 8);
  const int32_t exponent = (int32_t)(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
  memcpy(&s, &bits, 8);
  s -= 1;
  return exponent * 35 + (int32_t)(((6 * s - 21) * s + 50) * s);
}

static uint32_t *bin(int32_t index) { return &bins[(uint32_t)index & (BIN_COUNT - 1)]; }

static void raise_window(int32_t to) {
  const int32_t lowest = to - (BIN_COUNT - 1), last = lowest - 1 < highest ? lowest - 1 : highest;
  uint32_t collapsed = 0;
  for (int32_t index = highest - (BIN_COUNT - 1); index <= last; index++) {
    collapsed += *bin(index);
    *bin(index) = 0;
  }
  highest = to;
  *bin(lowest) += collapsed;
}

static uint32_t quantile_add(uint32_t at) {
  const double value = latency_of(at);
  if (count == UINT32_MAX) return 0;
  if (value < 9.313225746154785e-10) zero_count++;
  else {
    const int32_t index = index_of(value);
    if (count == zero_count) highest = index;
    else if (index > highest) raise_window(index);
    const int32_t lowest = highest - (BIN_COUNT - 1);
    ++*bin(index > lowest ? index : lowest);
  }
  count++;
  smallest = fmin(smallest, value);
  largest = fmax(largest, value);
  const double rounded = sum + value, taken = rounded - sum, lost = sum - (rounded - taken) + (value - taken) + sum_lost;
  sum = rounded + lost;
  sum_lost = lost - (sum - rounded);
  return 1;
}

static double start_of(int32_t step) {
  double s = step / 35.0;
  for (int i = 0; i < 5; i++) s -= (((6 * s - 21) * s + 50) * s - step) / ((18 * s - 42) * s + 50);
  return s;
}

static double quantile(double q) {
  const double rank = floor(q * (count - 1));
  double before = zero_count;
  if (rank == 0 || rank < before) return smallest;
  if (rank == count - 1) return largest;
  int32_t index = highest - (BIN_COUNT - 1);
  for (int i = 0; i < BIN_COUNT; i++) {
    before += *bin(index);
    if (before > rank) break;
    index++;
  }
  const int32_t octave = (int32_t)floor(index / 35.0), step = index - octave * 35;
  const double low = 1 + start_of(step), high = 1 + start_of(step + 1);
  return fmin(fmax(ldexp((2 * low * high) / (low + high), octave), smallest), largest);
}

static uint32_t quantile_read(uint32_t unused) { return (uint32_t)quantile(0.99 + unused * 0); }

static uint32_t columns[4][COLUMN_COUNT];
static uint64_t total;

static uint32_t plus(uint32_t a, uint32_t b) { return a + b < a ? UINT32_MAX : a + b; }

static uint32_t count_min(uint32_t index) {
  put_key(index);
  const uint64_t hash = xxh64(buffer, KEY_BYTES, 0);
  uint32_t estimate = UINT32_MAX, *cells[4];
  total = total + 1 < total ? UINT64_MAX : total + 1;
  for (int row = 0; row < 4; row++) {
    cells[row] = &columns[row][(uint32_t)(hash >> (16 * row)) & (COLUMN_COUNT - 1)];
    if (*cells[row] < estimate) estimate = *cells[row];
  }
  for (int row = 0; row < 4; row++) *cells[row] = plus(*cells[row], 1);
  return plus(estimate, 1);
}

static uint8_t registers[REGISTERS];
static uint32_t histogram[64] = {REGISTERS};

static uint32_t distinct_add(uint32_t index) {
  put_key(index);
  const uint64_t hash = xxh64(buffer, KEY_BYTES, 0), rest = (hash << PRECISION) | (1u << (PRECISION - 1));
  const uint32_t rank = (uint32_t)__builtin_clzll(rest) + 1;
  uint8_t *cell = &registers[hash >> (64 - PRECISION)];
  if (rank <= *cell) return 0;
  histogram[*cell]--;
  histogram[rank]++;
  *cell = (uint8_t)rank;
  return rank;
}

static double sigma(double x) {
  if (x == 1) return INFINITY;
  double power = x, weight = 1, z = x;
  for (int k = 0; k < 64; k++) {
    const double before = z;
    power *= power;
    z += power * weight;
    weight += weight;
    if (z == before) break;
  }
  return z;
}

static double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double root = x, weight = 1, z = 1 - x;
  for (int k = 0; k < 64; k++) {
    const double before = z;
    root = sqrt(root);
    weight *= 0.5;
    z -= (1 - root) * (1 - root) * weight;
    if (z == before) break;
  }
  return z / 3;
}

static double estimate(void) {
  const double m = REGISTERS;
  double z = m * tau(1 - histogram[RANK_MAX] / m);
  for (int rank = RANK_MAX - 1; rank >= 1; rank--) z = 0.5 * (z + histogram[rank]);
  z += m * sigma(histogram[0] / m);
  return fmin(0.7213475204444817 * m * m / z, 1.8446744073709552e19);
}

static uint32_t distinct_read(uint32_t unused) {
  (void)unused;
  return (uint32_t)estimate();
}

static uint32_t used, counts[CAPACITY], errors[CAPACITY], key_bytes[CAPACITY];
static uint64_t hashes[CAPACITY];
static uint8_t names[CAPACITY][128];

static uint32_t smallest_entry(void) {
  uint32_t best = 0;
  for (uint32_t entry = 1; entry < used; entry++)
    if (counts[entry] < counts[best]) best = entry;
  return best;
}

static uint32_t top_k(uint32_t index) {
  put_key(((word_a(index) >> 20) * (word_b(index) >> 20)) >> 12);
  total = total + 1 < total ? UINT64_MAX : total + 1;
  const uint64_t hash = xxh64(buffer, KEY_BYTES, 0);
  for (uint32_t entry = 0; entry < used; entry++) {
    if (hashes[entry] != hash || key_bytes[entry] != KEY_BYTES || memcmp(names[entry], buffer, KEY_BYTES) != 0) continue;
    counts[entry] = plus(counts[entry], 1);
    return entry;
  }
  const uint32_t floor_count = used < CAPACITY ? 0 : counts[smallest_entry()], entry = used < CAPACITY ? used++ : smallest_entry();
  hashes[entry] = hash;
  counts[entry] = plus(floor_count, 1);
  errors[entry] = floor_count;
  key_bytes[entry] = KEY_BYTES;
  memcpy(names[entry], buffer, KEY_BYTES);
  return entry;
}

static uint32_t top_k_checksum(void) {
  uint32_t checksum = 0; // A sum, as the entries have no order.
  for (uint32_t i = 0; i < used; i++)
    checksum += fold(fold(fold(FNV_START, (uint32_t)atoi((char *)names[i] + 7)), counts[i]), counts[i] - errors[i]);
  return checksum;
}

int main(int argc, char **argv) {
  if (argc != 3) return refuse("an operation and how often");
  const char *name = argv[1];
  const int operations = atoi(argv[2]);
  write_keys();
  uint32_t checksum = FNV_START;
  if (strncmp(name, "quantile", 8) == 0) {
    for (uint32_t i = 0; i < 10000; i++) quantile_add(i);
    checksum = fold_double(fold_double(fold_double(checksum, quantile(0.5)), quantile(0.99)), sum);
    return report(strcmp(name, "quantile-add") == 0 ? quantile_add : quantile_read, operations, checksum);
  }
  uint32_t (*of)(uint32_t) = strcmp(name, "count-min") == 0 ? count_min : strcmp(name, "top-k") == 0 ? top_k : distinct_add;
  for (uint32_t i = 0; i <= INDEX_MASK; i++) {
    const uint32_t answer = of(i);
    if (of == count_min) checksum = fold(checksum, answer);
  }
  if (of == distinct_add) checksum = fold_double(checksum, estimate());
  if (of == top_k) checksum = top_k_checksum();
  return report(strcmp(name, "distinct-read") == 0 ? distinct_read : of, operations, checksum);
}
