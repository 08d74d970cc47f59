// The loops of wasm/assembly/limit/*.ts in C, and their time.
// Run: ./limit <bucket | gradient | aimd | vegas> <operations>. The checksum is of the first 65,536 answers.
#include <math.h>
#include "bench.h"

#define MS_NS 1000000

static int64_t debt, now, tokens = 1000, period = 1000LL * MS_NS, burst = 100;
static uint32_t tick;

static int64_t nanoseconds(double ms) {
  const double whole = floor(ms);
  return (int64_t)whole * MS_NS + (int64_t)((ms - whole) * 1e6);
}

static void settle(double now_ms) {
  const int64_t at = nanoseconds(now_ms), elapsed = at - now;
  if (elapsed <= 0) {
    if (elapsed < -60000LL * MS_NS) now = at;
    return;
  }
  debt = elapsed > debt / tokens ? 0 : debt - elapsed * tokens;
  now = at;
}

static double wait_of(double cost, double now_ms) {
  if (cost > (double)burst) return INFINITY;
  const int64_t excess = debt - (burst - (int64_t)cost) * period;
  if (excess <= 0) return 0;
  const int64_t until = now + (excess - 1) / tokens + 1 - nanoseconds(now_ms);
  return (double)((until - 1) / MS_NS + 1);
}

static double take(double cost, double now_ms) {
  settle(now_ms);
  const double wait_ms = wait_of(cost, now_ms);
  if (wait_ms == 0) debt += (int64_t)cost * period;
  return wait_ms;
}

static uint32_t bucket(uint32_t unused) {
  (void)unused;
  return (uint32_t)take(1, tick++ * 0.7);
}

enum { WARMING, STEADY, DRAINING, MEASURING };
static struct {
  double limit, breath, least, most, tolerance, epoch_ms, latency_sum, began, lowest, last_lowest, descent_limit, descent_mean;
  uint32_t served, dropped, in_flight_max, windows, phase;
} g = {.limit = 20, .least = 1, .most = 1000, .tolerance = 1.5, .epoch_ms = 10000, .began = -1, .lowest = INFINITY, .last_lowest = INFINITY};

static void judge_descent(double mean, double gradient) {
  if (gradient == 1 || mean < 0) {
    g.descent_limit = 0;
    return;
  }
  if (g.descent_limit == 0) {
    g.descent_limit = g.limit;
    g.descent_mean = mean;
  }
  if ((g.limit * 2 > g.descent_limit && g.limit > g.least) || mean < 0.75 * g.descent_mean) return;
  g.descent_limit = 0;
  g.last_lowest = g.lowest = mean;
}

static void update(double mean, double drop_ratio, int is_pressed) {
  double gradient = 1;
  if (mean >= 0 && is_pressed) gradient = fmin(gradient, (g.tolerance * fmin(g.last_lowest, g.lowest) + 1) / mean);
  if (drop_ratio > 0.05) gradient = fmin(gradient, 1 - drop_ratio);
  gradient = fmax(0.5, gradient);
  judge_descent(mean, gradient);
  const double room = gradient == 1 && is_pressed ? sqrt(g.limit) : 0;
  g.limit = fmin(g.most, fmax(g.least, g.limit * (1 - 0.2) + (g.limit * gradient + room) * 0.2));
}

static int roll_epoch(double now_ms) {
  if (g.began < 0 || now_ms < g.began) g.began = now_ms;
  if (now_ms - g.began < g.epoch_ms || g.windows < 20) return 0;
  g.last_lowest = g.lowest;
  g.lowest = INFINITY;
  g.began = now_ms;
  g.windows = 0;
  return 1;
}

static void breathe(double limit, double mean) {
  const double needed = (0.8 * g.last_lowest + 1) / (fmax(mean, g.last_lowest) + 1);
  g.breath = fmax(g.least, limit * fmax(0.5, fmin(1, needed)));
  g.phase = DRAINING;
}

static void close_window(double now_ms) {
  const double served = g.served, dropped = g.dropped, mean = served > 0 ? g.latency_sum / served : -1;
  const int is_pressed = g.in_flight_max * 2.0 >= g.limit;
  g.latency_sum = g.served = g.dropped = g.in_flight_max = 0;
  if (g.phase == WARMING) {
    g.phase = STEADY;
    return;
  }
  if (mean >= 0) g.lowest = fmin(g.lowest, mean);
  if (g.windows < 20) g.windows++;
  if (g.phase != STEADY) {
    const int is_measured = g.phase == MEASURING;
    g.phase = is_measured ? STEADY : MEASURING;
    if (is_measured && mean >= 0 && mean < 0.9 * g.last_lowest) {
      g.last_lowest = mean;
      breathe(g.breath, mean);
    }
    return;
  }
  update(mean, dropped / (served + dropped), is_pressed);
  if (roll_epoch(now_ms) && is_pressed && mean >= 0) breathe(g.limit, mean);
}

