// The rates of a ledger's flows: tokens lent to holders, and taken by the object itself. Times are the ledger's.
//
// Promise: over any interval T at most burst + rate × T are spent, at holders and here together. For what lies at holders and what
// lies here is never more than a burst: while tokens are out the bucket is that much smaller. `clip` says so to the bucket before
// every change of what is out. Half a burst may be out at most, so that the bucket fills while holders spend; where
// holders are objects, each may have its part of that half, and whatever is here for a request that waits for it: that one is spent as it comes.
import { divide, UNITS_MAX } from "./divide.ts";
import type { FlowRecord } from "./holder-record.ts";
import { LENT_BURST_MIN, TOKEN_WANT_MS } from "#shared/lease/token-meter.ts";
import type { FlowTotals } from "./flow-totals.ts";
import type { ChangedKeys } from "./lease-rows.ts";
import type { LedgerPolicy } from "./lease-policy.ts";
import { LENT_TOKENS_MS, type LentTokens } from "./lent-tokens.ts";
import { RateBudgets, type RateBudget, type RatePolicy } from "./rate-budget.ts";
import type { SharedTokens } from "./shared-tokens.ts";

interface FlowTokensInput {
  readonly policy: () => Pick<LedgerPolicy, "flow" | "lentTokens" | "areHoldersDurable">;
  readonly totals: () => FlowTotals;
  readonly changed: ChangedKeys;
}

const OUT_RATIO_MAX = 0.5;

interface Lending {
  readonly flow: FlowRecord;
  /** Of the holder, among the sources of the flow. */
  readonly source: string;
  readonly atMs: number;
}

export class FlowTokens {
  readonly #budgets = new RateBudgets();
  readonly #policy: FlowTokensInput["policy"];
  readonly #totals: FlowTokensInput["totals"];
  readonly #changed: ChangedKeys;
  /** By flow, in the answer that is being made. */
  readonly #offered = new Map<string, number>();

  constructor({ policy, totals, changed }: FlowTokensInput) {
    this.#policy = policy;
    this.#totals = totals;
    this.#changed = changed;
  }

  /** As they stand on disk. */
  get budgets(): ReadonlyMap<string, RateBudget> {
    return this.#budgets.written;
  }

  /** An answer begins: what it offers is not counted before all of it is. */
  begin(): void {
    this.#offered.clear();
  }

  restore(flow: string, budget: RateBudget, atMs: number): void {
    this.#budgets.restore(flow, budget, { policy: this.#rateOf(flow), nowMs: atMs });
  }

  /** How many a holder gets beside those it has. */
  lend({ flow: record, source, atMs }: Lending): number {
    const { flow, tokensWant, tokensHeld } = record;
    if (tokensWant <= tokensHeld) return 0;
    const lent = this.#lent();
    if (lent !== undefined) {
      const available = Math.max(0, lent.available(flow) - lent.awaited(flow));
      const more = Math.min(tokensWant - tokensHeld, this.#totals().tokensPart(flow, source, available), available);
      lent.take(flow, more);
      return more;
    }
    const { rate, shared } = this.#policy().flow(flow);
    if (rate === null && shared === undefined) return 0;
    const ofRate = rate === null ? Infinity : this.#ofRate(rate, { flow: record, source, atMs });
    const ofShared = shared === undefined ? Infinity : this.#ofShared(shared, { flow: record, source });
    const count = Math.min(tokensWant - tokensHeld, ofRate, ofShared);
    if (count > 0) this.pay(flow, count, atMs);
    if (shared !== undefined) this.#offered.set(flow, count);
    return count;
  }

  #ofRate(rate: RatePolicy, { flow: { flow, tokensHeld, tokensNow = 0 }, source, atMs }: Lending): number {
    const available = this.#budgets.available(flow, rate, atMs);
    const now = Math.min(tokensNow, available);
    if (rate.burst < LENT_BURST_MIN) return now;
    const totals = this.#totals();
    const outMax = Math.floor(rate.burst * OUT_RATIO_MAX);
    // Objects take no token here but by being lent some: were what is out all that counts, whoever came first would hold it, and get back
    // what it has spent with each renewal, and the others would never have any. A holder that has none here asks for one at a time.
    const isObject = this.#policy().areHoldersDurable === true || totals.partOf(flow, source)?.claimants !== undefined;
    const room = isObject ? totals.tokensPart(flow, source, outMax) - tokensHeld : outMax - totals.tokensOutOf(flow);
    return Math.max(now, Math.min(room, totals.tokensPart(flow, source, available)));
  }

