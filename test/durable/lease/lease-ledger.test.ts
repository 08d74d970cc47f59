import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { GAP_MS_MAX, LEASE_MS_MAX, LEASE_MS_MIN, leaseLengthMs } from "#durable/lease/lease-pace.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";

const POLICY: LedgerPolicy = {
  capacity: 10,
  lanes: new Map([["e", 10]]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: 100, rate: { tokens: 10, periodMs: 1_000, burst: 40 } }),
  requestDurationMsMax: 30_000,
  holdersMax: 3,
  flowsPerHolderMax: 2,
};

const SOCKET = { flow: "acme/gold", lane: "e", shardId: "s-1", lifeMs: null, isDurable: true };

function requestOf(
  holder: string,
  sequence: number,
  more: { want?: number; running?: number; keep?: number; applied?: number } = {},
): RenewalRequest {
  const { want = 0, running = 0, keep = want, applied = sequence - 1 } = more;
  const flows = [{ flow: "acme/gold", want, running, keep, tokensWant: want, tokensHeld: 0, tokensReturned: 0 }];
  const lanes = [{ lane: "e", want, running, keep }];
  return { holder, sequence, appliedSequence: applied, flows, lanes, adopted: [] };
}

function lengthOf(used: number): number {
  return leaseLengthMs({ used, free: 50, policy: { capacity: 100 } });
}

function slotsIn(answer: ReturnType<LeaseLedger["renew"]>): number | string {
  return answer.ok ? (answer.flows[0]?.slots ?? 0) : answer.reason;
}

/** As an alarm does while anything is out. */
function pass(ledger: LeaseLedger, fromMs: number, toMs: number): void {
  for (let atMs = fromMs; atMs <= toMs; atMs += GAP_MS_MAX) ledger.tick(atMs);
  ledger.tick(toMs);
}

describe("a renewal", () => {
  it("grants what is wanted, as far as half of what is free goes: the next one finds some, and the first has the rest soon", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const first = ledger.renew(requestOf("a", 1, { want: 7 }), 0);
    expect([slotsIn(first), first.renewAfterMs]).toEqual([5, 250]);
    expect(slotsIn(ledger.renew(requestOf("b", 1, { want: 2 }), 0))).toBe(2);
    expect(slotsIn(ledger.renew(requestOf("a", 2, { want: 7, keep: 5 }), 250))).toBe(7);
  });

  it("names its holder until late messages must have come, where it named nothing as running; else as long as that may run", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("idle", 1), 0);
    ledger.renew(requestOf("busy", 1, { want: 1 }), 0);
    ledger.renew(requestOf("busy", 2, { want: 1, running: 1 }), 0);
    const names = (): string[] => ledger.toRows().holders.map(({ holder }) => holder);
    pass(ledger, 0, LEASE_MS_MAX + 14_000);
    expect(names()).toEqual(["idle", "busy"]);
    pass(ledger, LEASE_MS_MAX + 14_000, LEASE_MS_MAX + GAP_MS_MAX + 15_000);
    expect(names()).toEqual(["busy"]);
    expect(ledger.slotsOut).toBe(1);
    // A late message of a holder that is forgotten is a new one's: nothing lives by its answer.
    expect(ledger.renew(requestOf("idle", 3, { want: 1, applied: 1 }), LEASE_MS_MAX + GAP_MS_MAX + 15_000)).toMatchObject({ ok: true });
  });

  it("is asked for later each time, where the holder gets more each time and never all", () => {
    const ledger = new LeaseLedger({ ...POLICY, capacity: 1_000, lanes: new Map([...POLICY.lanes].map(([lane]) => [lane, 1_000])) }, 0);
    let [atMs, keep] = [0, 0];
    const afterMs = [1, 2].map((sequence) => {
      const answer = ledger.renew(requestOf("a", sequence, { want: 950, keep }), atMs);
      keep = Number(slotsIn(answer));
      atMs += answer.renewAfterMs;
      return answer.renewAfterMs;
    });
    expect(afterMs).toEqual([250, 500]);
  });

  it("takes back what is lent once the holder lives by the smaller answer", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    for (const [sequence, atMs] of [1, 2, 3, 4, 5].entries()) ledger.renew(requestOf("a", sequence + 1, { want: 10 }), atMs);
    expect(ledger.slotsFree).toBe(0);
    expect(slotsIn(ledger.renew(requestOf("b", 1, { want: 10 }), 10))).toBe(0);
    expect(slotsIn(ledger.renew(requestOf("a", 6, { want: 10 }), 500))).toBe(5);
    expect(ledger.slotsFree).toBe(0);
    ledger.renew(requestOf("a", 7, { want: 10, keep: 5 }), 900);
    expect(slotsIn(ledger.renew(requestOf("b", 2, { want: 10 }), 900))).toBe(3);
    expect(slotsIn(ledger.renew(requestOf("b", 3, { want: 10, keep: 3 }), 950))).toBe(4);
  });

  it("said twice is answered alike and changes nothing; an older one is refused", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1, { want: 4 }), 0);
    const answer = ledger.renew(requestOf("a", 2, { want: 6 }), 10);
    const rows = ledger.toRows();
    expect(ledger.renew(requestOf("a", 2, { want: 6 }), 20)).toEqual(answer);
    expect(slotsIn(ledger.renew(requestOf("a", 1, { want: 4 }), 20))).toBe("stale");
    expect({ ...ledger.toRows() }).toEqual(rows);
  });

  it("by a lease of nobody's is refused, and so is one holder or flow too many", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1), 0);
    expect(slotsIn(ledger.renew(requestOf("a", 9, { applied: 5 }), 0))).toBe("unknown");
    ledger.renew(requestOf("b", 1), 0);
    ledger.renew(requestOf("c", 1), 0);
    expect(slotsIn(ledger.renew(requestOf("d", 1), 0))).toBe("full");
    const [flow] = requestOf("a", 1).flows;
    const flows = ["1", "2", "3"].flatMap((name) => (flow === undefined ? [] : [{ ...flow, flow: name }]));
    expect(slotsIn(ledger.renew({ holder: "a", sequence: 20, appliedSequence: 1, flows, lanes: [], adopted: [] }, 0))).toBe("full");
  });

  it("after a restart is answered as before it", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const answer = ledger.renew(requestOf("a", 1, { want: 6 }), 0);
    const restarted = LeaseLedger.fromRows(POLICY, ledger.toRows(), 100);
    expect(restarted.renew(requestOf("a", 1, { want: 6 }), 100)).toEqual(answer);
    expect(slotsIn(restarted.renew(requestOf("b", 1, { want: 4 }), 100))).toBe(3);
  });

  it("lasts longer when quiet and shorter under contention", () => {
    expect([0, 50, 75, 300].map((used) => lengthOf(used))).toEqual([LEASE_MS_MAX, LEASE_MS_MAX, LEASE_MS_MIN, LEASE_MS_MIN]);
    expect(lengthOf(60)).toBeGreaterThan(LEASE_MS_MIN);
    expect(lengthOf(60)).toBeLessThan(LEASE_MS_MAX);
  });
});

