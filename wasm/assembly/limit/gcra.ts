// Token bucket as GCRA in its continuous-state leaky bucket form, in integers.
//
// Memory picture, at a 16-aligned base (48 bytes; all zero before gcraConfigure):
//   debt i64 · now i64, ns · tokens i64 · period i64, ns · burst i64 · unused i64
//
// Mathematics. The rate is tokens / period, both integers. Debt is counted in units of 1/tokens ns: a token costs
// `period` units, a nanosecond pays `tokens` of them back, and the bucket holds burst × period. A cost c is admitted
// where debt + c × period ≤ burst × period. In GCRA's words: the theoretical arrival time is now + debt / tokens, the
// tolerance burst × period / tokens; with debt in units no rate has to divide anything.
//
// Promise: over any interval the tokens admitted are at most burst + rate × elapsed, and what is refused would have
// exceeded exactly that. Nothing is rounded, so no drift. The wait it names is the least whole number of milliseconds
// after which the same call is admitted. A clock that goes back pays nothing back and takes nothing: the bucket stands
// still until the clock has caught up; one that goes back by more than a minute was wrong before, and the bucket goes
// on from the new time with what it had. (Standing still without end would let one wrong clock starve a tenant for as
// long as it was wrong; going on at once would pay two clocks that disagree for every change between them.)
// Bounds, held by the binding: burst × period ≤ 2⁶², time ≤ 2⁴³ ms (the year 2248).
// Source: ITU-T I.371 annex A (GCRA, both forms); ATM Forum traffic management 4.1.

const NOW: usize = 8;
const TOKENS: usize = 16;
const PERIOD: usize = 24;
const BURST: usize = 32;

const MS_NS: i64 = 1_000_000;
const BACK_NS_MAX: i64 = 60_000 * MS_NS;

/** Sets the rate and the burst. What is owed stays owed, a part of a token as a whole one. */
export function gcraConfigure(base: usize, tokens: f64, periodMs: f64, burst: f64): void {
  const before = load<i64>(base, PERIOD);
  const debt = load<i64>(base);
  const period = <i64>periodMs * MS_NS;
  const most = <i64>burst;
  assert((base & 15) === 0 && tokens >= 1 && period > 0 && most > 0 && most <= ((<i64>1) << 62) / period);
  // The quotient is a rounded-up number of tokens; it may exceed the new burst.
  const owed = before === 0 ? 0 : debt / before + (debt % before === 0 ? 0 : 1);
  store<i64>(base, min(owed, most) * period);
  store<i64>(base, <i64>tokens, TOKENS);
  store<i64>(base, period, PERIOD);
  store<i64>(base, most, BURST);
}

/** Takes `cost` tokens: 0, or the milliseconds to wait; +∞ where the cost is above the burst. */
export function gcraTake(base: usize, cost: f64, nowMs: f64): f64 {
  settle(base, nowMs);
  const waitMs = waitOf(base, cost, nowMs);
  if (waitMs === 0) store<i64>(base, load<i64>(base) + <i64>cost * load<i64>(base, PERIOD));
  return waitMs;
}

/** What gcraTake would say, taking nothing. */
export function gcraPeek(base: usize, cost: f64, nowMs: f64): f64 {
  settle(base, nowMs);
  return waitOf(base, cost, nowMs);
}

/** Takes `cost` tokens whether they are there or not, up to an empty bucket. */
export function gcraCharge(base: usize, cost: f64, nowMs: f64): void {
  settle(base, nowMs);
  const burst = load<i64>(base, BURST);
  const period = load<i64>(base, PERIOD);
  const cheaper = min(<i64>min(cost, <f64>burst), burst);
  store<i64>(base, min(load<i64>(base) + cheaper * period, burst * period));
}

/** Gives back `cost` tokens that were taken and not used; a bucket never holds more than its burst. */
export function gcraGiveBack(base: usize, cost: f64): void {
  const debt = load<i64>(base);
  const burst = <f64>load<i64>(base, BURST);
  store<i64>(base, max(0, debt - <i64>min(cost, burst) * load<i64>(base, PERIOD)));
}

/** Whole tokens that could be taken now. */
export function gcraRemaining(base: usize, nowMs: f64): f64 {
  settle(base, nowMs);
  const period = load<i64>(base, PERIOD);
  return <f64>((load<i64>(base, BURST) * period - load<i64>(base)) / period);
}

// Pays back what the time since the last call is worth, and moves the bucket's clock.
function settle(base: usize, nowMs: f64): void {
  const now = nanoseconds(nowMs);
  const elapsed = now - load<i64>(base, NOW);
  if (elapsed <= 0) {
    if (elapsed < -BACK_NS_MAX) store<i64>(base, now, NOW);
    return;
  }
  const debt = load<i64>(base);
  const tokens = load<i64>(base, TOKENS);
  assert(tokens > 0);
  // Divided before multiplying: an elapsed time of years times a rate need not fit.
  store<i64>(base, elapsed > debt / tokens ? 0 : debt - elapsed * tokens);
  store<i64>(base, now, NOW);
}

function waitOf(base: usize, cost: f64, nowMs: f64): f64 {
  const period = load<i64>(base, PERIOD);
  const burst = load<i64>(base, BURST);
  assert(cost >= 1);
  if (cost > <f64>burst) return Infinity;
  const excess = load<i64>(base) - (burst - <i64>cost) * period;
  if (excess <= 0) return 0;
  const tokens = load<i64>(base, TOKENS);
  const wait = (excess - 1) / tokens + 1;
  const untilNs = load<i64>(base, NOW) + wait - nanoseconds(nowMs);
  return <f64>((untilNs - 1) / MS_NS + 1);
}

// Exact: the whole milliseconds as an integer, the rest to the nanosecond below.
function nanoseconds(ms: f64): i64 {
  assert(ms >= 0 && ms <= 8796093022208);
  const whole = floor(ms);
  return <i64>whole * MS_NS + <i64>((ms - whole) * 1e6);
}
