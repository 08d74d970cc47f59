// Adaptive concurrency: how many requests an endpoint takes at once before they only queue.
//
// Memory picture, at a 16-aligned base (128 bytes):
//   limit f64 · breath f64 · least f64 · most f64 · tolerance f64 · epoch f64, ms · sum of latencies f64, ms ·
//   epoch began f64, ms · its lowest mean f64 · the last one's f64 · descent's limit f64 · descent's mean f64 ·
//   served u32 · dropped u32 · most in flight u32 · windows in the epoch u32 · phase u32 · unused u32[3]
//
// Mathematics. A window is as many answers as the limit, at least 100: one turnover of what is in flight. Its mean is
// compared with the baseline, the lowest mean of this epoch and the last:
//   gradient = clamp((tolerance × baseline + 1 ms) / mean, ½, 1); limit ← limit × gradient + (gradient is 1 ? √limit : 0),
// smoothed by ⅕. With c workers and service time S, n > c in flight take n × S / c: it settles at tolerance × c.
// Three rules keep the baseline true without ever pinning the limit to measure it:
//   breath: an epoch under pressure begins with two windows at limit × ⁴⁄₅ × baseline / mean: what the measured throughput
//     needs in flight, less a fifth (never less than half the limit). The first drains, the second measures; where the
//     baseline fell by more than a tenth there was queueing in it, and a deeper breath follows. So a limit that began
//     far above the knee comes down within an epoch or two, and a stable overload cannot raise it step by step;
//   descent: where the limit was halved and the mean fell by less than a quarter, the requests did not queue behind each
//     other: they became slower. That mean is the new baseline;
//   warming: the first window counts for nothing: from an empty server the quick ones come back first.
//
// Promise: the limit stays within [least, most], and changes with a window, not with a request. Growing needs half of it
// in use. Drops (timeouts, refusals; not the endpoint's other errors) above 5 % of a window shrink it, whatever the
// latency says; a drop's latency counts for nothing. A clock that goes back only lengthens an epoch.
// Source: Netflix concurrency-limits, Gradient2 (and its #134, #137: room added at any gradient grows without end);
// Envoy's gradient controller (which pins the limit to 3 for its baseline); N. Cardwell et al., "BBR" (2017) for the
// drain. What was tried and rejected: docs/design/limits.md.

const BREATH: usize = 8;
const LEAST: usize = 16;
const MOST: usize = 24;
const TOLERANCE: usize = 32;
const EPOCH_MS: usize = 40;
const LATENCY_SUM: usize = 48;
const EPOCH_BEGAN: usize = 56;
const EPOCH_LOWEST: usize = 64;
const LAST_LOWEST: usize = 72;
const DESCENT_LIMIT: usize = 80;
const DESCENT_MEAN: usize = 88;
const SERVED: usize = 96;
const DROPPED: usize = 100;
const IN_FLIGHT_MAX: usize = 104;
const WINDOW_COUNT: usize = 108;
const PHASE: usize = 112;
const STATE_BYTES: usize = 128;

const WARMING: u32 = 0;
const STEADY: u32 = 1;
const DRAINING: u32 = 2;
const MEASURING: u32 = 3;

const SAMPLE_COUNT_MIN: u32 = 100;
const GRADIENT_MIN: f64 = 0.5;
const SMOOTHING: f64 = 0.2;
/** Clocks that tell whole milliseconds: a difference of one is none. */
const CLOCK_MS: f64 = 1;
const BREATH_RATIO: f64 = 0.8;
const DEEPER_RATIO: f64 = 0.9;
const STUBBORN_RATIO: f64 = 0.75;
const DROP_RATIO_MAX: f64 = 0.05;
/** A breath takes two windows: with 20 in an epoch, a tenth of the time at most. */
const EPOCH_WINDOW_COUNT_MIN: u32 = 20;

export function gradientReset(base: usize, least: u32, most: u32, initial: u32, tolerance: f64, epochMs: f64): void {
  assert((base & 15) === 0 && least >= 1 && least <= initial && initial <= most && tolerance >= 1 && epochMs > 0);
  memory.fill(base, 0, STATE_BYTES);
  store<f64>(base, <f64>initial);
  store<f64>(base, <f64>least, LEAST);
  store<f64>(base, <f64>most, MOST);
  store<f64>(base, tolerance, TOLERANCE);
  store<f64>(base, epochMs, EPOCH_MS);
  store<f64>(base, -1, EPOCH_BEGAN);
  store<f64>(base, Infinity, EPOCH_LOWEST);
  store<f64>(base, Infinity, LAST_LOWEST);
}

/** One answer, and how many were in flight with it: the limit from now on. */
export function gradientObserve(base: usize, nowMs: f64, latencyMs: f64, inFlight: u32, isDropped: bool): u32 {
  assert(latencyMs >= 0 && nowMs >= 0);
  const served = load<u32>(base, SERVED) + (isDropped ? 0 : 1);
  const dropped = load<u32>(base, DROPPED) + (isDropped ? 1 : 0);
  store<u32>(base, served, SERVED);
  store<u32>(base, dropped, DROPPED);
  if (!isDropped) store<f64>(base, load<f64>(base, LATENCY_SUM) + latencyMs, LATENCY_SUM);
  store<u32>(base, max(load<u32>(base, IN_FLIGHT_MAX), inFlight), IN_FLIGHT_MAX);
  if (served + dropped >= max(SAMPLE_COUNT_MIN, <u32>load<f64>(base))) closeWindow(base, nowMs);
  return gradientLimit(base);
}

