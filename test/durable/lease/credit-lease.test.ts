import { describe, expect, it } from "vitest";
import { CreditLease } from "#durable/lease/credit-lease.ts";
import type { FlowGrant, Renewal } from "#shared/protocol/lease.ts";

const demand = (more: Partial<{ want: number; passedOn: number; tokensWant: number }> = {}) => ({
  flow: "echo/gold",
  want: 10,
  passedOn: 0,
  tokensWant: 0,
  ...more,
});
const grant = (more: Partial<FlowGrant>): FlowGrant => ({ flow: "echo/gold", slots: 0, tokens: 0, isQueued: false, named: 0, ...more });
const answer = (sequence: number, more: Partial<FlowGrant>, lengthMs = 4_000): Renewal & { readonly ok: true } => ({
  ok: true,
  sequence,
  lengthMs,
  renewAfterMs: 2_000,
  flows: [grant(more)],
  lanes: [],
});

describe("credit", () => {
  it("may be passed on from its answer to its end, which is counted from the sending", () => {
    const lease = new CreditLease("echo", 1);
    const { sequence } = lease.request([demand()], 1_000);
    expect(lease.slots("echo/gold", 1_000)).toBe(0);
    expect(lease.apply(answer(sequence, { slots: 7 }), 1_500)).toBe(true);
    expect([lease.slots("echo/gold", 4_999), lease.slots("echo/gold", 5_000)]).toEqual([7, 0]);
  });

  it("is given up when it is said so, before anybody answers", () => {
    const lease = new CreditLease("echo", 1);
    lease.apply(answer(lease.request([demand()], 0).sequence, { slots: 7 }), 0);
    const [report] = lease.request([demand({ want: 2, passedOn: 4 })], 100).flows;
    expect(report).toMatchObject({ want: 2, running: 4, keep: 4 });
    expect(lease.slots("echo/gold", 100)).toBe(4);
  });

  it.for([
    { name: "of an older request", sequence: (newest: number) => newest - 1 },
    { name: "of no request", sequence: (newest: number) => newest + 1 },
  ])("comes by no answer $name", ({ sequence }) => {
    const lease = new CreditLease("echo", 1);
    lease.request([demand()], 0);
    expect(lease.apply(answer(sequence(lease.request([demand()], 10).sequence), { slots: 7 }), 20)).toBe(false);
    expect(lease.slots("echo/gold", 20)).toBe(0);
  });

  it("comes by an answer once, and by a refusal never", () => {
    const lease = new CreditLease("echo", 1);
    const { sequence } = lease.request([demand()], 0);
    expect(lease.apply({ ok: false, reason: "full", sequence, renewAfterMs: 1_000 }, 0)).toBe(false);
    expect(lease.apply(answer(sequence, { tokens: 5 }), 0)).toBe(true);
    expect(lease.apply(answer(sequence, { tokens: 5 }), 0)).toBe(false);
    expect(lease.tokens("echo/gold", 0)).toBe(5);
  });

  it("after a restart is asked for as one who lives by nothing, above every sequence of before, though the clock went back", () => {
    const before = new CreditLease("echo", 1);
    for (let renewal = 0; renewal < 100; renewal += 1) before.request([demand()], 1_000 + 10 * renewal);
    const last = before.request([demand()], 2_000);
    const after = new CreditLease("echo", 2).request([demand({ passedOn: 6 })], 500);
    expect(after.sequence).toBeGreaterThan(last.sequence);
    expect(after).toMatchObject({ appliedSequence: 0, flows: [{ running: 6, keep: 0 }] });
  });
});

describe("lanes", () => {
  const lanesOf = (sequence: number, slots: number): Renewal => ({
    ok: true,
    sequence,
    lengthMs: 4_000,
    renewAfterMs: 2_000,
    flows: [grant({ slots: 7 })],
    lanes: [{ lane: "e1", slots, named: 0 }],
  });

  it("are lent until the lease's end, and kept as far as flows are", () => {
    const lease = new CreditLease("weur", 1);
    lease.apply(lanesOf(lease.request([demand()], 0).sequence, 9), 0);
    expect([lease.lanes(3_999).get("e1"), lease.lanes(4_000).get("e1")]).toEqual([9, undefined]);
    const { lanes } = lease.request([demand({ want: 2, passedOn: 4 })], 100, [{ lane: "e1", passedOn: 1 }]);
    expect(lanes).toEqual([{ lane: "e1", want: 1, running: 1, keep: 4 }]);
    expect(lease.lanes(100).get("e1")).toBe(4);
  });

  it("with nothing in flows are given back but for what is out there", () => {
    const lease = new CreditLease("weur", 1);
    lease.apply(lanesOf(lease.request([demand()], 0).sequence, 9), 0);
    expect(lease.request([], 100).lanes).toMatchObject([{ keep: 0 }]);
    expect(lease.request([], 200, [{ lane: "e2", passedOn: 3 }]).lanes).toMatchObject([{ keep: 0 }, { lane: "e2", running: 3, keep: 0 }]);
  });

  it("of a lease that is over are not kept", () => {
    const lease = new CreditLease("weur", 1);
    lease.apply(lanesOf(lease.request([demand()], 0).sequence, 9), 0);
    expect(lease.request([demand()], 4_000, [{ lane: "e1", passedOn: 2 }]).lanes).toEqual([{ lane: "e1", want: 2, running: 2, keep: 0 }]);
  });
});

describe("tokens", () => {
  it("that were passed on are told as held, and come back as one's own", () => {
    const lease = new CreditLease("weur", 1);
    lease.apply(answer(lease.request([demand({ tokensWant: 20 })], 0).sequence, { tokens: 20 }), 0);
    lease.spend("echo/gold", 12);
    const told = lease.request([{ ...demand({ tokensWant: 15 }), tokensPassedOn: 12 }], 100).flows;
    expect(told).toMatchObject([{ tokensHeld: 15, tokensReturned: 5 }]);
    lease.spend("echo/gold", -4);
    expect(lease.tokens("echo/gold", 100)).toBe(7);
  });

  it("are spent, returned beyond the want, and lost with the lease", () => {
    const lease = new CreditLease("echo", 1);
    lease.apply(answer(lease.request([demand({ tokensWant: 20 })], 0).sequence, { tokens: 20 }), 0);
    lease.spend("echo/gold", 5);
    expect(lease.tokens("echo/gold", 0)).toBe(15);
    expect(lease.request([demand({ tokensWant: 10 })], 100).flows).toMatchObject([{ tokensHeld: 10, tokensReturned: 5 }]);
    expect(lease.request([demand({ tokensWant: 10 })], 9_000).flows).toMatchObject([{ tokensHeld: 0, tokensReturned: 0 }]);
  });
});
