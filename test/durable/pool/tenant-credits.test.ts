import { describe, expect, it } from "vitest";
import { TenantCredits, type TenantWants } from "#durable/pool/tenant-credits.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import type { QuotaRenewal } from "#shared/protocol/quota-rpc.ts";
import { TOTAL_BYTES } from "#shared/protocol/quota-rpc.ts";

const POOL = { holder: "echo", life: 1 };
const FLOW = "echo/gold";
const SILVER = "echo/silver";
const demand = (want: number, passedOn = 0) => ({ flow: FLOW, want, passedOn, tokensWant: 0 });

function answer(
  sequence: number,
  slots: number,
  { tokens = 0, blockedMs = 0, silver = 0 } = {},
): Pick<QuotaRenewal, "renewal" | "blockedMs"> {
  const flows = [
    { flow: FLOW, slots, tokens: 0, isQueued: false, named: 0 },
    { flow: SILVER, slots: silver, tokens: 0, isQueued: false, named: 0 },
    { flow: TOTAL_BYTES, slots: 0, tokens, isQueued: false, named: 0 },
  ];
  return { renewal: { ok: true, sequence, lengthMs: 4_000, renewAfterMs: 2_000, flows, lanes: [] }, blockedMs };
}

const CLASSES = [
  { className: "gold", weight: 3 },
  { className: "bronze", weight: 1 },
];

function configured(totals: Readonly<Record<string, TotalConfig>>) {
  const tenantsWithTotal = Object.keys(totals).filter((tenant) => totals[tenant]?.slots !== undefined && totals[tenant].mode === "enforce");
  return { tenantsWithTotal, totals, service: { costWeight: 2 }, classes: CLASSES };
}

function creditsOf(nowMs: number, total: TotalConfig = { slots: 10, mode: "enforce" }): TenantCredits {
  const credits = new TenantCredits();
  credits.configure(configured({ acme: total }));
  credits.tick(nowMs);
  return credits;
}

