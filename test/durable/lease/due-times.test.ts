import { describe, expect, it } from "vitest";
import { DueTimes } from "#durable/lease/due-times.ts";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

describe("names by their times", () => {
  it("come out soonest first, once, and not before", () => {
    const times = new DueTimes();
    for (const [name, atMs] of Object.entries({ late: 30, soon: 10, mid: 20 })) times.put(name, atMs);
    expect([times.nextMs, times.take(9), times.take(20), times.take(20), times.nextMs]).toEqual([10, [], ["soon", "mid"], [], 30]);
  });

  it("have the time that was said last, or none", () => {
    const times = new DueTimes();
    times.put("moved", 10);
    times.put("moved", 50);
    times.put("gone", 20);
    times.delete("gone");
    times.put("never", 5);
    times.put("never", Infinity);
    expect([times.nextMs, times.take(49), times.take(50)]).toEqual([50, [], ["moved"]]);
  });

  it("are as a list that is searched whole would have them, for 20 seeds", () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed);
      const [times, list] = [new DueTimes(), new Map<string, number>()];
      let nowMs = 0;
      for (let step = 0; step < 2_000; step += 1) {
        const name = `n${random.below(40)}`;
        const atMs = nowMs + random.below(100);
        if (random.below(4) > 0) {
          times.put(name, atMs);
          list.set(name, atMs);
        } else {
          times.delete(name);
          list.delete(name);
        }
        expect(times.nextMs, `seed ${seed}`).toBe(Math.min(Infinity, ...list.values()));
        if (random.below(8) > 0) continue;
        nowMs += random.below(30);
        const due = [...list].filter(([, at]) => at <= nowMs).map(([of]) => of);
        expect(times.take(nowMs).toSorted(), `seed ${seed}`).toEqual(due.toSorted());
        for (const of of due) list.delete(of);
      }
    }
  });
});

describe("what ends in a ledger by time alone", () => {
  const HOLDERS = 50;

  it("is looked at by itself: a lease's end counts nobody else anew", () => {
    const seen = new Set<string>();
    const policy: LedgerPolicy = {
      capacity: 1_000,
      lanes: new Map([["e", 1_000]]),
      classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
      flow: () => ({ className: "gold", weight: 1, slotsMax: 100, rate: null }),
      flowChanged: (flow) => seen.add(flow),
      requestDurationMsMax: 30_000,
      holdersMax: HOLDERS,
      flowsPerHolderMax: 2,
    };
    const ledger = new LeaseLedger(policy, 0);
    for (let number = 0; number < HOLDERS; number += 1) {
      const flow = { flow: `t${number}/gold`, want: 1, running: 0, keep: 0, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 };
      const lanes = [{ lane: "e", want: 1, running: 0, keep: 0 }];
      ledger.renew({ holder: `h${number}`, sequence: 1, appliedSequence: 0, flows: [flow], lanes, adopted: [] }, 10 * number);
    }
    seen.clear();
    const endsInMs = ledger.nextChangeInMs ?? 0;
    for (let atMs = 10 * HOLDERS; atMs < 10 * (HOLDERS - 1) + endsInMs; atMs += 500) ledger.tick(atMs);
    expect(seen.size).toBe(0);
    ledger.tick(10 * (HOLDERS - 1) + endsInMs);
    expect([...seen]).toEqual(["t0/gold"]);
  });
});
