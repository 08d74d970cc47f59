// The loops of wasm/assembly/schedule/balance/*.ts in C over 64 shards, and their time.
// Run: ./balance <two-choices | least-connections | round-robin> <operations>. The checksum is of the first 65,536 choices.
#include <math.h>
#include "bench.h"

#define COUNT 64u
#define TWO_CHOICES_IN_FLIGHT 32
#define CONNECTIONS_IN_FLIGHT 512
#define DECAY_MS 10000.0
#define PENALTY_MS 140737488.0

static double cost[COUNT], stamp[COUNT];
static uint32_t outstanding[COUNT], open[COUNT];
static uint32_t weight[COUNT], active[COUNT];
static int32_t credit[COUNT];
static uint32_t in_flight[CONNECTIONS_IN_FLIGHT], tick;

static double exponential(double x) {
  if (!(x <= 700)) return 0;
  const double k = floor(x * 1.4426950408889634 + 0.5), r = k * 0.6931471803691238 - x + k * 1.9082149292705877e-10;
  static const double taylor[] = {1.6059043836821613e-10, 2.08767569878681e-09, 2.505210838544172e-08, 2.755731922398589e-07, 2.7557319223985893e-06, 2.48015873015873e-05, 0.0001984126984126984, 0.001388888888888889, 0.008333333333333333, 0.041666666666666664, 0.16666666666666666, 0.5, 1, 1};
  double sum = 0;
  for (unsigned term = 0; term < sizeof taylor / sizeof *taylor; term++) sum = sum * r + taylor[term];
  const uint64_t bits = (uint64_t)(1023 - (int64_t)k) << 52;
  double scale;
  memcpy(&scale, &bits, 8);
  return sum * scale;
}

static double decay(double now_ms, double stamp_ms) { return exponential(fmax(now_ms - stamp_ms, 0) / DECAY_MS); }

static double load_of(uint32_t index, double now_ms) {
  const double decayed = cost[index] * decay(now_ms, stamp[index]);
  return decayed == 0 && outstanding[index] > 0 ? PENALTY_MS + outstanding[index] : decayed * (outstanding[index] + 1.0);
}

static uint32_t cheapest_open(double now_ms) {
  uint32_t best = UINT32_MAX;
  double best_load = 0;
  for (uint32_t i = 0; i < COUNT; i++) {
    if (!open[i]) continue;
    const double candidate = load_of(i, now_ms);
    if (best != UINT32_MAX && candidate >= best_load) continue;
    best = i;
    best_load = candidate;
  }
  return best;
}

static uint32_t choose_of_two(uint32_t a, uint32_t b, double now_ms) {
  const uint32_t first = (uint32_t)(((uint64_t)a * COUNT) >> 32);
  uint32_t second = (uint32_t)(((uint64_t)b * (COUNT - 1)) >> 32);
  if (second >= first) second++;
  if (!open[first] && !open[second]) return cheapest_open(now_ms);
  if (!open[second]) return first;
  if (!open[first]) return second;
  return load_of(second, now_ms) < load_of(first, now_ms) ? second : first;
}

static void end(uint32_t index, double latency_ms, double now_ms) {
  if (outstanding[index] > 0) outstanding[index]--;
  const double share = decay(now_ms, stamp[index]);
  cost[index] = latency_ms > cost[index] ? latency_ms : cost[index] * share + latency_ms * (1 - share);
  stamp[index] = fmax(now_ms, stamp[index]);
}

static uint32_t two_choices(uint32_t index) {
  const double now_ms = tick * 0.25;
  const uint32_t chosen = choose_of_two(word_a(index), word_b(index), now_ms);
  outstanding[chosen]++;
  uint32_t *oldest = &in_flight[tick & (TWO_CHOICES_IN_FLIGHT - 1)];
  if (tick >= TWO_CHOICES_IN_FLIGHT) end(*oldest, latency_of(index), now_ms);
  *oldest = chosen;
  tick++;
  return chosen;
}

static uint32_t least_connections(uint32_t start) {
  uint32_t best = UINT32_MAX, index = start % COUNT;
  uint64_t best_active = 0, best_weight = 0;
  for (uint32_t step = 0; step < COUNT; step++) {
    const uint64_t own_weight = weight[index], own_active = (uint64_t)active[index] + 1;
    if (own_weight > 0 && (best == UINT32_MAX || own_active * best_weight < best_active * own_weight)) {
      best = index;
      best_active = own_active;
      best_weight = own_weight;
    }
    if (++index == COUNT) index = 0;
  }
  uint32_t *oldest = &in_flight[tick & (CONNECTIONS_IN_FLIGHT - 1)];
  if (tick >= CONNECTIONS_IN_FLIGHT) active[*oldest]--;
  active[best]++;
  *oldest = best;
  tick++;
  return best;
}

static uint32_t round_robin(uint32_t unused) {
  (void)unused;
  uint32_t best = UINT32_MAX;
  int32_t best_credit = 0, total = 0;
  for (uint32_t i = 0; i < COUNT; i++) {
    if (weight[i] == 0) continue;
    const int32_t richer = credit[i] + (int32_t)weight[i];
    credit[i] = richer < 1 << 30 ? richer : 1 << 30;
    total += (int32_t)weight[i];
    if (best != UINT32_MAX && credit[i] <= best_credit) continue;
    best = i;
    best_credit = credit[i];
  }
  const int64_t left = (int64_t)best_credit - total;
  if (best != UINT32_MAX) credit[best] = (int32_t)(left > -(1 << 30) ? left : -(1 << 30));
  return best;
}

int main(int argc, char **argv) {
  if (argc != 3) return refuse("an operation and how often");
  uint32_t (*of)(uint32_t) = strcmp(argv[1], "two-choices") == 0         ? two_choices
                             : strcmp(argv[1], "least-connections") == 0 ? least_connections
                                                                         : round_robin;
  for (uint32_t i = 0; i < COUNT; i++) {
    open[i] = 1;
    weight[i] = 10 + i * 7 % 41;
  }
  uint32_t checksum = FNV_START;
  for (uint32_t i = 0; i <= INDEX_MASK; i++) checksum = fold(checksum, of(i));
  return report(of, atoi(argv[2]), checksum);
}
