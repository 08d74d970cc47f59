import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlowTotals } from "#durable/lease/flow-totals.ts";
import { grantLanes, type LaneClaim } from "#durable/lease/grant-lanes.ts";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { divideFlows } from "#test/support/whole-division.ts";

const CLAIM = fc.record({
  want: fc.nat(20),
  running: fc.nat(5),
  has: fc.nat(20),
  free: fc.nat(20),
  capacity: fc.integer({ min: 1, max: 60 }),
});

describe("a holder's lanes", () => {
  it("never grow by more than is free in them, and hold its slots wherever they fit", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.array(CLAIM, { minLength: 1, maxLength: 6 }), (slots, claims: LaneClaim[]) => {
        const granted = grantLanes(slots, claims);
        const room = claims.reduce((sum, { has, free }) => sum + Math.min(has + free, slots), 0);
        for (const [index, { has, free }] of claims.entries()) expect(granted[index]).toBeLessThanOrEqual(has + free);
        expect(granted.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(Math.min(slots, room));
      }),
    );
  });

  it("stay where they are while they suffice: a slot that moves would count twice", () => {
    const lane = { running: 0, capacity: 20 };
    expect(
      grantLanes(4, [
        { ...lane, want: 0, has: 4, free: 0 },
        { ...lane, want: 4, has: 0, free: 1 },
      ]),
    ).toEqual([4, 0]);
  });
});

const POLICY: LedgerPolicy = {
  capacity: 20,
  lanes: new Map([
    ["e1", 5],
    ["e2", 15],
  ]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: 100, rate: null }),
  requestDurationMsMax: 30_000,
  holdersMax: 9,
  flowsPerHolderMax: 9,
};

describe("the ledger", () => {
  it("never promises an endpoint's slots twice, whichever endpoint the holders want", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const leases = ["a", "b", "c"].map((holder) => new HeldLease(holder));
    for (let round = 1; round <= 5; round += 1) {
      for (const lease of leases) {
        const request = lease.request(
          { flows: [{ flow: "t/gold", want: 10, tokensWant: 0 }], lanes: [{ lane: "e1", want: 10 }] },
          round * 400,
        );
        lease.apply(ledger.renew(request, round * 400), round * 400);
        expect(ledger.slotsOfLane("e1")).toBeLessThanOrEqual(5);
        expect(ledger.slotsOfLane("e2")).toBeLessThanOrEqual(15);
      }
    }
    const admittedBy = (lease: HeldLease): number => {
      let count = 0;
      while (lease.admit("t/gold", "e1", { nowMs: 2_000 })) count += 1;
      return count;
    };
    expect(leases.reduce((sum, lease) => sum + admittedBy(lease), 0)).toBe(5);
  });

  it("takes a lane that shrank back from all its holders, though their slots would fit elsewhere", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const leases = ["a", "b"].map((holder) => new HeldLease(holder));
    const renewAll = (nowMs: number): void => {
      for (const lease of leases) {
        const request = lease.request({ flows: [{ flow: "t/gold", want: 4, tokensWant: 0 }], lanes: [{ lane: "e2", want: 4 }] }, nowMs);
        lease.apply(ledger.renew(request, nowMs), nowMs);
      }
    };
    for (let round = 1; round <= 5; round += 1) renewAll(round * 400);
    expect(ledger.slotsOfLane("e2")).toBeGreaterThanOrEqual(8);
    ledger.configure({ ...POLICY, capacity: 8, lanes: new Map([...POLICY.lanes, ["e2", 3]]) }, 2_000);
    for (let round = 1; round <= 4; round += 1) renewAll(2_000 + round * 400);
    expect(ledger.slotsOfLane("e2")).toBeLessThanOrEqual(3);
    // Nothing runs, so what e1 has is used.
    expect(ledger.slotsOfLane("e1")).toBe(5);
  });

  it("counts after a restart at least what was out by name, and lets a holder keep what it runs", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const lease = new HeldLease("a");
    const input = { owner: "a", flow: "t/gold", lane: "e1", shardId: "s", lifeMs: 3_000, isDurable: false };
    for (const slotId of ["1", "2", "3"]) {
      expect(ledger.acquire({ ...input, slotId }, 0)).not.toBeNull();
      lease.take(slotId, { flow: "t/gold", lane: "e1", endsAtMs: 2_000, clockEpoch: lease.clockEpoch(0) }, 0);
    }
    const restarted = LeaseLedger.fromRows(POLICY, ledger.toRows(), 100);
    expect(restarted.slotsOfLane("e1")).toBeGreaterThanOrEqual(3);
    const request = lease.request({ flows: [{ flow: "t/gold", want: 3, tokensWant: 0 }], lanes: [{ lane: "e1", want: 3 }] }, 200);
    const answer = restarted.renew(request, 200);
    expect(answer.ok && answer.flows[0]?.named).toBe(3);
    // The same names said again are no other requests: nobody else's slot is counted away for them.
    const again = lease.request({ flows: [{ flow: "t/gold", want: 3, tokensWant: 0 }], lanes: [{ lane: "e1", want: 3 }] }, 300);
    const before = restarted.named.length;
    restarted.renew(again, 300);
    expect(restarted.named.length).toBe(before);
  });

  it("takes a named request over into its holder's lease even where the capacity has shrunk below what is out", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const lease = new HeldLease("a");
    for (let count = 0; count < 5; count += 1) {
      const slotId = String(count);
      ledger.acquire({ slotId, owner: "a", flow: "t/gold", lane: "e1", shardId: "s", lifeMs: 3_000, isDurable: false }, 0);
      lease.take(slotId, { flow: "t/gold", lane: "e1", endsAtMs: 2_000, clockEpoch: lease.clockEpoch(0) }, 0);
    }
    ledger.configure({ ...POLICY, capacity: 2, lanes: new Map([["e1", 2]]) }, 100);
    const request = lease.request({ flows: [{ flow: "t/gold", want: 5, tokensWant: 0 }], lanes: [{ lane: "e1", want: 5 }] }, 200);
    const answer = ledger.renew(request, 200);
    expect(answer.ok && [answer.flows[0]?.named, answer.lanes[0]?.named]).toEqual([5, 5]);
    expect(ledger.takeCounts().overshot).toBe(0);
  });
});