const wanting = (slots: number, bytes = 0): TenantWants => ({ slots: () => slots, tokensWanted: () => bytes, tokensLacked: () => bytes });
/** Whose flows' wants are others than before. */
function dueOf(credits: TenantCredits, wants: TenantWants): readonly string[] {
  credits.look("acme/gold");
  return credits.due(wants);
}
const measured = (more: object) => ({ flow: "acme/gold", arrivals: 1, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0, ...more });

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

  it("ends after the time that it was lent for, and is renewed in it, though the pool's clock is set back", () => {
    const credits = creditsOf(3_600_000);
    const { sequence } = credits.request("acme", [demand(9)], POOL);
    credits.apply("acme", answer(sequence, 7), false);
    for (const nowMs of [0, 1_999]) credits.tick(nowMs);
    expect([credits.slotsMaxOf("acme", FLOW), dueOf(credits, wanting(0))]).toEqual([7, []]);
    credits.tick(2_000);
    expect(dueOf(credits, wanting(0))).toEqual(["acme"]);
    credits.tick(4_000);
    expect([credits.slotsMaxOf("acme", FLOW), credits.isUnknown("acme")]).toEqual([0, true]);
  });

  it("is renewed in time, sooner where more is wanted than was asked for, and one call at a time", () => {
    const credits = creditsOf(0);
    const { sequence } = credits.request("acme", [demand(9)], POOL);
    const due = (want: number): readonly string[] => dueOf(credits, wanting(want));
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
    expect(dueOf(credits, wanting(10))).toEqual([]);
    credits.tick(250);
    expect(dueOf(credits, wanting(9))).toEqual([]);
    expect(dueOf(credits, wanting(10))).toEqual(["acme"]);
  });

  it("is asked for at once for a flow that got all it asked for, though another flow of the tenant is short", () => {
    const credits = creditsOf(0);
    const { sequence } = credits.request("acme", [demand(3), { ...demand(90), flow: SILVER }], POOL);
    credits.apply("acme", answer(sequence, 3, { silver: 60 }), false);
    const wants = (gold: number, silver: number) =>
      dueOf(credits, { slots: (_, flow) => (flow === FLOW ? gold : silver), tokensWanted: () => 0, tokensLacked: () => 0 });
    credits.tick(1);
    expect(wants(3, 91)).toEqual([]);
    expect(wants(4, 90)).toEqual(["acme"]);
  });

  it("covers what was wanted at most since the last time: a peak comes again, and costs neither a call nor a wait", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(3)], POOL).sequence, 3), false);
    expect(dueOf(credits, wanting(6))).toEqual(["acme"]);
    expect(credits.request("acme", [demand(2)], POOL).flows).toMatchObject([{ want: 6 }]);
    expect(credits.request("acme", [demand(2)], POOL).flows).toMatchObject([{ want: 2 }]);
  });

  describe("in tokens", () => {
    const bytes = (tokensWant: number, tokensPassedOn: number) => ({ flow: TOTAL_BYTES, want: 0, passedOn: 0, tokensWant, tokensPassedOn });

    /** Of 100 tokens `passedOn` are lent on, the others lie here; a while after the last word. */
    function creditsWith(passedOn: number): TenantCredits {
      const credits = creditsOf(0, { bandwidthBytesPerSecond: 100_000, mode: "enforce" });
      credits.apply("acme", answer(credits.request("acme", [bytes(100, passedOn)], POOL).sequence, 0, { tokens: 100 - passedOn }), false);
      credits.tick(300);
      return credits;
    }

    it.for([0, 50, 100])("is told to the quota where nobody wants them any more, also those that were lent on: %i of 100", (passedOn) => {
      const credits = creditsWith(passedOn);
      const wanted = (tokens: number): TenantWants => ({ slots: () => 0, tokensWanted: () => tokens, tokensLacked: () => 0 });
      expect(dueOf(credits, wanted(100))).toEqual([]);
      expect(dueOf(credits, wanted(0))).toEqual(["acme"]);
      const { flows, sequence } = credits.request("acme", [bytes(0, 0)], POOL);
      expect(flows).toMatchObject([{ flow: TOTAL_BYTES, tokensHeld: 0, tokensReturned: 100 - passedOn }]);
      credits.apply("acme", answer(sequence, 0), true);
      credits.tick(600);
      expect(dueOf(credits, wanted(0))).toEqual([]);
    });
  });

  it("that is not used is not asked for again until somebody comes", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(0)], POOL).sequence, 0), true);
    credits.tick(1_000_000);
    expect(dueOf(credits, wanting(0))).toEqual([]);
    expect(dueOf(credits, wanting(1))).toEqual(["acme"]);
  });

  it("holds to its end where the quota does not answer, and then fails open in bounds: the service's own limits", () => {
    const credits = creditsOf(0);
    credits.apply("acme", answer(credits.request("acme", [demand(9)], POOL).sequence, 7), false);
    credits.tick(3_500);
    credits.request("acme", [demand(9)], POOL);
    credits.failed("acme");
    expect(credits.slotsMaxOf("acme", FLOW)).toBe(7);
    credits.tick(4_500);
    expect(dueOf(credits, wanting(0))).toEqual(["acme"]);
    expect(credits.slotsMaxOf("acme", FLOW)).toBe(Infinity);
    expect(credits.isUnknown("acme")).toBe(false);
  });

  it("is asked for under rising numbers though the limit went away in between", () => {
    const credits = creditsOf(0);
    const before = credits.request("acme", [demand(1)], POOL);
    credits.configure(configured({}));
    credits.configure(configured({ acme: { slots: 10, mode: "enforce" } }));
    expect(credits.request("acme", [demand(1)], POOL).sequence).toBeGreaterThan(before.sequence);
  });
});

describe("a tenant's bytes over all services", () => {
  const LIMITED: TotalConfig = { bandwidthBytesPerSecond: 100_000, mode: "enforce" };
  const bytesDemand = (tokensWant: number) => ({ flow: TOTAL_BYTES, want: 0, passedOn: 0, tokensWant });

  it("are nothing until they are lent, are spent and come back, and are unlimited where the quota cannot be asked", () => {
    const credits = creditsOf(0, LIMITED);
    const bytes = credits.sharedOf("acme", TOTAL_BYTES);
    expect([bytes?.available(), credits.isUnknown("acme"), credits.slotsMaxOf("acme", FLOW)]).toEqual([0, true, Infinity]);
    credits.apply("acme", answer(credits.request("acme", [bytesDemand(50)], POOL).sequence, 0, { tokens: 40 }), false);
    bytes?.take(30);
    bytes?.take(-5);
    expect(bytes?.available()).toBe(15);
    credits.tick(4_000);
    expect([bytes?.available(), credits.isUnknown("acme")]).toEqual([0, true]);
    credits.request("acme", [bytesDemand(50)], POOL);
    credits.failed("acme");
    expect([bytes?.available(), credits.isUnknown("acme")]).toEqual([Infinity, false]);
  });

  it("are asked for where holders lack more than is here, four times a second at the most", () => {
    const credits = creditsOf(0, LIMITED);
    credits.apply("acme", answer(credits.request("acme", [bytesDemand(50)], POOL).sequence, 0, { tokens: 40 }), false);
    credits.tick(249);
    expect(dueOf(credits, wanting(0, 41))).toEqual([]);
    credits.tick(250);
    expect([dueOf(credits, wanting(0, 40)), dueOf(credits, wanting(0, 41))]).toEqual([[], ["acme"]]);
  });

  it("are asked for at once where the last answer brought all that was wanted: who comes next does not wait for a quarter second", () => {
    const credits = creditsOf(0, LIMITED);
    const flow = "acme/gold/bytes";
    credits.apply("acme", answer(credits.request("acme", [bytesDemand(0)], POOL).sequence, 0), false);
    expect([credits.isEmpty(flow), dueOf(credits, wanting(0, 1))]).toEqual([true, ["acme"]]);
    credits.apply("acme", answer(credits.request("acme", [bytesDemand(50)], POOL).sequence, 0), false);
    expect([credits.isEmpty(flow), dueOf(credits, wanting(0, 1))]).toEqual([false, []]);
  });

  it("are a shadow's only to be counted: nobody waits for them", () => {
    const credits = creditsOf(0, { ...LIMITED, mode: "shadow" });
    expect([credits.sharedOf("acme", TOTAL_BYTES), credits.isUnknown("acme")]).toEqual([undefined, false]);
  });
});

