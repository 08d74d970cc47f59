// A rate in whole tokens: at most burst + tokens × elapsed ÷ period leave it over any interval. A token leased is
// spent here at once, so what leaves holders exceeds that only by what they still hold (docs/design/leases.md).
import { assert } from "#shared/assert.ts";

export interface RatePolicy {
  readonly tokens: number;
  readonly periodMs: number;
  readonly burst: number;
}

/** The debt in 1/tokens ms: a token costs periodMs, a millisecond pays `tokens`. 0: the bucket is full. */
export interface RateBudget {
  readonly debt: number;
  readonly atMs: number;
}

export function availableTokens(budget: RateBudget, policy: RatePolicy, nowMs: number): number {
  return Math.floor(Math.max(0, policy.burst * policy.periodMs - settle(budget, policy, nowMs).debt) / policy.periodMs);
}

/** Takes what is there to take: the caller asks `availableTokens` first. A negative count gives back, never beyond full. */
export function takeTokens(budget: RateBudget, policy: RatePolicy, { count, nowMs }: { count: number; nowMs: number }): RateBudget {
  const settled = settle(budget, policy, nowMs);
  const debt = Math.max(0, settled.debt + count * policy.periodMs);
  assert(Number.isSafeInteger(debt), "a rate's debt is exact");
  return { ...settled, debt };
}

function settle({ debt, atMs }: RateBudget, { tokens }: RatePolicy, nowMs: number): RateBudget {
  if (nowMs <= atMs) return { debt, atMs };
  return { debt: Math.max(0, debt - (nowMs - atMs) * tokens), atMs: nowMs };
}
