// The holder's side, each test after a hole that the simulation (test/simulation/lease.test.ts) once found in it.
import { describe, expect, it } from "vitest";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";

const FLOW = "acme/gold";
const LANE = "https://e.example";

function ask(
  lease: HeldLease,
  nowMs: number,
  { want = 10, keepsNames = false }: { want?: number; keepsNames?: boolean } = {},
): RenewalRequest {
  return lease.request({ flows: [{ flow: FLOW, want, tokensWant: 0, keepsNames }], lanes: [{ lane: LANE, want }] }, nowMs);
}

function answerTo({ sequence, flows }: RenewalRequest, slots: number, lengthMs = 1_000): Renewal {
  const named = flows[0]?.running ?? 0;
  return {
    ok: true,
    sequence,
    lengthMs,
    renewAfterMs: lengthMs / 2,
    flows: [{ flow: FLOW, slots, tokens: 0, isQueued: false, named }],
    lanes: [{ lane: LANE, slots, named }],
  };
}

/** A lease with so many slots, so many of them used. */
function leaseOf(slots: number, used: number, lengthMs = 1_000): HeldLease {
  const lease = new HeldLease("h");
  lease.apply(answerTo(ask(lease, 0), slots, lengthMs), 0);
  for (let count = 0; count < used; count += 1) lease.admit(FLOW, LANE, { nowMs: 0 });
  return lease;
}

/** Ends what is to end, as an isolate does, and counts it. */
function cut(lease: HeldLease, nowMs: number): number {
  let count = 0;
  for (; lease.isExcess(FLOW, LANE, nowMs); count += 1) lease.end(FLOW, LANE);
  return count;
}

describe("a holder", () => {
  it("lives by the answer to its newest request alone", () => {
    const lease = leaseOf(2, 0);
    const older = ask(lease, 100);
    const newest = ask(lease, 200);
    expect(lease.apply(answerTo(older, 9), 300)).toBe(false);
    expect(lease.slots(FLOW, 300)).toBe(2);
    expect(lease.apply(answerTo(newest, 5), 300)).toBe(true);
    expect(lease.slots(FLOW, 300)).toBe(5);
  });

  it("admits nothing after its lease, counted from the sending of the request", () => {
    const lease = new HeldLease("h");
    const request = ask(lease, 0);
    lease.apply(answerTo(request, 3), 900);
    expect(lease.admit(FLOW, LANE, { nowMs: 999 })).toBe(true);
    expect(lease.admit(FLOW, LANE, { nowMs: 1_000 })).toBe(false);
  });

  it("counts as named the least that it reported since the last answer: any of these may be the last that was recorded", () => {
    const lease = leaseOf(3, 3);
    lease.apply(answerTo(ask(lease, 100), 3), 100);
    // One ends, a renewal says so and is lost; another begins; a second renewal is lost, too.
    lease.end(FLOW, LANE);
    ask(lease, 200);
    expect(lease.admit(FLOW, LANE, { nowMs: 300 })).toBe(true);
    ask(lease, 400);
    expect(cut(lease, 1_099)).toBe(0);
    expect(cut(lease, 1_100)).toBe(1);
  });

  it("gives up at once what it offers to give back, whatever becomes of the request", () => {
    const lease = leaseOf(5, 1);
    ask(lease, 100, { want: 2 });
    expect(lease.slots(FLOW, 100)).toBe(2);
  });

  it("lets the lease before, though it ends later than the present one, cover no more than the newest request names", () => {
    const lease = leaseOf(2, 0, 7_000);
    lease.apply(answerTo(ask(lease, 100), 2, 1_000), 100);
    // This request makes the ledger forget the first lease.
    ask(lease, 500);
    expect(lease.admit(FLOW, LANE, { nowMs: 600 })).toBe(true);
    expect(cut(lease, 1_100)).toBe(1);
  });

  it("has no lease, and no slot by name, after its clock went back", () => {
    const lease = leaseOf(5, 0);
    lease.take("s", { flow: FLOW, lane: LANE, endsAtMs: 52_000, clockEpoch: lease.clockEpoch(50_000) }, 50_000);
    expect(cut(lease, 50_001)).toBe(0);
    expect(cut(lease, 1_000)).toBe(1);
    expect(lease.admit(FLOW, LANE, { nowMs: 1_001 })).toBe(false);
  });

  it("takes a clock that is set right by less than a tenth of a second for one that stands still", () => {
    const lease = leaseOf(5, 0);
    expect(lease.admit(FLOW, LANE, { nowMs: 500 })).toBe(true);
    expect(lease.admit(FLOW, LANE, { nowMs: 450 })).toBe(true);
  });
});