describe("a holder that is gone", () => {
  it("keeps for the longest request what it named as running, and nothing else", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1, { want: 8 }), 0);
    ledger.renew(requestOf("a", 2, { want: 8, running: 3 }), 100);
    pass(ledger, 100, 100 + LEASE_MS_MAX);
    expect(ledger.slotsOut).toBe(3);
    pass(ledger, 100 + LEASE_MS_MAX, 100 + LEASE_MS_MAX + POLICY.requestDurationMsMax);
    expect(ledger.slotsOut).toBe(0);
    expect(ledger.toRows().holders).toEqual([]);
  });

  it("loses nothing to a clock that jumps an hour while its lease runs, and frees all after a real hour", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1, { want: 5 }), 0);
    ledger.tick(3_600_000);
    expect(ledger.slotsOut).toBe(5);
    const restarted = LeaseLedger.fromRows(POLICY, ledger.toRows(), 7_200_000);
    expect(slotsIn(restarted.renew(requestOf("b", 1, { want: 5 }), 7_200_000))).toBe(5);
  });
});

describe("a named slot", () => {
  it("ends in time though its pool is restarted again and again after its clock was set back while it was away", () => {
    let ledger = new LeaseLedger(POLICY, 100_000);
    ledger.acquire({ ...SOCKET, slotId: "s", owner: "edge", lifeMs: 5_000 }, 100_000);
    let rows = ledger.toRows();
    for (let atMs = 40_000; atMs <= 46_000; atMs += 1_000) {
      ledger = LeaseLedger.fromRows(POLICY, rows, atMs);
      ledger.tick(atMs);
      expect(ledger.slot("s") === undefined).toBe(atMs >= 45_000);
      rows = { ...rows, clockOffsetMs: ledger.takeChanges().clockOffsetMs ?? rows.clockOffsetMs };
    }
  });

  it("of a queued request ends in time where nothing else was out when its pool's clock was set back while it was away", () => {
    const before = new LeaseLedger(POLICY, 100_000);
    before.acquire({ ...SOCKET, slotId: "q", owner: "edge", isDurable: false, lifeMs: 3_000 }, 100_000);
    const ledger = LeaseLedger.fromRows(POLICY, before.toRows(), 40_000);
    expect(ledger.slotsOut).toBeGreaterThan(0);
    // As long as it was given, and as a block on disk is longer.
    ledger.tick(47_000);
    expect(ledger.slotsOut).toBe(0);
  });

  it("has one owner, is released once, and only by it", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const input = { ...SOCKET, slotId: "s", owner: "shard" };
    expect(ledger.acquire(input, 0)).toEqual(ledger.acquire(input, 5));
    expect(ledger.acquire({ ...input, owner: "thief" }, 5)).toBeNull();
    expect(ledger.release("s", "thief")).toBe(false);
    pass(ledger, 0, 100_000);
    expect(ledger.slotsOut).toBe(1);
    expect([ledger.release("s", "shard"), ledger.release("s", "shard")]).toEqual([true, false]);
  });

  it("of a socket that its Shard object does not know is freed, one newer than the question is not", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    for (const [slotId, atMs] of [
      ["old", 0],
      ["live", 0],
      ["new", 50],
    ] as const)
      ledger.acquire({ ...SOCKET, slotId, owner: "shard" }, atMs);
    expect(ledger.reconcile({ owner: "shard", live: new Set(["live"]), askedAtMs: 50 })).toEqual(["old"]);
  });

  it("of a request ends by itself", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.acquire({ ...SOCKET, slotId: "r", owner: "a", lifeMs: 3_000, isDurable: false }, 0);
    pass(ledger, 0, 3_000);
    expect(ledger.slotsOut).toBe(0);
  });
});

