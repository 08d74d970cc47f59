// Concurrency limit by the queue that the latency implies (TCP Vegas).
//
// Memory picture, at a 16-aligned base (32 bytes):
//   limit u32 · most u32 · alpha u32 · beta u32 · latency without load f64, ms · answers since a probe u32 · probes u32
//
// Mathematics. By Little's law, limit × (1 - latency without load / latency) of the limit queue. Fewer than alpha: raise;
// more than beta: lower; none to speak of: raise by beta. Steps, and alpha and beta where they are 0, are the number of
// the limit's decimal digits less one, at least 1 (alpha 3, beta 6 times that).
//
// Promise: within [1, most]. The latency without load is the least seen since the last probe; every ½ to 1 × 30 × limit
// answers the next one is taken as it (passively; the spread is a golden-ratio sequence, so it is the same in every
// run). Under a queue that never drains that reading holds the queue too, and the limit drifts up to `most`: where that
// may happen, use the gradient.
// Source: Netflix concurrency-limits, VegasLimit, to whose tests it is held; L. Brakmo, L. Peterson (1995).

const MOST: usize = 4;
const ALPHA: usize = 8;
const BETA: usize = 12;
const NO_LOAD: usize = 16;
const ANSWERS: usize = 24;
const PROBES: usize = 28;

const PROBE_MULTIPLIER: f64 = 30;
const GOLDEN: f64 = 0.6180339887498949;

export function vegasReset(base: usize, most: u32, initial: u32, alpha: u32, beta: u32): void {
  assert((base & 15) === 0 && initial >= 1 && initial <= most && alpha <= beta);
  store<u32>(base, initial);
  store<u32>(base, most, MOST);
  store<u32>(base, alpha, ALPHA);
  store<u32>(base, beta, BETA);
  store<f64>(base, 0, NO_LOAD);
  store<u32>(base, 0, ANSWERS);
  store<u32>(base, 1, PROBES);
}

/** One answer, and how many were in flight with it: the limit from now on. */
export function vegasObserve(base: usize, latencyMs: f64, inFlight: u32, isDropped: bool): u32 {
  const limit = load<u32>(base);
  const noLoad = load<f64>(base, NO_LOAD);
  const isProbe = countProbe(base, limit);
  if (isProbe || noLoad === 0 || latencyMs < noLoad) {
    store<f64>(base, latencyMs, NO_LOAD);
    return limit;
  }
  const next = min(<i64>load<u32>(base, MOST), max(1, nextLimit(base, limit, latencyMs, inFlight, isDropped)));
  store<u32>(base, <u32>next);
  return <u32>next;
}

function countProbe(base: usize, limit: u32): bool {
  const answers = load<u32>(base, ANSWERS) + 1;
  const probes = load<u32>(base, PROBES);
  const spread = 0.5 + (<f64>probes * GOLDEN - floor(<f64>probes * GOLDEN)) / 2;
  const isProbe = spread * PROBE_MULTIPLIER * <f64>limit <= <f64>answers;
  store<u32>(base, isProbe ? 0 : answers, ANSWERS);
  if (isProbe) store<u32>(base, probes + 1, PROBES);
  return isProbe;
}

function nextLimit(base: usize, limit: u32, latencyMs: f64, inFlight: u32, isDropped: bool): i64 {
  const digits = digitsBeyondFirst(limit);
  if (isDropped) return <i64>limit - digits;
  if (<u64>inFlight * 2 < <u64>limit) return limit;
  const alpha = load<u32>(base, ALPHA);
  const beta = load<u32>(base, BETA);
  const betaNow: i64 = beta === 0 ? 6 * digits : <i64>beta;
  const queued = <i64>ceil(<f64>limit * (1 - load<f64>(base, NO_LOAD) / latencyMs));
  if (queued <= digits) return <i64>limit + betaNow;
  if (queued < (alpha === 0 ? 3 * digits : <i64>alpha)) return <i64>limit + digits;
  return queued > betaNow ? <i64>limit - digits : <i64>limit;
}

function digitsBeyondFirst(limit: u32): i64 {
  let digits: i64 = 0;
  for (let rest = limit; rest >= 10; rest /= 10) digits++;
  return max(1, digits);
}
