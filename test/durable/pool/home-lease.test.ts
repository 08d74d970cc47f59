import { describe, expect, it } from "vitest";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { HomeLease } from "#durable/pool/home-lease.ts";
import { lentPolicyOf } from "#durable/pool/lent-policy.ts";
import { RegionalGate } from "#durable/pool/regional-gate.ts";
import type { FlowLeft, RenewAnswer } from "#shared/protocol/pool-rpc.ts";
import type { HandedSlot, RenewalRequest } from "#shared/protocol/lease.ts";

const FLOW = "acme/gold";
const START_MS = 1_000_000;
const LENDER = { holder: "enam", life: () => 1 };
const WHOLE: LedgerPolicy = {
  capacity: 40,
  lanes: new Map([["e1", 40]]),
  classes: new Map([["gold", { weight: 1, reserve: 20 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: 100, rate: { tokens: 1, periodMs: 1_000, burst: 64 } }),
  requestDurationMsMax: 1_000,
  holdersMax: 10,
  flowsPerHolderMax: 10,
};

const answerTo = (
  { sequence }: RenewalRequest,
  slots: number,
  { tokens = 0, left = [] }: { tokens?: number; left?: FlowLeft[] } = {},
): RenewAnswer => ({
  lease: {
    ok: true,
    sequence,
    lengthMs: 3_000,
    renewAfterMs: 1_500,
    flows: [{ flow: FLOW, slots, tokens, isQueued: false, named: 0 }],
    lanes: [{ lane: "e1", slots: slots + 2, named: 0 }],
  },
  table: null,
  sheds: [],
  left,
  isContended: false,
  configurationVersion: 1,
});

/** A regional pool that was lent so many. */
function lent(slots: number, more: Parameters<typeof answerTo>[2] = {}, wants = [{ flow: FLOW, want: 8, tokens: 0 }]) {
  const home = new HomeLease();
  home.tick(START_MS);
  const ledger = new LeaseLedger(lentPolicyOf(WHOLE, home), START_MS);
  home.apply(answerTo(home.request(ledger, wants, LENDER), slots, more), false);
  ledger.configure(lentPolicyOf(WHOLE, home), START_MS);
  return { home, ledger };
}

const acquire = (ledger: LeaseLedger, slotId: string, nowMs = START_MS) =>
  ledger.acquire({ slotId, owner: "h", flow: FLOW, lane: "e1", shardId: "s", lifeMs: 60_000, isDurable: false }, nowMs);

it("of sockets that go home each is looked at a few times, however many flows there are", () => {
  const [home, ledger] = [new HomeLease(), new LeaseLedger({ ...WHOLE, capacity: 1_000, lanes: new Map([["e1", 1_000]]) }, START_MS)];
  home.tick(START_MS);
  let looks = 0;
  const handed = Array.from({ length: 100 }, (_, index) => {
    const flow = `t${index}/gold`;
    ledger.acquire({ slotId: flow, owner: "edge", flow, lane: "e1", shardId: "s", lifeMs: 9_000, isDurable: true }, START_MS);
    const slot = { slotId: flow, owner: "shard", lane: "e1", shardId: "s", lifeMs: null };
    return Object.defineProperty(slot, "flow", { get: () => ((looks += 1), flow) }) as HandedSlot;
  });
  const { flows } = home.request(ledger, [], { ...LENDER, handed, fresh: new Set(handed.map(({ slotId }) => slotId)) });
  expect(flows).toEqual([]);
  expect(looks).toBe(2 * handed.length);
});

describe("what was lent", () => {
  it("is granted, and not one more", () => {
    const { ledger } = lent(3);
    expect(["a", "b", "c", "d"].map((slotId) => acquire(ledger, slotId) !== null)).toEqual([true, true, true, false]);
  });

  it("is granted to the lease's end, and then nothing", () => {
    const { home, ledger } = lent(3);
    home.tick(START_MS + 2_999);
    expect(acquire(ledger, "a", START_MS + 2_999)).not.toBeNull();
    home.tick(START_MS + 3_000);
    expect([home.isLive, acquire(ledger, "b", START_MS + 3_000)]).toEqual([false, null]);
  });

  it("is granted no longer, and renewed in time, where this pool's clock is set back", () => {
    const { home, ledger } = lent(3);
    for (const nowMs of [0, 1_500]) home.tick(nowMs);
    expect([home.isLive, home.isDue(ledger)]).toEqual([true, true]);
    home.tick(3_000);
    expect([home.isLive, home.slotsOf(FLOW)]).toEqual([false, 0]);
  });

  it("is a policy of the lent slots, with the part of a reserve and the length of its own lease", () => {
    const { home } = lent(10);
    const policy = lentPolicyOf(WHOLE, home);
    expect(policy).toMatchObject({ capacity: 10, leaseMs: 4_000 });
    expect([policy.lanes.get("e1"), policy.classes.get("gold")?.reserve, policy.flow(FLOW).slotsMax]).toEqual([12, 5, 10]);
  });

  it("of tokens is spent once, and comes back where it was not used", () => {
    const { ledger } = lent(3, { tokens: 2 });
    expect([ledger.takeToken(FLOW, START_MS), ledger.takeToken(FLOW, START_MS)]).toEqual([0, 0]);
    expect(ledger.takeToken(FLOW, START_MS)).toBeGreaterThan(0);
    ledger.giveBackToken(FLOW, START_MS);
    expect(ledger.takeToken(FLOW, START_MS)).toBe(0);
  });
});

describe("a regional pool asks its home", () => {
  it("first of all, and where a flow was never asked for", () => {
    expect(new HomeLease().isUnknown([])).toBe(true);
    const { home } = lent(3);
    expect(home.isUnknown([{ flow: FLOW, want: 1 }])).toBe(false);
    expect(home.isUnknown([{ flow: "beta/gold", want: 1 }])).toBe(true);
    expect(home.isUnknown([{ flow: "beta/gold", want: 0 }])).toBe(false);
  });

  it("for a token that it lacks, but of a rate that is short not before a while", () => {
    const { home } = lent(3, {}, [{ flow: FLOW, want: 1, tokens: 5 }]);
    const lacking = [{ flow: FLOW, want: 1, tokens: 1 }];
    expect(home.isUnknown(lacking)).toBe(false);
    home.tick(START_MS + 250);
    expect(home.isUnknown(lacking)).toBe(true);
  });

  it("when it is time, or more is wanted than it asked for", () => {
    const { home, ledger } = lent(9);
    expect(home.isDue(ledger)).toBe(false);
    ledger.setWaiting(FLOW, 30);
    expect(home.isDue(ledger)).toBe(true);
    ledger.setWaiting(FLOW, 0);
    home.tick(START_MS + 1_500);
    expect(home.isDue(ledger)).toBe(true);
  });

  it("for no more than a ledger counts to, however much its holders want together", () => {
    const { home, ledger } = lent(3);
    for (const holder of ["one", "two"]) {
      const report = { flow: FLOW, want: UNITS_MAX, running: 0, keep: 0, tokensWant: UNITS_MAX, tokensHeld: 0, tokensReturned: 0 };
      ledger.renew({ holder, sequence: 1, appliedSequence: 0, flows: [report], lanes: [], adopted: [] }, START_MS);
    }
    const [asked] = home.request(ledger, [{ flow: FLOW, want: 1, tokens: 1, tokensNow: UNITS_MAX + 1 }], LENDER).flows;
    expect(asked).toMatchObject({ want: UNITS_MAX, tokensWant: UNITS_MAX, tokensNow: UNITS_MAX });
    const atHome = new LeaseLedger({ ...WHOLE, lentDurationMsMax: 1_000 }, START_MS);
    expect(atHome.renew(home.request(ledger, [], LENDER), START_MS).ok).toBe(true);
  });

  it("not at each event where its home has no more", () => {
    const { home, ledger } = lent(1);
    ledger.setWaiting(FLOW, 30);
    expect(home.isDue(ledger)).toBe(false);
    home.tick(START_MS + 250);
    expect(home.isDue(ledger)).toBe(true);
  });

  it("a second after it did not answer, and holds nobody up meanwhile", () => {
    const { home, ledger } = lent(3);
    home.tick(START_MS + 2_000);
    home.failed();
    home.tick(START_MS + 2_999);
    expect([home.isUnknown([{ flow: "beta/gold", want: 1 }]), home.isDue(ledger)]).toEqual([false, false]);
    home.tick(START_MS + 3_000);
    expect(home.isDue(ledger)).toBe(true);
  });

  it("for what its isolates want and who waits, with what is out, and for how many", () => {
    const { home, ledger } = lent(3);
    acquire(ledger, "a");
    ledger.setWaiting(FLOW, 14);
    const request = home.request(ledger, [], LENDER);
    expect(request).toMatchObject({
      holder: "enam",
      lentTo: 1,
      flows: [{ flow: FLOW, want: 16, running: 1 }],
      lanes: [{ lane: "e1", running: 1 }],
    });
  });
});

describe("a regional pool's gate", () => {
  const leftOf = (slots: number | null, blockedMs = 0): FlowLeft => ({ flow: FLOW, slots, tokens: null, bytes: null, blockedMs });

  it("calls a want of slots the tenant's own only where its home says so", () => {
    const [short, own] = [lent(0, { left: [leftOf(7)] }), lent(0, { left: [leftOf(0)] })];
    expect(new RegionalGate(short.home).waitedForQuota(FLOW, short.ledger)).toBeNull();
    expect(new RegionalGate(own.home).waitedForQuota(FLOW, own.ledger)).toMatchObject({ kind: "slots" });
  });

  it("says what is left at home and here together", () => {
    const { home, ledger } = lent(3, { left: [leftOf(7)] });
    acquire(ledger, "a");
    expect(new RegionalGate(home).leftOf([FLOW, "beta/gold"], { ledger, nowMs: START_MS })).toMatchObject([{ flow: FLOW, slots: 9 }]);
  });

  it("refuses a flow whose service time is used up, as long as its home said", () => {
    const { home, ledger } = lent(3, { left: [leftOf(7, 800)] });
    const gate = new RegionalGate(home);
    const standing = { flow: FLOW, waiting: 0, queueMs: 0, isOpen: true };
    expect(gate.enter({ slotId: "a" }, standing, { ledger, nowMs: START_MS })).toMatchObject({
      outcome: "rejected-quota",
      retryAfterMs: 800,
    });
    home.tick(START_MS + 800);
    expect(gate.enter({ slotId: "a" }, standing, { ledger, nowMs: START_MS + 800 })).toBeNull();
  });
});

describe("whether to ask", () => {
  it("is looked at where something changed, however many flows there are", () => {
    const { home, ledger } = lent(3, {}, [
      { flow: FLOW, want: 8, tokens: 0 },
      { flow: "globex/gold", want: 1, tokens: 0 },
    ]);
    const seen: string[] = [];
    const watched = {
      wantOfFlow: (flow: string) => {
        seen.push(flow);
        return ledger.wantOfFlow(flow);
      },
    };
    home.tick(START_MS + 300);
    expect([home.isDue(watched), seen.splice(0)]).toEqual([false, []]);
    acquire(ledger, "a", START_MS + 300);
    expect([home.isDue(watched), home.isDue(watched), seen]).toEqual([false, false, [FLOW]]);
    ledger.setWaiting(FLOW, 9);
    expect([home.isDue(watched), home.isDue(watched), seen]).toEqual([true, true, [FLOW, FLOW]]);
  });
});
