// The rates of a ledger's flows: tokens lent to holders, and taken by the object itself. Times are the ledger's.
import type { FlowRecord } from "./holder-record.ts";
import type { ChangedKeys } from "./lease-rows.ts";
import { RateBudgets, type RateBudget, type RatePolicy } from "./rate-budget.ts";

interface FlowTokensInput {
  readonly rateOf: (flow: string) => RatePolicy | null;
  readonly changed: ChangedKeys;
}

interface Lending {
  readonly flow: FlowRecord;
  /** The holder's part of what is there. */
  readonly partOf: (available: number) => number;
  /** At holders now, of this flow. */
  readonly tokensOut: number;
  readonly atMs: number;
}

export class FlowTokens {
  readonly #budgets = new RateBudgets();
  readonly #rateOf: FlowTokensInput["rateOf"];
  readonly #changed: ChangedKeys;

  constructor({ rateOf, changed }: FlowTokensInput) {
    this.#rateOf = rateOf;
    this.#changed = changed;
  }

  get budgets(): ReadonlyMap<string, RateBudget> {
    return this.#budgets.all;
  }

  restore(flow: string, budget: RateBudget): void {
    this.#budgets.restore(flow, budget);
  }

  /** How many a holder gets beside those it has. */
  lend({ flow: { flow, tokensWant, tokensHeld }, partOf, tokensOut, atMs }: Lending): number {
    const rate = this.#rateOf(flow);
    if (rate === null) return 0;
    // Never more than one burst lies at holders: that is the overshoot.
    const room = Math.max(0, rate.burst - tokensOut);
    const count = Math.min(Math.max(0, tokensWant - tokensHeld), partOf(this.#budgets.available(flow, rate, atMs)), room);
    if (count > 0) this.pay(flow, count, atMs);
    return count;
  }

  /** 0: one is taken. Else in how many milliseconds there is one; Infinity: never. */
  take(flow: string, atMs: number): number {
    const rate = this.#rateOf(flow);
    const waitMs = rate === null ? 0 : this.#budgets.waitMs(flow, rate, atMs);
    if (waitMs === 0) this.pay(flow, 1, atMs);
    return waitMs;
  }

  /** Tokens that nobody holds; null: the flow has no rate. */
  left(flow: string, atMs: number): number | null {
    const rate = this.#rateOf(flow);
    return rate === null ? null : this.#budgets.available(flow, rate, atMs);
  }

  /** A negative count comes back. */
  pay(flow: string, count: number, atMs: number): void {
    const rate = this.#rateOf(flow);
    if (rate === null) return;
    this.#budgets.take(flow, rate, { count, nowMs: atMs });
    this.#changed.budget(flow);
  }
}