/** Nothing is short but the rate: leases are long. */
const ROOMY = { ...POLICY, capacity: 1_000 };

describe("rate tokens", () => {
  it("leave the budget when leased: one owner admits burst + rate × time, not one more and at most one report less", () => {
    const ledger = new LeaseLedger({ ...POLICY, capacity: 1_000, lanes: new Map([["e", 1_000]]) }, 0);
    const lease = new HeldLease("a");
    const demand = { flows: [{ flow: "acme/gold", want: 50, tokensWant: 40 }], lanes: [{ lane: "e", want: 50 }] };
    let admitted = 0;
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 100) {
      lease.apply(ledger.renew(lease.request(demand, nowMs), nowMs), nowMs);
      while (lease.admit("acme/gold", "e", { nowMs, tokens: 1 })) {
        lease.end("acme/gold", "e");
        admitted += 1;
      }
    }
    expect(admitted).toBeLessThanOrEqual(40 + 600);
    expect(admitted).toBeGreaterThanOrEqual(40 + 600 - 1);
  });

  it("lie at holders for at most half a burst, whoever holds them", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    const tokens = ["a", "b", "c"].map((holder) => {
      const answer = ledger.renew(requestOf(holder, 1, { want: 15 }), 0);
      return answer.ok ? (answer.flows[0]?.tokens ?? 0) : 0;
    });
    expect(tokens.reduce((total, count) => total + count, 0)).toBeLessThanOrEqual(20);
    expect(tokens).toEqual([15, 5, 0]);
  });

  it("of an answer that never arrived are back", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1, { want: 20 }), 0);
    const answer = ledger.renew(requestOf("a", 2, { want: 20, applied: 0 }), 0);
    expect(answer.ok && answer.flows[0]?.tokens).toBe(20);
  });

  it("that lie at a holder leave that much less room in the bucket, so that all together never have more than a burst", () => {
    const ledger = new LeaseLedger(ROOMY, 0);
    ledger.renew(requestOf("a", 1, { want: 20 }), 0);
    pass(ledger, 0, 4_000);
    expect(ledger.tokensLeft("acme/gold", 4_000)).toBe(20);
    // It has spent them, and says so: from now on the bucket fills, and not before.
    ledger.renew({ ...requestOf("a", 2, { want: 0 }), appliedSequence: 1 }, 4_000);
    expect(ledger.tokensLeft("acme/gold", 4_000)).toBe(20);
    pass(ledger, 4_000, 5_000);
    expect(ledger.tokensLeft("acme/gold", 5_000)).toBe(30);
  });

  it("of a holder that died are spent for the bucket, as they may be at the endpoint", () => {
    const ledger = new LeaseLedger(ROOMY, 0);
    ledger.renew(requestOf("a", 1, { want: 20 }), 0);
    pass(ledger, 0, 8_000);
    expect(ledger.tokensLeft("acme/gold", 8_000)).toBe(20);
    pass(ledger, 8_000, 9_000);
    expect(ledger.tokensLeft("acme/gold", 9_000)).toBe(30);
  });

  it("of a small bucket are not lent: one that lay idle at a holder would be missed at another", () => {
    const small = { ...POLICY, flow: (flow: string) => ({ ...POLICY.flow(flow), rate: { tokens: 10, periodMs: 1_000, burst: 31 } }) };
    const answer = new LeaseLedger(small, 0).renew(requestOf("a", 1, { want: 20 }), 0);
    expect(answer.ok && answer.flows[0]?.tokens).toBe(0);
  });

  it("are reported twice a second while holders want more than the rate earns", () => {
    const renewAfterMsOf = (want: number): number => new LeaseLedger(ROOMY, 0).renew(requestOf("a", 1, { want }), 0).renewAfterMs;
    expect([renewAfterMsOf(43), renewAfterMsOf(44)]).toEqual([3_500, 500]);
  });
});