export function gradientLimit(base: usize): u32 {
  return <u32>(load<u32>(base, PHASE) >= DRAINING ? load<f64>(base, BREATH) : load<f64>(base));
}

/** How many more answers close the window: the limit changes then and not before. */
export function gradientAnswersLeft(base: usize): u32 {
  return max(SAMPLE_COUNT_MIN, <u32>load<f64>(base)) - load<u32>(base, SERVED) - load<u32>(base, DROPPED);
}

/** What a request takes that does not queue, ms; +∞ while nothing is known. */
export function gradientBaseline(base: usize): f64 {
  return min(load<f64>(base, LAST_LOWEST), load<f64>(base, EPOCH_LOWEST));
}

function closeWindow(base: usize, nowMs: f64): void {
  const served = <f64>load<u32>(base, SERVED);
  const dropped = <f64>load<u32>(base, DROPPED);
  const mean = served > 0 ? load<f64>(base, LATENCY_SUM) / served : -1;
  const isPressed = <f64>load<u32>(base, IN_FLIGHT_MAX) * 2 >= load<f64>(base);
  const phase = load<u32>(base, PHASE);
  store<f64>(base, 0, LATENCY_SUM);
  store<u32>(base, 0, SERVED);
  store<u32>(base, 0, DROPPED);
  store<u32>(base, 0, IN_FLIGHT_MAX);
  if (phase === WARMING) {
    store<u32>(base, STEADY, PHASE);
    return;
  }
  if (mean >= 0) store<f64>(base, min(load<f64>(base, EPOCH_LOWEST), mean), EPOCH_LOWEST);
  store<u32>(base, min(load<u32>(base, WINDOW_COUNT) + 1, EPOCH_WINDOW_COUNT_MIN), WINDOW_COUNT);
  if (phase !== STEADY) {
    store<u32>(base, phase === DRAINING ? MEASURING : STEADY, PHASE);
    if (phase === MEASURING && mean >= 0 && mean < DEEPER_RATIO * load<f64>(base, LAST_LOWEST)) {
      store<f64>(base, mean, LAST_LOWEST);
      breathe(base, load<f64>(base, BREATH), mean);
    }
    return;
  }
  update(base, mean, dropped / (served + dropped), isPressed);
  if (rollEpoch(base, nowMs) && isPressed && mean >= 0) breathe(base, load<f64>(base), mean);
}

// `mean` is negative where nothing was served.
function update(base: usize, mean: f64, dropRatio: f64, isPressed: bool): void {
  let gradient: f64 = 1;
  if (mean >= 0 && isPressed) gradient = min(gradient, (load<f64>(base, TOLERANCE) * gradientBaseline(base) + CLOCK_MS) / mean);
  if (dropRatio > DROP_RATIO_MAX) gradient = min(gradient, 1 - dropRatio);
  gradient = max(GRADIENT_MIN, gradient);
  judgeDescent(base, mean, gradient);
  const limit = load<f64>(base);
  const room = gradient === 1 && isPressed ? sqrt(limit) : 0;
  const wanted = limit * gradient + room;
  const next = limit * (1 - SMOOTHING) + wanted * SMOOTHING;
  store<f64>(base, min(load<f64>(base, MOST), max(load<f64>(base, LEAST), next)));
}

function judgeDescent(base: usize, mean: f64, gradient: f64): void {
  if (gradient === 1 || mean < 0) {
    store<f64>(base, 0, DESCENT_LIMIT);
    return;
  }
  const limit = load<f64>(base);
  if (load<f64>(base, DESCENT_LIMIT) === 0) {
    store<f64>(base, limit, DESCENT_LIMIT);
    store<f64>(base, mean, DESCENT_MEAN);
  }
  if (limit * 2 > load<f64>(base, DESCENT_LIMIT) && limit > load<f64>(base, LEAST)) return;
  if (mean < STUBBORN_RATIO * load<f64>(base, DESCENT_MEAN)) return;
  store<f64>(base, 0, DESCENT_LIMIT);
  store<f64>(base, mean, LAST_LOWEST);
  store<f64>(base, mean, EPOCH_LOWEST);
}

function rollEpoch(base: usize, nowMs: f64): bool {
  const began = load<f64>(base, EPOCH_BEGAN);
  if (began < 0 || nowMs < began) store<f64>(base, nowMs, EPOCH_BEGAN);
  const elapsedMs = nowMs - load<f64>(base, EPOCH_BEGAN);
  if (elapsedMs < load<f64>(base, EPOCH_MS) || load<u32>(base, WINDOW_COUNT) < EPOCH_WINDOW_COUNT_MIN) return false;
  store<f64>(base, load<f64>(base, EPOCH_LOWEST), LAST_LOWEST);
  store<f64>(base, Infinity, EPOCH_LOWEST);
  store<f64>(base, nowMs, EPOCH_BEGAN);
  store<u32>(base, 0, WINDOW_COUNT);
  return true;
}

function breathe(base: usize, limit: f64, mean: f64): void {
  const baseline = load<f64>(base, LAST_LOWEST);
  const needed = (BREATH_RATIO * baseline + CLOCK_MS) / (max(mean, baseline) + CLOCK_MS);
  const ratio = max(GRADIENT_MIN, min(1, needed));
  store<f64>(base, max(load<f64>(base, LEAST), limit * ratio), BREATH);
  store<u32>(base, DRAINING, PHASE);
}
