import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { flowLimitsOf } from "#durable/pool/flow-quotas.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { byteFlowOf, flowOfBytes } from "#shared/lease/byte-flow.ts";
import type { FlowLeft, RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";

const FLOW = "acme/gold";
const LEFT: FlowLeft = { flow: FLOW, slots: null, tokens: null, bytes: null, blockedMs: 0 };
const HELD: FlowPace = { flow: FLOW, version: 1, bytes: "held", isTimed: false };

function begin(pace: FlowPace = HELD) {
  const lease = new ShardLease("holder", () => {});
  lease.note("echo", pace);
  const lane = lease.find(FLOW)?.lane("device");
  if (lane === undefined) throw new Error("it is limited");
  let gone = 0;
  const say = (nowMs: number, bytes = 1_000): void => lane.send({ bytes, run: () => void (gone += bytes) }, nowMs);
  return { lease, say, gone: () => gone };
}

function sent(message: RenewMessage | null): RenewMessage {
  if (message === null) throw new Error("a renewal is due");
  return message;
}

/** As a pool answers that has so much for it; null: its bytes are not limited. */
function answerTo({ lease: { sequence } }: RenewMessage, { units, version = 1 }: { units: number | null; version?: number }): RenewAnswer {
  const flows = [{ flow: byteFlowOf(FLOW), slots: 0, tokens: units ?? 0, isQueued: false, named: 0 }];
  const left: FlowLeft[] = units === null ? [] : [{ flow: FLOW, slots: null, tokens: null, bytes: 0, blockedMs: 0 }];
  const lease = { ok: true, sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows, lanes: [] } as const;
  return { lease, table: null, sheds: [], left, isContended: false, configurationVersion: version };
}

describe("what a Shard object holds of its pool", () => {
  it("asks a pool that refuses it less and less often, down to once a second", () => {
    const { lease, say, gone } = begin();
    say(0);
    const atMs: number[] = [];
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 50) {
      const message = lease.step(nowMs);
      if (message === null) continue;
      atMs.push(nowMs);
      const refused = { ok: false, reason: "full", sequence: message.lease.sequence, renewAfterMs: 1_000 } as const;
      lease.apply({ ...answerTo(message, { units: 0 }), lease: refused }, nowMs);
    }
    expect(atMs.slice(0, 4)).toEqual([0, 500, 1_500, 2_500]);
    expect(atMs.length).toBeLessThanOrEqual(12);
    expect(gone()).toBe(0);
  });

  it("lets nothing go unpaid for an answer of before the limit was added", () => {
    const { lease, say, gone } = begin({ ...HELD, bytes: "counted", isTimed: true });
    say(0);
    expect(gone()).toBe(1_000);
    const before = sent(lease.step(1_000));
    lease.note("echo", { ...HELD, version: 2, isTimed: true });
    lease.apply(answerTo(before, { units: null, version: 1 }), 1_010);
    say(1_020);
    expect(gone()).toBe(1_000);
    const next = sent(lease.step(2_000));
    expect(next.configurationVersion).toBe(2);
    lease.apply(answerTo(next, { units: 4, version: 2 }), 2_010);
    expect(gone()).toBe(2_000);
  });

  it("asks nobody where the limit was lifted, and again where it is back", () => {
    const { lease, say, gone } = begin();
    say(0);
    lease.apply(answerTo(sent(lease.step(0)), { units: 16 }), 0);
    expect(gone()).toBe(1_000);
    expect(lease.note("echo", { ...HELD, version: 2, bytes: null })).toBe(true);
    // What is held goes back.
    lease.apply(answerTo(sent(lease.step(1_000)), { units: null, version: 2 }), 1_000);
    for (let nowMs = 1_050; nowMs < 60_000; nowMs += 50) {
      say(nowMs);
      expect(lease.step(nowMs)).toBeNull();
    }
    expect(lease.nextAtMs(60_000)).toBe(Infinity);
    const before = gone();
    expect(lease.note("echo", { ...HELD, version: 3 })).toBe(true);
    say(60_000);
    expect(gone()).toBe(before);
    expect(lease.step(60_000)).not.toBeNull();
  });

  it("has what waits looked at as soon as its limit is lifted, while an answer is awaited", () => {
    let looks = 0;
    const lease = new ShardLease("holder", () => void (looks += 1));
    lease.note("echo", HELD);
    const gone: number[] = [];
    lease
      .find(FLOW)
      ?.lane("device")
      .send({ bytes: 1_000, run: () => void gone.push(1_000) }, 0);
    expect(lease.step(0)).not.toBeNull();
    const before = looks;
    lease.note("echo", { ...HELD, version: 2, bytes: null });
    expect(looks).toBe(before + 1);
    lease.step(10);
    expect(gone).toEqual([1_000]);
  });

  it("falls silent where a limit casts a shadow only since", () => {
    const { lease, say } = begin();
    say(0);
    lease.apply(answerTo(sent(lease.step(0)), { units: 16 }), 0);
    lease.note("echo", { ...HELD, version: 2, bytes: "counted" });
    say(100);
    let calls = 0;
    for (let nowMs = 100; nowMs < 60_000; nowMs += 50) {
      const message = lease.step(nowMs);
      if (message === null) continue;
      calls += 1;
      lease.apply(answerTo(message, { units: null, version: 2 }), nowMs);
    }
    expect([calls, lease.nextAtMs(60_000)]).toEqual([1, Infinity]);
  });

  it("asks for more flows than one renewal takes in turns", () => {
    const names = Array.from({ length: 5_000 }, (_, index) => `t${index}/gold`);
    const rate = flowLimitsOf({ weight: 1, mode: "enforce", bandwidthBytesPerSecond: 100_000 }).bandwidth;
    const policy = {
      capacity: 1,
      lanes: new Map([["lane", 1]]),
      classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
      flow: (name: string) => ({ className: "gold", weight: 1, slotsMax: Infinity, rate: flowOfBytes(name) === null ? null : rate }),
      requestDurationMsMax: 1_000,
      holdersMax: 1,
      flowsPerHolderMax: 8_192,
    };
    const ledger = new LeaseLedger(policy, 0);
    const lease = new ShardLease("holder", () => {});
    const gone = new Map<string, number>();
    for (const flow of names) {
      lease.note("echo", { ...HELD, flow });
      const lane = lease.find(flow)?.lane("device");
      for (const bytes of [1_000, 1_000, 1_000]) lane?.send({ bytes, run: () => void gone.set(flow, (gone.get(flow) ?? 0) + bytes) }, 0);
    }
    let told = 0;
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 250) {
      const message = lease.step(nowMs);
      if (message === null) continue;
      told += message.telemetry.flows.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
      const left = message.lease.flows.map(({ flow }): FlowLeft => ({ flow, slots: null, tokens: null, bytes: 0, blockedMs: 0 }));
      lease.apply({ ...answerTo(message, { units: 0 }), lease: ledger.renew(message.lease, nowMs), left }, nowMs);
    }
    expect([gone.size, [...gone.values()].every((bytes) => bytes === 3_000)]).toEqual([5_000, true]);
    expect([told, lease.nextAtMs(10_000)]).toEqual([5_000 * 3_000, Infinity]);
  });

  it("holds nothing back for service time that was used up under a limit that is lifted, however long it has been silent", () => {
    const { lease } = begin({ ...HELD, bytes: null, isTimed: true });
    const flow = lease.find(FLOW);
    flow?.spend(500, 0);
    const message = sent(lease.step(1_000));
    const left: FlowLeft[] = [{ flow: FLOW, slots: null, tokens: null, bytes: null, blockedMs: 60_000 }];
    lease.apply({ ...answerTo(message, { units: null }), left }, 1_000);
    expect(lease.nextAtMs(1_000)).toBe(Infinity);
    lease.note("echo", { ...HELD, version: 2, bytes: null });
    let gone = 0;
    flow?.lane("endpoint").send({ bytes: 10, run: () => void (gone += 10) }, 2_000);
    expect(gone).toBe(10);
  });

  it("does not ask again at once where it asked in time and no answer came, and what is left suffices", () => {
    const { lease, say } = begin();
    say(0);
    lease.apply(answerTo(sent(lease.step(0)), { units: 16 }), 0);
    for (let count = 0; count < 13; count += 1) say(1_100);
    const message = sent(lease.step(1_100));
    lease.failed(message, 1_200);
    expect(lease.nextAtMs(1_200)).toBe(1_100 + 1_000);
    // Little is left, and some of that goes.
    say(1_300);
    expect(lease.nextAtMs(1_300)).toBe(1_200 + 500);
  });

  it.for([
    { of: "what waits for service time", bytes: null, isTimed: true, units: null },
    { of: "what is to come after what waits for bandwidth", bytes: "held", isTimed: false, units: 0 },
    { of: "what was measured", bytes: "counted", isTimed: false, units: null },
  ] as const)("does not wait for as long as a clock was set back: $of", ({ bytes, isTimed, units }) => {
    const hourMs = 3_600_000;
    const lease = new ShardLease("holder", () => {});
    lease.note("echo", { ...HELD, bytes, isTimed });
    const flow = lease.find(FLOW);
    const lane = flow?.lane("endpoint");
    flow?.spend(70, hourMs);
    const [gone, toldAtMs]: [number[], number[]] = [[], []];
    let nowMs = hourMs;
    const step = (blockedMs: number): void => {
      const message = lease.step(nowMs);
      if (message === null) return;
      if (message.telemetry.flows.length > 0) toldAtMs.push(nowMs);
      const answer = answerTo(message, { units });
      lease.apply(isTimed ? { ...answer, left: [{ ...LEFT, blockedMs }] } : answer, nowMs);
    };
    if (isTimed) {
      nowMs += 1_000;
      step(3_000);
    }
    lane?.send({ bytes: 100_000, run: () => void gone.push(nowMs) }, nowMs);
    if (bytes === "held") lane?.finish(() => void gone.push(nowMs), { nowMs, withinMs: 5_000 });
    for (nowMs = 500; nowMs <= 30_000; nowMs += 50) step(0);
    if (bytes === "counted") expect(toldAtMs).toEqual([1_500]);
    else expect(gone).toEqual([bytes === "held" ? 5_500 : 1_500]);
    expect(lease.nextAtMs(nowMs)).toBe(Infinity);
  });

  it("keeps nothing of a flow that was never limited", () => {
    const lease = new ShardLease("holder", () => {});
    expect(lease.note("echo", { ...HELD, bytes: null })).toBe(false);
    expect([lease.isEmpty, lease.find(FLOW)]).toEqual([true, undefined]);
  });
});
