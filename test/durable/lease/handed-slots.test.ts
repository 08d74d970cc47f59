import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { HandedSlot, Renewal, RenewalRequest } from "#shared/protocol/lease.ts";

const FLOW = "acme/gold";
const CAPACITY = 4;
const POLICY: LedgerPolicy = {
  capacity: CAPACITY,
  lanes: new Map([["e", CAPACITY]]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: CAPACITY, rate: null }),
  requestDurationMsMax: 5_000,
  lentDurationMsMax: 10_000,
  holdersMax: 3,
  flowsPerHolderMax: 2,
};

const slotOf = (slotId: string, lifeMs: number | null = null): HandedSlot => ({
  slotId,
  owner: "shard",
  flow: FLOW,
  lane: "e",
  shardId: "s-1",
  device: "d",
  lifeMs,
});

interface Lent {
  readonly out: number;
  readonly want?: number;
  readonly handed?: readonly HandedSlot[];
  readonly applied?: number;
  readonly handsMore?: true;
}

function requestOf(sequence: number, { out, want = out, handed, applied = sequence - 1, handsMore }: Lent): RenewalRequest {
  const flows = [{ flow: FLOW, want, running: out, keep: want, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 }];
  const lanes = [{ lane: "e", want: out, running: out, keep: want }];
  const request = { holder: "apac", sequence, appliedSequence: applied, lentTo: 1, flows, lanes, adopted: [] };
  return handed === undefined ? request : { ...request, handed, ...(handsMore && { handsMore }) };
}

const handedBy = (answer: Renewal): readonly string[] | undefined => (answer.ok ? answer.handed : undefined);

/** All of it is lent to one region. */
function lentWhole(): LeaseLedger {
  const ledger = new LeaseLedger(POLICY, 0);
  ledger.renew(requestOf(1, { out: 0, want: CAPACITY }), 0);
  expect(ledger.slotsOut).toBe(CAPACITY);
  return ledger;
}

describe("a slot that a regional pool hands over", () => {
  it("is the ledger's own in the place of one of the region's, and outlives the region", () => {
    const ledger = lentWhole();
    expect(handedBy(ledger.renew(requestOf(2, { out: 3, handed: [slotOf("a")] }), 100))).toEqual(["a"]);
    expect([ledger.slotsOut, ledger.slotsOfHolder("apac", FLOW), ledger.slotsOfLane("e")]).toEqual([4, 3, 4]);
    for (let atMs = 100; atMs < 60_000; atMs += 1_000) ledger.tick(atMs);
    expect([ledger.slotsOut, ledger.slot("a")?.owner, ledger.slot("a")?.expiresAtMs]).toEqual([1, "shard", null]);
    expect(LeaseLedger.fromRows(POLICY, ledger.toRows(), 60_000).slot("a")?.device).toBe("d");
  });

  it("is taken once, also where it has ended before the lost answer is asked for again", () => {
    const ledger = lentWhole();
    ledger.renew(requestOf(2, { out: 3, handed: [slotOf("a")] }), 100);
    expect(ledger.release("a", "shard")).toBe(true);
    const restarted = LeaseLedger.fromRows(POLICY, ledger.toRows(), 200);
    for (const again of [ledger, restarted]) {
      expect(handedBy(again.renew(requestOf(3, { out: 3, handed: [slotOf("a")], applied: 1 }), 200))).toEqual(["a"]);
      expect(again.slot("a")).toBeUndefined();
      expect(again.slotsOut).toBe(3);
    }
  });

  it("is taken once, also where its region was restarted with more than one request names, and it has ended meanwhile", () => {
    const again = (handsMore?: true): readonly unknown[] => {
      const ledger = lentWhole();
      ledger.renew(requestOf(2, { out: 3, handed: [slotOf("a")] }), 100);
      ledger.release("a", "shard");
      const first = { out: 3, handed: [slotOf("b", 2_000)], applied: 0, ...(handsMore && { handsMore }) };
      expect(handedBy(ledger.renew(requestOf(10, first), 200))).toContain("b");
      ledger.renew(requestOf(11, { out: 2, handed: [slotOf("a", 2_000)] }), 200);
      const named = [ledger.slot("a")?.owner];
      // Nobody asks for it any more: nothing is remembered of it.
      ledger.renew(requestOf(12, { out: 2, handed: [slotOf("c", 2_000)] }), 200);
      expect(handedBy(ledger.renew(requestOf(12, { out: 2 }), 200))).toEqual(["c"]);
      return named;
    };
    expect(again(true)).toEqual([undefined]);
    // What it was before: one too many, until its end.
    expect(again()).toEqual(["shard"]);
  });

  it("is not said to be taken where another has one by that name", () => {
    const ledger = lentWhole();
    expect(handedBy(ledger.renew(requestOf(2, { out: 3, handed: [{ ...slotOf("a", 2_000), owner: "edge" }] }), 0))).toEqual(["a"]);
    expect(handedBy(ledger.renew(requestOf(3, { out: 2, handed: [slotOf("a")] }), 0))).toEqual([]);
    expect(ledger.slot("a")).toMatchObject({ owner: "edge", expiresAtMs: 2_000 });
  });

  it("keeps its end where it has one", () => {
    const ledger = lentWhole();
    ledger.renew(requestOf(2, { out: 3, handed: [slotOf("a", 2_000)] }), 0);
    for (let atMs = 0; atMs <= 2_000; atMs += 500) ledger.tick(atMs);
    expect(ledger.slot("a")).toBeUndefined();
  });

  it("is nobody's where nothing is counted for the region, or it may not be taken", () => {
    const ledger = lentWhole();
    const all = ["a", "b", "c", "d", "e"].map((slotId) => slotOf(slotId));
    expect(handedBy(ledger.renew(requestOf(2, { out: 0, handed: all }), 0, ({ slotId }) => slotId !== "b"))).toEqual(["a", "c", "d", "e"]);
    expect(ledger.slotsOut).toBe(CAPACITY);
    expect(handedBy(ledger.renew(requestOf(3, { out: 0, handed: [slotOf("f")] }), 0))).toEqual([]);
    expect(handedBy(new LeaseLedger(POLICY, 0).renew(requestOf(1, { out: 0, handed: [slotOf("a")] }), 0))).toEqual([]);
  });
});