  /** First the flow's part among those that share, by weight; then the holder's in the flow. */
  #ofShared(shared: SharedTokens, { flow: { flow, tokensNow = 0 }, source }: Pick<Lending, "flow" | "source">): number {
    if (shared.available() === Infinity) return Infinity;
    const available = Math.max(0, shared.available() - shared.awaited());
    const totals = this.#totals();
    const outOf = (name: string): number => totals.tokensOutOf(name) + (this.#offered.get(name) ?? 0);
    // With what is out: else whoever comes first has its part of what the others' parts were, too.
    const out = shared.flows.reduce((sum, { flow: name }) => sum + outOf(name), 0);
    const claims = shared.flows.map(({ flow: name, weight }) => ({
      want: Math.min(UNITS_MAX, totals.tokensWantOf(name)),
      weight,
      reserve: 0,
    }));
    const share = divide(Math.min(UNITS_MAX, available + out), claims)[shared.flows.findIndex(({ flow: name }) => name === flow)] ?? 0;
    const part = Math.min(available, Math.max(0, share - outOf(flow)));
    return Math.max(Math.min(tokensNow, available), Math.min(part, totals.tokensPart(flow, source, part)));
  }

  /** Whether holders want more than the rate earns: then each interval between reports costs what the bucket could not take. */
  isShort(flow: string): boolean {
    const { rate, shared } = this.#policy().flow(flow);
    const lent = this.#lent();
    if (lent !== undefined) return this.#totals().tokensWantOf(flow) > this.#totals().tokensOutOf(flow) + lent.available(flow);
    if (shared !== undefined && this.#totals().tokensLackOf(flow) > shared.available()) return true;
    return rate !== null && this.#totals().tokensWantOf(flow) * rate.periodMs > rate.tokens * TOKEN_WANT_MS;
  }

  /** 0: one is taken. Else in how many milliseconds there is one; Infinity: never. */
  take(flow: string, atMs: number): number {
    this.clip(flow, atMs);
    const { rate, shared } = this.#policy().flow(flow);
    const lent = this.#lent();
    if (shared !== undefined && shared.available() < 1) return LENT_TOKENS_MS;
    if (lent !== undefined && rate !== null && lent.available(flow) === 0) return LENT_TOKENS_MS;
    const waitMs = rate === null || lent !== undefined ? 0 : this.#budgets.waitMs(flow, rate, atMs);
    if (waitMs === 0) this.pay(flow, 1, atMs);
    return waitMs;
  }

  /** Tokens that nobody holds; null: the flow is not limited. */
  left(flow: string, atMs: number): number | null {
    this.clip(flow, atMs);
    const { rate, shared } = this.#policy().flow(flow);
    if (rate !== null && this.#lent() !== undefined) return this.#lent()?.available(flow) ?? 0;
    const ofRate = rate === null ? Infinity : this.#budgets.available(flow, rate, atMs);
    const left = Math.min(ofRate, shared?.available() ?? Infinity);
    return left === Infinity ? null : left;
  }

  /** Before what is out changes, or the bucket is looked into. */
  clip(flow: string, atMs: number): void {
    const rate = this.#lent() === undefined ? this.#rateOf(flow) : null;
    const tokensOut = rate === null ? 0 : this.#totals().tokensOutOf(flow);
    if (rate !== null && tokensOut > 0 && this.#budgets.clip(flow, rate, { tokensOut, nowMs: atMs })) this.#write(flow, rate, atMs);
  }

  clipEach(flows: readonly { readonly flow: string }[], atMs: number): void {
    for (const { flow } of flows) this.clip(flow, atMs);
  }

  /** A negative count comes back. */
  pay(flow: string, count: number, atMs: number): void {
    const { rate, shared } = this.#policy().flow(flow);
    const lent = this.#lent();
    if (lent !== undefined) return lent.take(flow, count);
    shared?.take(count);
    if (rate === null) return;
    this.#budgets.take(flow, rate, { count, nowMs: atMs });
    this.#write(flow, rate, atMs);
  }

  #rateOf(flow: string): RatePolicy | null {
    return this.#policy().flow(flow).rate;
  }

  /** Undefined: the rates are this ledger's own. */
  #lent(): LentTokens | undefined {
    return this.#policy().lentTokens;
  }

  #write(flow: string, rate: RatePolicy, atMs: number): void {
    if (this.#budgets.writeAhead(flow, rate, atMs)) this.#changed.budget(flow);
  }
}
