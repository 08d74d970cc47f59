import { describe, expect, it } from "vitest";
import { TenantCredits } from "#durable/pool/tenant-credits.ts";
import type { Renewal } from "#shared/protocol/lease.ts";

const POOL = { holder: "echo", life: 1 };
const FLOW = "echo/gold";
const SILVER = "echo/silver";
const demand = (want: number, passedOn = 0) => ({ flow: FLOW, want, passedOn, tokensWant: 0 });

function answer(sequence: number, slots: number, silver?: number): Renewal {
  const grant = { flow: FLOW, slots, tokens: 0, isQueued: false, named: 0 };
  const flows = silver === undefined ? [grant] : [grant, { ...grant, flow: SILVER, slots: silver }];
  return { ok: true, sequence, lengthMs: 4_000, renewAfterMs: 2_000, flows, lanes: [] };
}

function creditsOf(nowMs: number): TenantCredits {
  const credits = new TenantCredits();
  credits.configure(["acme"]);
  credits.tick(nowMs);
  return credits;
}

describe("a tenant's credit", () => {
  it("limits nobody who has no limit over all services", () => {
    const credits = creditsOf(0);
    expect([credits.slotsMaxOf("globex", FLOW), credits.isUnknown("globex")]).toEqual([Infinity, false]);
  });

  it("is nothing until it is known, then what was lent, and unknown again after its end", () => {
    const credits = creditsOf(0);
    expect([credits.slotsMaxOf("acme", FLOW), credits.isUnknown("acme")]).toEqual([0, true]);
    const { sequence } = credits.request("acme", [demand(9)], POOL);
    credits.apply("acme", answer(sequence, 7), false);
    expect([credits.slotsMaxOf("acme", FLOW), credits.isUnknown("acme")]).toEqual([7, false]);
    credits.tick(4_000);
    expect([credits.slotsMaxOf("acme", FLOW), credits.isUnknown("acme")]).toEqual([0, true]);
  });

  it("is renewed in time, sooner where more is wanted than was asked for, and one call at a time", () => {
    const credits = creditsOf(0);
    const { sequence } = credits.request("acme", [demand(9)], POOL);
    const due = (want: number): readonly string[] => credits.due(() => want);
    expect(due(99)).toEqual([]);
    credits.apply("acme", answer(sequence, 9), false);
    expect([due(9), due(10)]).toEqual([[], ["acme"]]);
    credits.tick(2_000);
    expect(due(0)).toEqual(["acme"]);
  });

  it("is not asked for at every wish where the quota gave less than was asked for: four times a second is enough", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(9)], POOL).sequence, 7), false);
    credits.tick(249);
    expect(credits.due(() => 10)).toEqual([]);
    credits.tick(250);
    expect(credits.due(() => 9)).toEqual([]);
    expect(credits.due(() => 10)).toEqual(["acme"]);
  });

  it("is asked for at once for a flow that got all it asked for, though another flow of the tenant is short", () => {
    const credits = creditsOf(0);
    const { sequence } = credits.request("acme", [demand(3), { ...demand(90), flow: SILVER }], POOL);
    credits.apply("acme", answer(sequence, 3, 60), false);
    const wants = (gold: number, silver: number) => credits.due((_, flow) => (flow === FLOW ? gold : silver));
    credits.tick(1);
    expect(wants(3, 91)).toEqual([]);
    expect(wants(4, 90)).toEqual(["acme"]);
  });

  it("covers what was wanted at most since the last time: a peak comes again, and costs neither a call nor a wait", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(3)], POOL).sequence, 3), false);
    expect(credits.due(() => 6)).toEqual(["acme"]);
    expect(credits.request("acme", [demand(2)], POOL).flows).toMatchObject([{ want: 6 }]);
    expect(credits.request("acme", [demand(2)], POOL).flows).toMatchObject([{ want: 2 }]);
  });

  it("that is not used is not asked for again until somebody comes", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(0)], POOL).sequence, 0), true);
    credits.tick(1_000_000);
    expect(credits.due(() => 0)).toEqual([]);
    expect(credits.due(() => 1)).toEqual(["acme"]);
  });

  it("holds to its end where the quota does not answer, and then fails open in bounds: the service's own limits", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(9)], POOL).sequence, 7), false);
    credits.tick(3_500);
    credits.request("acme", [demand(9)], POOL);
    credits.failed("acme");
    expect(credits.slotsMaxOf("acme", FLOW)).toBe(7);
    credits.tick(4_500);
    expect(credits.due(() => 0)).toEqual(["acme"]);
    expect(credits.slotsMaxOf("acme", FLOW)).toBe(Infinity);
    expect(credits.isUnknown("acme")).toBe(false);
  });

  it("is asked for under rising numbers though the limit went away in between", () => {
    const credits = creditsOf(0);
    const before = credits.request("acme", [demand(1)], POOL);
    credits.configure([]);
    credits.configure(["acme"]);
    expect(credits.request("acme", [demand(1)], POOL).sequence).toBeGreaterThan(before.sequence);
  });
});
