import { describe, expect, it } from "vitest";
import { FlowMeter } from "#gateway/lease/flow-meter.ts";
import { ServiceLease } from "#gateway/lease/service-lease.ts";
import { RetryBudget } from "#shared/retry-budget.ts";
import type { RenewAnswer, RenewMessage, Shed } from "#shared/protocol/pool-rpc.ts";
import { kernels } from "../../support/kernels.ts";

const FLOW = "acme/gold";
const LANE = "https://e.example";

function answerTo({ lease }: RenewMessage, slots: number, more: Partial<RenewAnswer> & { isQueued?: boolean } = {}): RenewAnswer {
  const { isQueued = false, ...rest } = more;
  const named = lease.flows[0]?.running ?? 0;
  return {
    lease: {
      ok: true,
      sequence: lease.sequence,
      lengthMs: 7_000,
      renewAfterMs: 3_500,
      flows: [{ flow: FLOW, slots, tokens: 0, isQueued, named }],
      lanes: [{ lane: LANE, slots, named }],
    },
    table: { version: 1, shards: [{ shardId: "s-1", endpointUrl: LANE, size: 10 }] },
    sheds: [],
    isContended: false,
    left: [],
    configurationVersion: 1,
    ...rest,
  };
}

function leaseOf(slots: number, more: Parameters<typeof answerTo>[2] = {}): ServiceLease {
  const lease = new ServiceLease("h", { service: "svc", region: null }, () => kernels());
  lease.expect(FLOW);
  lease.apply(answerTo(lease.message(1, 0), slots, more), 0);
  return lease;
}

const admit = (lease: ServiceLease, nowMs: number, urgency = 3) => lease.admit({ flow: FLOW, urgency, key: "d", quota: undefined, nowMs });

