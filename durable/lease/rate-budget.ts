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

function availableTokens(budget: RateBudget, policy: RatePolicy, nowMs: number): number {
  return Math.floor(Math.max(0, policy.burst * policy.periodMs - settle(budget, policy, nowMs).debt) / policy.periodMs);
}

/** Takes what is there to take: the caller asks `availableTokens` first. A negative count gives back, never beyond full. */
function takeTokens(budget: RateBudget, policy: RatePolicy, { count, nowMs }: { count: number; nowMs: number }): RateBudget {
  const settled = settle(budget, policy, nowMs);
  const debt = Math.max(0, settled.debt + count * policy.periodMs);
  assert(Number.isSafeInteger(debt), "a rate's debt is exact");
  return { ...settled, debt };
}

/** Of a rate that was lowered no more is owed than an empty bucket: else it would be paid for at the new rate, for minutes. */
function settle({ debt, atMs }: RateBudget, policy: RatePolicy, nowMs: number): RateBudget {
  return paidOff({ debt: Math.min(debt, policy.burst * policy.periodMs), atMs }, policy, nowMs);
}

function paidOff({ debt, atMs }: RateBudget, { tokens }: RatePolicy, nowMs: number): RateBudget {
  return nowMs <= atMs ? { debt, atMs } : { debt: Math.max(0, debt - (nowMs - atMs) * tokens), atMs: nowMs };
}

/** What is written ahead of what is owed, in bursts: a row stands for so many tokens … */
const AHEAD_RATIO = 1 / 16;
/** … and after a restart so many times that is owed at least: less needs no row at all. */
const FLOOR_AHEADS = 2;

function aheadOf({ burst, periodMs }: RatePolicy): number {
  return Math.floor(burst * AHEAD_RATIO) * periodMs;
}

/** What a row says of now: written ahead, of an empty bucket it says more than can be owed. */
function settleWritten({ debt, atMs }: RateBudget, policy: RatePolicy, nowMs: number): RateBudget {
  return paidOff({ debt: Math.min(debt, policy.burst * policy.periodMs + aheadOf(policy)), atMs }, policy, nowMs);
}

/** The budgets of all flows that ever took a token. */
export class RateBudgets {
  readonly #budgets = new Map<string, RateBudget>();
  /** What the disk says: never less than is owed, so that most tokens need no row. */
  readonly #written = new Map<string, RateBudget>();

  get written(): ReadonlyMap<string, RateBudget> {
    return this.#written;
  }

  /** As it was written down; `policy` null: the flow has no rate now. */
  restore(flow: string, written: RateBudget, { policy, nowMs }: { policy: RatePolicy | null; nowMs: number }): void {
    this.#written.set(flow, written);
    if (policy === null) return void this.#budgets.set(flow, written);
    const { debt, atMs } = settleWritten(written, policy, nowMs);
    this.#budgets.set(flow, { debt: Math.max(debt, FLOOR_AHEADS * aheadOf(policy)), atMs });
  }

  /** After a change: whether the disk has to say something else now. A flow's first token always does. */
  writeAhead(flow: string, policy: RatePolicy, nowMs: number): boolean {
    const { debt, atMs } = settle(this.#of(flow, nowMs), policy, nowMs);
    const ahead = aheadOf(policy);
    const written = this.#written.get(flow);
    const said = written === undefined ? -1 : Math.max(settleWritten(written, policy, atMs).debt, FLOOR_AHEADS * ahead);
    if (said >= debt && said <= Math.max(debt, ahead) + FLOOR_AHEADS * ahead) return false;
    this.#written.set(flow, { debt: debt + ahead, atMs });
    return true;
  }

  available(flow: string, policy: RatePolicy, nowMs: number): number {
    return availableTokens(this.#of(flow, nowMs), policy, nowMs);
  }

  /** In how long there is a token; 0: now, Infinity: never. */
  waitMs(flow: string, policy: RatePolicy, nowMs: number): number {
    if (policy.burst < 1) return Infinity;
    const over = settle(this.#of(flow, nowMs), policy, nowMs).debt + policy.periodMs - policy.burst * policy.periodMs;
    return over <= 0 ? 0 : Math.ceil(over / policy.tokens);
  }

  /** The bucket has no room for what lies at holders: false where it was no fuller anyway. */
  clip(flow: string, policy: RatePolicy, { tokensOut, nowMs }: { tokensOut: number; nowMs: number }): boolean {
    const settled = settle(this.#of(flow, nowMs), policy, nowMs);
    const debt = Math.min(policy.burst, tokensOut) * policy.periodMs;
    if (settled.debt >= debt) return false;
    this.#budgets.set(flow, { ...settled, debt });
    return true;
  }

  take(flow: string, policy: RatePolicy, { count, nowMs }: { count: number; nowMs: number }): void {
    this.#budgets.set(flow, takeTokens(this.#of(flow, nowMs), policy, { count, nowMs }));
  }

  #of(flow: string, nowMs: number): RateBudget {
    return this.#budgets.get(flow) ?? { debt: 0, atMs: nowMs };
  }
}