describe("a slot that the pool granted by name", () => {
  const taken = (
    lease: HeldLease,
    slotId: string,
    { nowMs = 100, endsAtMs = nowMs + 2_000 }: { nowMs?: number; endsAtMs?: number } = {},
  ): boolean => lease.take(slotId, { flow: FLOW, lane: LANE, endsAtMs, clockEpoch: lease.clockEpoch(nowMs) }, nowMs);

  it("is of no use once its end is past, nor when it was asked for before the clock went back", () => {
    const lease = leaseOf(0, 0);
    expect(taken(lease, "late", { nowMs: 3_000, endsAtMs: 2_999 })).toBe(false);
    const clockEpoch = lease.clockEpoch(10_000);
    expect(lease.take("old", { flow: FLOW, lane: LANE, endsAtMs: 99_000, clockEpoch }, 1_000)).toBe(false);
  });

  it("leaves the lease's own slots to others, and makes no room once a renewal counts it among those that run", () => {
    const lease = leaseOf(2, 1);
    expect(taken(lease, "s")).toBe(true);
    // The ledger counts 2 leased and 1 by name, or max(2 leased, 2 running): either way one of the lease's may begin …
    ask(lease, 200);
    expect(lease.running(FLOW)).toBe(2);
    // … but not here: of the three that would run, the second way counts two.
    expect(lease.admit(FLOW, LANE, { nowMs: 300 })).toBe(false);
  });

  it("covers its request until its own end while no renewal names it, and is to be returned when that ends", () => {
    const lease = leaseOf(0, 0);
    taken(lease, "s");
    expect(cut(lease, 2_099)).toBe(0);
    expect(cut(lease, 2_100)).toBe(1);
    const other = leaseOf(0, 0);
    taken(other, "s");
    expect(other.end(FLOW, LANE, "s")).toBe(true);
  });

  it("keeps its name while others wait, until it would end before the next renewal", () => {
    const lease = leaseOf(0, 0);
    taken(lease, "s");
    const early = ask(lease, 200, { want: 0, keepsNames: true });
    expect(early.adopted).toEqual([]);
    expect(early.flows[0]?.running ?? 0).toBe(0);
    const late = ask(lease, 1_000, { want: 0, keepsNames: true });
    expect(late.adopted).toEqual([{ slotId: "s", flow: FLOW, lane: LANE }]);
    expect(late.flows[0]?.running).toBe(1);
  });

  it("is no longer to be returned once an answer has named its request", () => {
    const lease = leaseOf(0, 0);
    taken(lease, "s");
    const request = ask(lease, 200);
    lease.apply(answerTo(request, 1), 250);
    expect(lease.end(FLOW, LANE, "s")).toBe(false);
  });

  it("is cut where the ledger counted fewer of those that run than were reported", () => {
    const lease = leaseOf(0, 0);
    taken(lease, "a");
    taken(lease, "b");
    const request = ask(lease, 200);
    const answer = answerTo(request, 0);
    if (!answer.ok) throw new Error("the answer grants");
    lease.apply({ ...answer, flows: [{ flow: FLOW, slots: 0, tokens: 0, isQueued: true, named: 1 }] }, 250);
    expect(cut(lease, 251)).toBe(1);
  });
});

describe("a token that is put aside", () => {
  const FAR_MS = 60_000;
  const tokensAsked = (lease: HeldLease, nowMs: number, tokensWant: number): RenewalRequest =>
    lease.request({ flows: [{ flow: FLOW, want: 1, tokensWant }], lanes: [{ lane: LANE, want: 1 }] }, nowMs);

  /** A lease of a second with one slot. */
  function leaseWith(tokens: number, lease = new HeldLease("h"), nowMs = 0): HeldLease {
    const answer = answerTo(tokensAsked(lease, nowMs, tokens), 1);
    if (answer.ok) lease.apply({ ...answer, flows: answer.flows.map((flow) => ({ ...flow, tokens })) }, nowMs);
    return lease;
  }

  it("is nobody else's, until its request has a slot or is refused one", () => {
    const lease = leaseWith(2);
    expect(lease.putAside("a", FLOW, { untilMs: FAR_MS, nowMs: 0 })).toBe(true);
    expect(lease.putAside("a", FLOW, { untilMs: FAR_MS, nowMs: 0 })).toBe(false);
    expect(lease.putAside("b", FLOW, { untilMs: FAR_MS, nowMs: 0 })).toBe(true);
    expect(lease.putAside("c", FLOW, { untilMs: FAR_MS, nowMs: 0 })).toBe(false);
    expect(lease.tokens(FLOW, 0)).toBe(0);
    expect(lease.admit(FLOW, LANE, { nowMs: 0, tokens: 1 })).toBe(false);
    expect(lease.spend(FLOW, 1, 0)).toBe(0);
    expect([lease.aside.take("a"), lease.aside.take("a")]).toEqual([true, false]);
    lease.aside.giveBack("b");
    lease.aside.giveBack("b");
    expect(lease.tokens(FLOW, 0)).toBe(1);
    expect(lease.admit(FLOW, LANE, { nowMs: 0, tokens: 1 })).toBe(true);
    expect(lease.hasTokens).toBe(false);
  });

  it("is kept, and said to be, where no more are wanted", () => {
    const lease = leaseWith(5);
    lease.putAside("a", FLOW, { untilMs: FAR_MS, nowMs: 0 });
    expect(tokensAsked(lease, 100, 0).flows).toMatchObject([{ tokensHeld: 1, tokensReturned: 4 }]);
    expect(lease.aside.take("a")).toBe(true);
    expect(tokensAsked(lease, 200, 0).flows).toMatchObject([{ tokensHeld: 0, tokensReturned: 0 }]);
  });

  it("ends with its lease, and takes none of the next", () => {
    const lease = leaseWith(2);
    lease.putAside("a", FLOW, { untilMs: FAR_MS, nowMs: 0 });
    leaseWith(3, lease, 1_500);
    expect(lease.aside.take("a")).toBe(false);
    expect(lease.tokens(FLOW, 1_500)).toBe(3);
  });

  it("is free again with the first renewal after its request can have been answered", () => {
    const lease = leaseWith(1);
    lease.putAside("a", FLOW, { untilMs: 300, nowMs: 0 });
    tokensAsked(lease, 300, 1);
    expect(lease.tokens(FLOW, 300)).toBe(0);
    tokensAsked(lease, 301, 1);
    expect(lease.tokens(FLOW, 301)).toBe(1);
  });
});