static uint32_t observe(double now_ms, double latency_ms, uint32_t in_flight, int is_dropped) {
  if (is_dropped) g.dropped++;
  else {
    g.served++;
    g.latency_sum += latency_ms;
  }
  if (in_flight > g.in_flight_max) g.in_flight_max = in_flight;
  const uint32_t whole = (uint32_t)g.limit;
  if (g.served + g.dropped >= (whole > 100 ? whole : 100)) close_window(now_ms);
  return (uint32_t)(g.phase >= DRAINING ? g.breath : g.limit);
}

static uint32_t gradient(uint32_t index) { return observe(tick++ * 0.5, latency_of(index), 10 + (index & 31), index % 97 == 0); }

static struct {
  uint32_t limit, least, most;
  double backoff, timeout_ms;
} a = {.limit = 20, .least = 20, .most = 200, .backoff = 0.9, .timeout_ms = 5000};

static uint32_t aimd_observe(double latency_ms, uint32_t in_flight, int is_dropped) {
  uint32_t limit = a.limit;
  if (is_dropped || latency_ms > a.timeout_ms) limit = (uint32_t)(limit * a.backoff);
  else if ((uint64_t)in_flight * 2 >= limit) limit++;
  if (limit < a.least) limit = a.least;
  if (limit > a.most) limit = a.most;
  a.limit = limit;
  return limit;
}

static uint32_t aimd(uint32_t index) { return aimd_observe(latency_of(index), 10 + (index & 31), index % 97 == 0); }

static struct {
  uint32_t limit, most, alpha, beta;
  double no_load_ms;
  uint32_t answers, probes;
} v = {.limit = 20, .most = 1000, .probes = 1};

static int count_probe(void) {
  const double turns = v.probes * 0.6180339887498949, spread = 0.5 + (turns - floor(turns)) / 2;
  const int is_probe = spread * 30 * v.limit <= ++v.answers;
  if (is_probe) {
    v.answers = 0;
    v.probes++;
  }
  return is_probe;
}

static int64_t next_limit(double latency_ms, uint32_t in_flight, int is_dropped) {
  const int64_t limit = v.limit;
  int64_t digits = 0;
  for (uint32_t rest = v.limit; rest >= 10; rest /= 10) digits++;
  if (digits == 0) digits = 1;
  if (is_dropped) return limit - digits;
  if ((uint64_t)in_flight * 2 < v.limit) return limit;
  const int64_t beta = v.beta == 0 ? 6 * digits : v.beta, queued = (int64_t)ceil(v.limit * (1 - v.no_load_ms / latency_ms));
  if (queued <= digits) return limit + beta;
  if (queued < (v.alpha == 0 ? 3 * digits : v.alpha)) return limit + digits;
  return queued > beta ? limit - digits : limit;
}

static uint32_t vegas_observe(double latency_ms, uint32_t in_flight, int is_dropped) {
  if (count_probe() || v.no_load_ms == 0 || latency_ms < v.no_load_ms) {
    v.no_load_ms = latency_ms;
    return v.limit;
  }
  const int64_t next = next_limit(latency_ms, in_flight, is_dropped), least = next > 1 ? next : 1;
  v.limit = (uint32_t)(least < v.most ? least : v.most);
  return v.limit;
}

static uint32_t vegas(uint32_t index) { return vegas_observe(latency_of(index), 10 + (index & 31), index % 97 == 0); }

int main(int argc, char **argv) {
  if (argc != 3) return refuse("an operation and how often");
  uint32_t (*of)(uint32_t) = strcmp(argv[1], "bucket") == 0     ? bucket
                             : strcmp(argv[1], "gradient") == 0 ? gradient
                             : strcmp(argv[1], "aimd") == 0     ? aimd
                                                                : vegas;
  uint32_t checksum = FNV_START;
  for (uint32_t i = 0; i <= INDEX_MASK; i++) checksum = fold(checksum, of(i));
  return report(of, atoi(argv[2]), checksum);
}