describe("an isolate's lease of a service", () => {
  it("admits as many as it has slots, and sends the next one to the pool", () => {
    const lease = leaseOf(2);
    for (let count = 0; count < 2; count += 1) expect(admit(lease, 1)).toMatchObject({ lane: LANE, shardId: "s-1" });
    expect(admit(lease, 1)).toBeNull();
    expect(lease.running).toBe(2);
  });

  it("refuses by itself what comes of more flows at once than it counts, and says so: no pool has counted it", () => {
    const lease = leaseOf(2);
    const answers = Array.from({ length: 4_097 }, (_, index) =>
      lease.admit({ flow: `t-${index}/gold`, urgency: 3, key: "d", quota: undefined, nowMs: 1 }),
    );
    expect(answers[0]).toBeNull();
    expect(answers.at(-1)).toMatchObject({ outcome: "rejected-capacity", decidedBy: "edge" });
  });

  it("is renewed once its time has come, by one request at a time, and again where no answer comes", () => {
    const lease = leaseOf(2);
    expect([lease.pace.isDue(3_499), lease.pace.isDue(3_500)]).toEqual([false, true]);
    lease.message(1, 3_500);
    expect([lease.pace.isDue(3_600), lease.pace.isDue(5_500)]).toEqual([false, true]);
    // One that was lost, with its request's context, before the clock was set back.
    expect([lease.pace.isRenewing(5_499), lease.pace.isRenewing(3_499)]).toEqual([true, false]);
  });

  it("wants slots in whole numbers where its clock was set back while requests ran", () => {
    const lease = leaseOf(2);
    lease.apply(answerTo(lease.message(1, 4_000_000), 2), 4_000_000);
    const slot = admit(lease, 4_000_000);
    if (slot === null || "ok" in slot) throw new Error("expected a slot");
    lease.end(slot, { outcome: "admitted-local", latencyMs: 1, nowMs: 400_000 });
    const wants = [400_001, 400_002].flatMap((nowMs) => lease.message(1, nowMs).lease.flows.map(({ want }) => want));
    expect(wants.every((want) => Number.isSafeInteger(want) && want >= 0 && want < 10)).toBe(true);
    expect(wants.length).toBeGreaterThan(0);
  });

  it("sends newcomers to the pool while others wait there, though a slot is free here", () => {
    expect(admit(leaseOf(2, { isQueued: true }), 1)).toBeNull();
    const lease = leaseOf(2);
    lease.ask(FLOW, "r-1", 10);
    expect(admit(lease, 20)).not.toBeNull();
    expect(admit(lease, 100)).toBeNull();
    lease.refused(FLOW, { slotId: "r-1", nowMs: 110 });
    expect(admit(lease, 120)).not.toBeNull();
  });

  it("refuses at the edge what the pool has told it to, from that urgency on, for so long, and with when to come back", () => {
    const shed: Shed = { flow: FLOW, urgencyFrom: 4, forMs: 500, retryAfterMs: 2_500 };
    const lease = leaseOf(0, { sheds: [shed] });
    expect(admit(lease, 100, 4)).toMatchObject({ ok: false, outcome: "rejected-capacity", retryAfterMs: 2_500 });
    expect(admit(lease, 100, 3)).toBeNull();
    expect(admit(lease, 500, 4)).toBeNull();
    // Not for as long as a clock is set back.
    expect(admit(leaseOf(0, { sheds: [shed] }), -3_600_000, 4)).toBeNull();
    expect(lease.message(1, 600).telemetry.flows[0]?.outcomes).toEqual({ "rejected-capacity": 1 });
  });

  it("gives the reason that the pool gave: a full queue is the tenant's limit and not the service's want", () => {
    const shed: Shed = { flow: FLOW, urgencyFrom: 0, forMs: 500, retryAfterMs: 1_000, queueLengthMax: 100 };
    const lease = leaseOf(0, { sheds: [shed] });
    const violated = [{ kind: "queue", quota: 100, remaining: 0 }];
    expect(admit(lease, 100, 0)).toMatchObject({ ok: false, outcome: "rejected-queue-full", retryAfterMs: 1_000, violated });
    expect(lease.message(1, 600).telemetry.flows[0]?.outcomes).toEqual({ "rejected-queue-full": 1 });
  });

  it("returns a slot by name when its request ends, and one that came too late", () => {
    const lease = leaseOf(0);
    const granted = { slotId: "r-1", shardId: "s-1", endpointUrl: LANE, waitedMs: 100, lifeMs: 2_000 };
    const asked = lease.ask(FLOW, "r-1", 0);
    const slot = lease.take(FLOW, granted, { askedAtMs: 0, ...asked, nowMs: 120 });
    if (slot === null) throw new Error("it is in time");
    lease.end(slot, { outcome: "admitted-queued", latencyMs: 130, upstreamMs: 10, nowMs: 250 });
    expect(lease.outbox.take(260)?.returned).toEqual(["r-1"]);
    expect(lease.take(FLOW, { ...granted, slotId: "r-2" }, { askedAtMs: 0, ...asked, nowMs: 2_100 })).toBeNull();
    expect(lease.outbox.take(2_100)?.returned).toEqual(["r-2"]);
  });

  describe("whose endpoint refuses a connection", () => {
    const [A, B] = ["https://a.example", "https://b.example"];
    const leaseOfTwo = (): ServiceLease => {
      const lease = new ServiceLease("h", { service: "svc", region: null }, () => kernels());
      lease.expect(FLOW);
      const message = lease.message(1, 0);
      const shards = [A, B].map((endpointUrl) => ({ shardId: endpointUrl, endpointUrl, size: 10 }));
      const answer = answerTo(message, 20, { table: { version: 1, shards } });
      lease.apply({ ...answer, lease: { ...answer.lease, lanes: [A, B].map((lane) => ({ lane, slots: 10, named: 0 })) } as never }, 0);
      return lease;
    };
    const laneOf = (lease: ServiceLease, key: string, nowMs: number): string => {
      const slot = lease.admit({ flow: FLOW, urgency: 3, key, quota: undefined, nowMs });
      if (slot === null || !("lane" in slot)) throw new Error("there is a slot");
      lease.end(slot, { outcome: "admitted-local", latencyMs: 5, upstreamMs: slot.lane === A ? undefined : 5, nowMs });
      return slot.lane;
    };

    it("sends nothing more there for a second, and everything to the other one", () => {
      const lease = leaseOfTwo();
      const keys = Array.from({ length: 40 }, (_, index) => `d-${index}`);
      expect(new Set(keys.map((key) => laneOf(lease, key, 10)))).toEqual(new Set([A, B]));
      const slot = { flow: FLOW, lane: A, shardId: A, shardIndex: 0, tableVersion: 1, slotId: undefined, startedAtMs: 10 };
      lease.connectionRefused(slot, 20);
      expect(new Set(keys.map((key) => laneOf(lease, key, 30)))).toEqual(new Set([B]));
      expect(new Set(keys.map((key) => laneOf(lease, key, 1_019)))).toEqual(new Set([B]));
      expect(new Set(keys.map((key) => laneOf(lease, key, 1_020)))).toEqual(new Set([A, B]));
      // And its pool is told at once.
      expect(lease.pace.isDue(70)).toBe(true);
    });

    it("sends what comes to the last one that is open, or to the pool where units are replaced", () => {
      const lease = leaseOfTwo();
      const refuseAll = (nowMs: number): void => {
        for (const lane of [A, B])
          lease.connectionRefused(
            { flow: FLOW, lane, shardId: lane, shardIndex: 0, tableVersion: 1, slotId: undefined, startedAtMs: 0 },
            nowMs,
          );
      };
      refuseAll(20);
      expect(laneOf(lease, "d", 30)).toBe(B);
      lease.use({ balance: "rendezvous", endpoints: [{ provider: "process" }], requestDurationMsMax: 60_000 } as never);
      refuseAll(40);
      expect(admit(lease, 50)).toBeNull();
      expect(admit(lease, 1_040)).not.toBeNull();
    });

    it("moves the request to the other one, and tells that it was refused", () => {
      const lease = leaseOfTwo();
      const key = Array.from({ length: 40 }, (_, index) => `d-${index}`).find((one) => laneOf(lease, one, 10) === A) ?? "";
      const slot = lease.admit({ flow: FLOW, urgency: 3, key, quota: undefined, nowMs: 20 });
      if (slot === null || !("lane" in slot)) throw new Error("there is a slot");
      const moved = lease.move(slot, { key, avoid: new Set([A]), ended: { outcome: "upstream-failed", isRefused: true, nowMs: 21 } });
      expect(moved?.lane).toBe(B);
      lease.end(moved ?? slot, { outcome: "admitted-local", latencyMs: 5, upstreamMs: 5, nowMs: 30 });
      expect(lease.message(1, 40).telemetry.shards.find(({ shardId }) => shardId === A)).toMatchObject({ refused: 1 });
      expect(lease.running).toBe(0);
    });

    it("gives the slot up while the request asks for another, and counts the request once", () => {
      const lease = leaseOfTwo();
      const slot = lease.admit({ flow: FLOW, urgency: 3, key: "d", quota: undefined, nowMs: 20 });
      if (slot === null || !("lane" in slot)) throw new Error("there is a slot");
      lease.abandon(slot, { outcome: "upstream-failed", isRefused: true, nowMs: 21 });
      expect(lease.running).toBe(0);
      lease.gaveUp(FLOW, "upstream-failed");
      expect(lease.message(1, 40).telemetry.flows[0]?.outcomes).toEqual({ "upstream-failed": 1 });
    });
  });

  it("brings what it measured with its renewal, once, and again where that failed", () => {
    const lease = leaseOf(1);
    const slot = admit(lease, 1);
    if (slot === null || "ok" in slot) throw new Error("there is a slot");
    lease.end(slot, { outcome: "admitted-local", latencyMs: 30, upstreamMs: 30, nowMs: 31 });
    const message = lease.message(1, 100);
    expect(message.telemetry.flows).toMatchObject([{ flow: FLOW, arrivals: 1, outcomes: { "admitted-local": 1 }, sumMs: 30 }]);
    expect(message.telemetry.shards).toMatchObject([{ shardId: "s-1", endpointUrl: LANE, requests: 1, failures: 0 }]);
    expect(lease.message(1, 200).telemetry).toEqual({ flows: [], shards: [], edge: {} });
    lease.failed(message, 300);
    const again = lease.message(1, 400).telemetry;
    expect(again.flows[0]).toMatchObject({ arrivals: 1, outcomes: { "admitted-local": 1 } });
    expect(again.shards).toEqual(message.telemetry.shards);
  });

  it("wants nothing once it has fallen idle, though requests came since the last renewal", () => {
    const lease = leaseOf(3);
    for (let count = 0; count < 3; count += 1) {
      const slot = admit(lease, 1);
      if (slot === null || "ok" in slot) throw new Error("there is a slot");
      lease.end(slot, { outcome: "admitted-local", latencyMs: 5, upstreamMs: 5, nowMs: 6 });
    }
    lease.fallIdle();
    const idle = lease.message(1, 1_100);
    // A flow left out is given back whole.
    expect(idle.lease.flows).toEqual([]);
    expect(idle.telemetry.flows[0]?.outcomes).toEqual({ "admitted-local": 3 });
    lease.apply(answerTo(idle, 0), 1_101);
    lease.expect(FLOW);
    expect(lease.message(1, 1_200).lease.flows[0]?.want).toBeGreaterThan(0);
  });

  it("remembers a bounded number of flows, the idle ones least", () => {
    const lease = leaseOf(1);
    const busy = admit(lease, 1);
    for (let index = 0; index < 10_000; index += 1)
      lease.admit({ flow: `t${index}/gold`, urgency: 3, key: "d", quota: undefined, nowMs: 1 });
    const { flows } = lease.message(1, 10).telemetry;
    expect(flows.length).toBeLessThanOrEqual(4_096);
    expect(busy).not.toBeNull();
    expect(lease.running).toBe(1);
  });
});