describe("a tenant's service time over all services", () => {
  const LIMITED: TotalConfig = { cpuSecondsPerSecond: 1, mode: "enforce" };

  it("is told by its cost, again where no answer came, and blocks as long as the quota says", () => {
    const credits = creditsOf(0, LIMITED);
    expect(dueOf(credits, wanting(0))).toEqual([]);
    credits.observe(measured({ busyMs: 400 }));
    expect(dueOf(credits, wanting(0))).toEqual(["acme"]);
    credits.request("acme", [], POOL);
    expect(credits.takeUse("acme")).toEqual({ arrivals: 1, bytes: 0, costMs: 800 });
    credits.failed("acme");
    credits.observe(measured({ busyMs: 100, bytes: 7 }));
    const { sequence } = credits.request("acme", [], POOL);
    expect(credits.takeUse("acme")).toEqual({ arrivals: 2, bytes: 7, costMs: 1_000 });
    credits.apply("acme", answer(sequence, 0, { blockedMs: 300 }), true);
    expect([credits.blockedForMs("acme"), credits.blockedForMs("globex")]).toEqual([300, 0]);
    credits.tick(300);
    expect([credits.blockedForMs("acme"), dueOf(credits, wanting(0))]).toEqual([0, []]);
  });

  it("is nobody's else: what others use is not told", () => {
    const credits = creditsOf(0, LIMITED);
    credits.observe(measured({ flow: "globex/gold", busyMs: 400 }));
    expect(dueOf(credits, wanting(0))).toEqual([]);
  });
});

describe("a tenant's service time over all services that is used up", () => {
  it.for([
    { mode: "enforce" as const, blockedMs: 1_000 },
    { mode: "shadow" as const, blockedMs: 0 },
  ])("of nothing allows nothing at any time, in $mode: $blockedMs", ({ mode, blockedMs }) => {
    const credits = creditsOf(0, { cpuSecondsPerSecond: 0, mode });
    expect(credits.blockedForMs("acme")).toBe(blockedMs);
    credits.apply("acme", answer(credits.request("acme", [], POOL).sequence, 0, { blockedMs }), true);
    credits.tick(60_000);
    expect(credits.blockedForMs("acme")).toBe(blockedMs);
  });

  const LIMITED: TotalConfig = { cpuSecondsPerSecond: 0.1, mode: "enforce" };

  it.for([
    { name: "gone", totals: {}, blockedMs: 0, due: [] },
    { name: "in shadow", totals: { acme: { ...LIMITED, mode: "shadow" as const } }, blockedMs: 0, due: ["acme"] },
    { name: "larger", totals: { acme: { ...LIMITED, cpuSecondsPerSecond: 10 } }, blockedMs: 0, due: ["acme"] },
    { name: "the same", totals: { acme: LIMITED }, blockedMs: 590_000, due: [] },
  ])("for minutes is asked for again where the limit is $name", ({ totals, blockedMs, due }) => {
    const credits = creditsOf(0, LIMITED);
    credits.apply("acme", answer(credits.request("acme", [], POOL).sequence, 0, { blockedMs: 600_000 }), true);
    credits.tick(10_000);
    credits.configure(configured(totals));
    expect(credits.blockedForMs("acme")).toBe(blockedMs);
    expect(dueOf(credits, wanting(0))).toEqual(due);
  });
});