describe("a token of the object itself", () => {
  const NOBODY = { ...POLICY, flow: (flow: string) => ({ ...POLICY.flow(flow), rate: { tokens: 0, periodMs: 1_000, burst: 0 } }) };

  it("is there burst + rate × time times, and says to the millisecond when the next one is", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    let taken = 0;
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 1) if (ledger.takeToken("acme/gold", nowMs) === 0) taken += 1;
    expect(taken).toBe(40 + 100);
    const waitMs = ledger.takeToken("acme/gold", 10_000);
    expect(waitMs).toBe(100);
    expect(ledger.takeToken("acme/gold", 10_000 + waitMs - 1)).toBe(1);
    expect(ledger.takeToken("acme/gold", 10_000 + waitMs)).toBe(0);
  });

  it("that was given back is there again, and no more than the burst ever is", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.takeToken("acme/gold", 0);
    ledger.giveBackToken("acme/gold", 0);
    ledger.giveBackToken("acme/gold", 0);
    expect(ledger.tokensLeft("acme/gold", 0)).toBe(40);
  });

  it("comes out of the same budget as those that holders have", () => {
    const ledger = new LeaseLedger(POLICY, 0);
    ledger.renew(requestOf("a", 1, { want: 15 }), 0);
    let taken = 0;
    while (ledger.takeToken("acme/gold", 0) === 0) taken += 1;
    expect(taken).toBe(25);
  });

  it("of a rate that was lowered is there as soon as an empty bucket earns it, not when the old burst is paid at the new rate", () => {
    const rated = (tokens: number, burst: number): LedgerPolicy => ({
      ...POLICY,
      flow: (flow) => ({ ...POLICY.flow(flow), rate: { tokens, periodMs: 1_000, burst } }),
    });
    const ledger = new LeaseLedger(rated(1_000, 1_000), 0);
    for (let count = 0; count < 1_000; count += 1) expect(ledger.takeToken("acme/gold", 0)).toBe(0);
    ledger.configure(rated(1, 5), 1);
    expect(ledger.takeToken("acme/gold", 1)).toBe(999);
    expect(ledger.takeToken("acme/gold", 1_000)).toBe(0);
  });

  it.for([
    { doing: "a second's worth while a request's slot is out", lifeMs: 30_000, more: 10 },
    { doing: "a burst where only a socket's is, which no time ends, as after an hour without requests", lifeMs: null, more: 40 },
  ])("a clock set ahead by an hour adds $doing, and no more", ({ lifeMs, more }) => {
    const ledger = new LeaseLedger(POLICY, 0);
    const takeAll = (nowMs: number): number => {
      for (let taken = 0; ; taken += 1) if (ledger.takeToken("acme/gold", nowMs) > 0) return taken;
    };
    expect(takeAll(0)).toBe(40);
    ledger.acquire({ ...SOCKET, lifeMs, slotId: "s", owner: "shard" }, 0);
    expect(takeAll(3_600_000)).toBe(more);
    expect(takeAll(3_600_000)).toBe(0);
  });

  it("is never there at a rate of nothing, and always where there is no rate", () => {
    expect(new LeaseLedger(NOBODY, 0).takeToken("acme/gold", 0)).toBe(Infinity);
    const free = new LeaseLedger({ ...POLICY, flow: (flow) => ({ ...POLICY.flow(flow), rate: null }) }, 0);
    expect([free.takeToken("acme/gold", 0), free.tokensLeft("acme/gold", 0)]).toEqual([0, null]);
  });
});
