// What a rate costs on disk, and what a restart makes of it.
import { describe, expect, it } from "vitest";
import { RateBudgets, type RatePolicy } from "#durable/lease/rate-budget.ts";

const FLOW = "acme/gold";
const POLICY: RatePolicy = { tokens: 1_000, periodMs: 1_000, burst: 320 };
/** Twice a sixteenth of the burst. */
const FORGOTTEN_MAX = 40;

/** The budgets as they are after a restart. */
function restarted(budgets: RateBudgets, nowMs: number, policy = POLICY): RateBudgets {
  const after = new RateBudgets();
  for (const [flow, budget] of budgets.written) after.restore(flow, budget, { policy, nowMs });
  return after;
}

function available(budgets: RateBudgets, nowMs: number): number {
  return budgets.available(FLOW, POLICY, nowMs);
}

/** Takes one where there is one; whether it was written. */
function takeOne(budgets: RateBudgets, policy: RatePolicy, nowMs: number): { taken: boolean; wrote: boolean } {
  if (budgets.waitMs(FLOW, policy, nowMs) > 0) return { taken: false, wrote: false };
  budgets.take(FLOW, policy, { count: 1, nowMs });
  return { taken: true, wrote: budgets.writeAhead(FLOW, policy, nowMs) };
}

describe("a rate on disk", () => {
  it("owes there at least what it owes here, and at most an eighth of a burst more, whatever is taken and given back", () => {
    const budgets = new RateBudgets();
    for (let nowMs = 0; nowMs < 5_000; nowMs += 1) {
      const count = nowMs % 97 === 0 ? -9 : nowMs % 5;
      if (available(budgets, nowMs) < count) continue;
      budgets.take(FLOW, POLICY, { count, nowMs });
      budgets.writeAhead(FLOW, POLICY, nowMs);
      const lost = available(budgets, nowMs) - available(restarted(budgets, nowMs), nowMs);
      expect(lost).toBeGreaterThanOrEqual(0);
      expect(lost).toBeLessThanOrEqual(FORGOTTEN_MAX);
    }
  });

  it("needs one row for a flow that stays below its rate, whatever it takes", () => {
    const budgets = new RateBudgets();
    let rows = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 2) if (takeOne(budgets, POLICY, nowMs).wrote) rows += 1;
    expect(rows).toBe(1);
  });

  it("needs a row for every twenty tokens of one that lives at its limit, not for every one", () => {
    const budgets = new RateBudgets();
    let [rows, tokens] = [0, 0];
    for (let nowMs = 0; nowMs < 10_000; nowMs += 1) {
      for (let tries = 0; tries < 2; tries += 1) {
        const { taken, wrote } = takeOne(budgets, POLICY, nowMs);
        if (taken) tokens += 1;
        if (wrote) rows += 1;
      }
    }
    expect(tokens).toBeGreaterThan(10_000);
    expect(rows).toBeLessThanOrEqual(tokens / 20);
  });

  it("never admits more than burst + rate × time, however often the object restarts", () => {
    let budgets = new RateBudgets();
    let tokens = 0;
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 1) {
      if (nowMs % 331 === 0) budgets = restarted(budgets, nowMs);
      for (let tries = 0; tries < 3; tries += 1) if (takeOne(budgets, POLICY, nowMs).taken) tokens += 1;
    }
    expect(tokens).toBeLessThanOrEqual(320 + 20_000);
    expect(tokens).toBeGreaterThan(0.9 * 20_000);
  });

  it("is exact where a burst is too small for anything ahead", () => {
    const budgets = new RateBudgets();
    const small = { tokens: 1, periodMs: 1_000, burst: 10 };
    for (let count = 0; count < 10; count += 1) expect(takeOne(budgets, small, 0)).toEqual({ taken: true, wrote: true });
    expect(restarted(budgets, 0, small).waitMs(FLOW, small, 0)).toBe(1_000);
  });
});
