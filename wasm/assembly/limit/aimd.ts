// Concurrency limit by loss alone: additive increase, multiplicative decrease.
//
// Memory picture, at a 16-aligned base (32 bytes):
//   limit u32 · least u32 · most u32 · unused u32 · backoff ratio f64 · timeout f64, ms
//
// Promise: one more with an answer that found at least half of the limit in use; ⌊limit × backoff⌋ with a drop or an
// answer later than the timeout; always within [least, most]. It finds the loss, not the knee: for endpoints that
// refuse by themselves.
// Source: Netflix concurrency-limits, AIMDLimit, to whose tests it is held.

const LEAST: usize = 4;
const MOST: usize = 8;
const BACKOFF: usize = 16;
const TIMEOUT: usize = 24;

export function aimdReset(base: usize, least: u32, most: u32, initial: u32, backoffRatio: f64, timeoutMs: f64): void {
  assert((base & 15) === 0 && least >= 1 && least <= initial && initial <= most && backoffRatio >= 0.5 && backoffRatio < 1);
  store<u32>(base, initial);
  store<u32>(base, least, LEAST);
  store<u32>(base, most, MOST);
  store<f64>(base, backoffRatio, BACKOFF);
  store<f64>(base, timeoutMs, TIMEOUT);
}

/** One answer, and how many were in flight with it: the limit from now on. */
export function aimdObserve(base: usize, latencyMs: f64, inFlight: u32, isDropped: bool): u32 {
  let limit = load<u32>(base);
  if (isDropped || latencyMs > load<f64>(base, TIMEOUT)) limit = <u32>(<f64>limit * load<f64>(base, BACKOFF));
  else if (<u64>inFlight * 2 >= <u64>limit) limit++;
  limit = min(load<u32>(base, MOST), max(load<u32>(base, LEAST), limit));
  store<u32>(base, limit);
  return limit;
}