describe("shares that are kept up to date", () => {
  const flowNames = ["a/gold", "b/gold", "a/bronze", "b/bronze", "c/bronze"];
  const policy = {
    capacity: 15,
    classes: new Map([
      ["gold", { weight: 3, reserve: 2 }],
      ["bronze", { weight: 1, reserve: 6 }],
    ]),
    flow: (flow: string) => ({ className: flow.split("/")[1] ?? "", weight: flow.startsWith("a") ? 2 : 1, slotsMax: 9, rate: null }),
  };

  it("are those of the whole division, after any changes", () => {
    const change = fc.record({ source: fc.nat(3), flow: fc.nat(4), want: fc.nat(12), pinned: fc.nat(3), isGone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const totals = new FlowTotals(policy);
        const wants = new Map<string, { want: number; pinned: number }>();
        for (const { source, flow, want, pinned, isGone } of changes) {
          const name = flowNames[flow] ?? "";
          // One flow per source keeps the oracle plain.
          const key = `${source}/${name}`;
          const contribution = { flow: name, slots: 0, running: 0, want: Math.max(want, pinned), pinned, tokensWant: 0, tokensOut: 0 };
          totals.replace(key, isGone ? [] : [contribution]);
          if (isGone) wants.delete(key);
          else wants.set(key, contribution);
          const claims = flowNames.map((of) => {
            const own = [...wants].filter(([by]) => by.endsWith(`/${of}`)).map(([, one]) => one);
            const pinnedSum = own.reduce((sum, one) => sum + one.pinned, 0);
            const wantSum = own.reduce((sum, one) => sum + one.want, 0);
            const { className, weight, slotsMax } = policy.flow(of);
            return { className, weight, want: Math.max(Math.min(wantSum, slotsMax), pinnedSum), pinned: pinnedSum };
          });
          const order = [...flowNames.keys()].toSorted((a, b) => ((claims[a]?.className ?? "") < (claims[b]?.className ?? "") ? -1 : 1));
          const whole = divideFlows(
            policy.capacity,
            policy.classes,
            order.map((index) => claims[index]).flatMap((claim) => claim ?? []),
          );
          for (const [place, index] of order.entries()) expect(totals.shareOf(flowNames[index] ?? "")).toBe(whole[place]);
        }
      }),
    );
  });
});