describe("what a flow will want", () => {
  const meterOf = (requests: number, heldMs: number): FlowMeter => {
    const meter = new FlowMeter();
    for (let count = 0; count < requests; count += 1) {
      meter.arrive();
      meter.start();
      meter.end("admitted-local", { heldMs, latencyMs: heldMs });
    }
    return meter;
  };

  // The first second of a memory of four counts for a fifth of the mean.
  it.for([
    { name: "nothing without requests", requests: 0, heldMs: 0, isContended: false, want: 0 },
    // 100 × 50 ms in 1 s: 5 at a time; 5 + 3 × √5 = 11.7, and one.
    { name: "rate × latency, three deviations and one", requests: 100, heldMs: 50, isContended: false, want: 13 },
    { name: "none beyond that where the pool had too few", requests: 100, heldMs: 50, isContended: false, isShort: true, want: 12 },
    // What is surely used, of the 22.1 that the memory has: 22.1 − 2 × √22.1.
    { name: "what is surely used where others wait", requests: 2_000, heldMs: 50, isContended: true, want: 12 },
    { name: "nothing where others wait and little is surely used", requests: 100, heldMs: 50, isContended: true, want: 0 },
    { name: "a slot or two where there is little to do", requests: 1, heldMs: 5, isContended: false, want: 2 },
  ])("is $name", ({ requests, heldMs, isContended, isShort = false, want }) => {
    expect(meterOf(requests, heldMs).demand(1_000, { isContended, isShort })).toBe(want);
  });

  it("is at least the most that ran at once, for some seconds", () => {
    const meter = new FlowMeter();
    for (let count = 0; count < 20; count += 1) meter.start();
    for (let count = 0; count < 20; count += 1) meter.end("admitted-local", { heldMs: 1, latencyMs: 1 });
    expect(meter.demand(500, { isContended: false, isShort: false })).toBeGreaterThanOrEqual(21);
    meter.take(FLOW);
    meter.arrive();
    meter.start();
    expect(meter.demand(500, { isContended: false, isShort: false })).toBeGreaterThan(15);
  });
});

it("leaves the endpoint the time that it takes, and at most half of what is left", () => {
  const lease = leaseOf(1);
  expect(lease.waitMsMax(1_000)).toBe(1_000);
  for (let count = 0; count < 50; count += 1) {
    const slot = admit(lease, 1);
    if (slot === null || "ok" in slot) throw new Error("there is a slot");
    lease.end(slot, { outcome: "admitted-local", latencyMs: 100, upstreamMs: 100, nowMs: 101 });
  }
  expect(lease.waitMsMax(1_000)).toBe(899);
  expect(lease.waitMsMax(100)).toBe(50);
});

it("a retry budget is a part of the requests, of which some are saved", () => {
  const budget = new RetryBudget();
  const spend = (): number => {
    let count = 0;
    while (budget.take()) count += 1;
    return count;
  };
  expect(spend()).toBe(3);
  for (let count = 0; count < 10; count += 1) budget.earn(0.2);
  expect(spend()).toBe(2);
  for (let count = 0; count < 1_000; count += 1) budget.earn(0.2);
  expect(spend()).toBe(10);
});
