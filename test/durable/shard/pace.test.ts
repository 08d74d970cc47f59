// Messages of one flow's sockets at one Shard object: what goes first, in which order, and what becomes of what waits.
import { describe, expect, it } from "vitest";
import { LaneHeap } from "#durable/shard/pace/lane-heap.ts";
import type { Lane, Side } from "#durable/shard/pace/lane.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import type { FlowLeft, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOW = "acme/gold";
const HELD: FlowPace = { flow: FLOW, version: 1, bytes: "held", isTimed: false };
const LIMITED: FlowLeft = { flow: FLOW, slots: null, tokens: null, bytes: 0, blockedMs: 0 };

function leaseOf(pace = HELD) {
  const lease = new ShardLease("o-1", () => {});
  lease.note("echo", pace);
  const flow = lease.find(FLOW);
  if (flow === undefined) throw new Error("it was noted");
  const sent: string[] = [];
  const send = (lane: Lane, name: string, of: number | { readonly bytes: number; readonly nowMs: number }): void => {
    const { bytes, nowMs } = typeof of === "number" ? { bytes: of, nowMs: 0 } : of;
    lane.send({ bytes, sequence: Number(name.replace(/\D/g, "")) || 0, run: () => void sent.push(name) }, nowMs);
  };
  const answer = (
    message: RenewMessage,
    { units, nowMs, left }: { units: number; nowMs: number; left?: Partial<FlowLeft> | undefined },
  ): void => {
    const flows = message.lease.flows.map((of) => ({
      flow: of.flow,
      slots: 0,
      tokens: of.flow.endsWith("/bytes") ? units : 0,
      isQueued: false,
      named: 0,
    }));
    lease.apply(
      {
        lease: { ok: true, sequence: message.lease.sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows, lanes: [] },
        table: null,
        sheds: [],
        left: [{ ...LIMITED, ...left }],
        isContended: false,
        configurationVersion: 1,
      },
      nowMs,
    );
  };
  /** The next renewal, when it is due, brings so many units; the time then. */
  const renew = (units: number, fromMs: number, left?: Partial<FlowLeft>): number => {
    const nowMs = Math.max(fromMs, lease.nextAtMs(fromMs));
    const message = lease.step(nowMs);
    if (message === null) throw new Error("no renewal is due");
    answer(message, { units, nowMs, left });
    return nowMs;
  };
  const lane = (side: Side = "device"): Lane => flow.lane(side);
  return { lease, flow, lane, send, sent, renew, answer };
}

describe("what waits for credit", () => {
  it("goes in order as it is paid for, and a large message collects what it costs", () => {
    const { lane, send, sent, renew, flow } = leaseOf();
    const one = lane();
    send(one, "m1", 1_000);
    send(one, "m2", 5_000);
    send(one, "m3", 1);
    expect([sent, one.count, one.bytes]).toEqual([[], 3, 6_001]);
    let nowMs = renew(2, 0);
    expect([sent, flow.asideBytes]).toEqual([["m1"], 1_048]);
    nowMs = renew(2, nowMs);
    expect([sent, flow.asideBytes]).toEqual([["m1"], 3_096]);
    renew(2, nowMs);
    expect([sent, one.isEmpty, flow.asideBytes]).toEqual([["m1", "m2", "m3"], true, 0]);
  });

  it("of a socket with small messages does not wait for another one's large ones, and has no more than its part either", () => {
    const { lane, send, sent, renew } = leaseOf();
    const [elephant, mouse] = [lane(), lane()];
    for (let name = 1; name <= 3; name += 1) send(elephant, `e${name}`, 10_000);
    for (let name = 1; name <= 300; name += 1) send(mouse, `m${name}`, 100);
    let nowMs = 0;
    for (let round = 0; round < 10; round += 1) nowMs = renew(1, nowMs);
    expect(sent.every((name) => name.startsWith("m"))).toBe(true);
    for (let round = 0; round < 40; round += 1) nowMs = renew(1, nowMs);
    const bytesOf = (kind: string): number => sent.filter((name) => name.startsWith(kind)).length * (kind === "e" ? 10_000 : 100);
    expect(Math.abs(bytesOf("e") - bytesOf("m"))).toBeLessThanOrEqual(10_100);
    expect([...sent].filter((name) => name.startsWith("m"))).toEqual(Array.from({ length: bytesOf("m") / 100 }, (_, at) => `m${at + 1}`));
  });

  it("collects what it costs though small messages the other way come all the time, each when nothing else waits there", () => {
    const { lane, send, sent, renew, flow } = leaseOf();
    const [elephant, mouse] = [lane("device"), lane("endpoint")];
    send(elephant, "e1", 10_000);
    let [nowMs, name] = [0, 0];
    for (let round = 0; round < 25; round += 1) {
      nowMs = renew(1, nowMs);
      // As much as each answer brings.
      for (let count = 0; count < 10; count += 1) send(mouse, `m${(name += 1)}`, { bytes: 100, nowMs });
    }
    const before = sent.indexOf("e1");
    // No more than its part went before it, with what waited when it came to its turn.
    expect(before).toBeGreaterThanOrEqual(0);
    expect(before * 100).toBeLessThanOrEqual(10_000 + 1_100);
    expect(flow.isShort).toBe(true);
  });

  it("is dropped with its lane, which is used again; what is dropped keeps nothing from what comes", () => {
    const { lane, send, sent, renew, flow } = leaseOf();
    const [first, second] = [lane(), lane()];
    send(first, "a1", 3_000);
    send(second, "b1", 3_000);
    first.clear();
    send(first, "a2", 3_000);
    second.clear();
    renew(3, 0);
    expect([sent, flow.isShort, flow.isWaiting]).toEqual([["a2"], false, false]);
  });

  it("is left out where its receiver says that it has it", () => {
    const { lane, send, sent, renew } = leaseOf();
    const one = lane();
    for (let name = 1; name <= 5; name += 1) send(one, `m${name}`, 1_000);
    one.dropThrough(3);
    expect([one.count, one.bytes]).toEqual([2, 2_000]);
    renew(2, 0);
    expect(sent).toEqual(["m4", "m5"]);
  });

  it("comes before what ends its lane, for as long as that waits; messages that cost nothing are messages", () => {
    const { lease, lane, send, sent, renew } = leaseOf();
    const [soon, late] = [lane(), lane()];
    send(soon, "s1", 1_000);
    soon.finish(() => void sent.push("soon ends"), { nowMs: 0, withinMs: 5_000 });
    const nowMs = renew(1, 0);
    expect(sent).toEqual(["s1", "soon ends"]);
    send(late, "l1", { bytes: 9_000, nowMs: nowMs });
    send(late, "l2", { bytes: 0, nowMs: nowMs });
    late.finish(() => void sent.push("late ends"), { nowMs, withinMs: 5_000 });
    lease.step(nowMs + 4_999);
    expect(sent.at(-1)).toBe("soon ends");
    lease.step(nowMs + 5_000);
    expect(sent.slice(2)).toEqual(["late ends"]);
  });

  it("goes at once when the limit is gone, and when it was said by an older configuration the next one holds again", () => {
    const { lease, lane, send, sent, renew } = leaseOf();
    const one = lane();
    send(one, "m1", 5_000_000);
    const nowMs = renew(0, 0, { bytes: null });
    expect(sent).toEqual(["m1"]);
    send(one, "m2", { bytes: 5_000_000, nowMs: nowMs });
    expect(sent).toEqual(["m1", "m2"]);
    expect(lease.note("echo", { ...HELD, version: 2 })).toBe(false);
    send(one, "m3", { bytes: 5_000, nowMs: nowMs });
    expect(sent).toEqual(["m1", "m2"]);
  });
});

describe("service time that is used up", () => {
  it("holds back what goes to the endpoint, until its time, and not what goes to the device", () => {
    const { lease, flow, lane, send, sent, renew } = leaseOf({ flow: FLOW, version: 1, bytes: null, isTimed: true });
    const [out, into] = [lane("device"), lane("endpoint")];
    send(into, "in1", 10);
    flow.spend(500, 0);
    const nowMs = renew(0, 0, { bytes: null, blockedMs: 20_000 });
    send(into, "in2", { bytes: 10, nowMs: nowMs });
    send(out, "out1", { bytes: 10, nowMs: nowMs });
    expect([sent, into.isBlocked(nowMs), out.isBlocked(nowMs)]).toEqual([["in1", "out1"], true, false]);
    // It asks on, so that it does not fall asleep and hears when it is lifted.
    expect(lease.nextAtMs(nowMs) - nowMs).toBeLessThanOrEqual(5_000);
    lease.step(nowMs + 20_000);
    expect(sent).toEqual(["in1", "out1", "in2"]);
  });
});

describe("calls", () => {
  it("are one for all flows, at most four a second while something waits, and fewer where they bring nothing", () => {
    const { lease, lane, send, answer } = leaseOf();
    lease.note("echo", { ...HELD, flow: "acme/silver" });
    send(lane(), "m1", 1_000_000);
    lease
      .find("acme/silver")
      ?.lane("device")
      .send({ bytes: 1_000_000, run: () => {} }, 0);
    const atMs: number[] = [];
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      const message = lease.step(nowMs);
      if (message === null) continue;
      expect(message.lease.flows.filter(({ flow }) => flow.endsWith("/bytes")).length).toBe(2);
      atMs.push(nowMs);
      answer(message, { units: nowMs < 5_000 ? 1 : 0, nowMs: nowMs });
    }
    const gaps = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(250);
    expect([atMs.filter((at) => at < 5_000).length, atMs.filter((at) => at >= 5_000).length]).toEqual([20, 6]);
  });

  it("that get no answer are followed by others, and what was told is told again", () => {
    const { lease, lane, send } = leaseOf({ ...HELD, bytes: "counted" });
    send(lane(), "m1", 700);
    const first = lease.step(1_000);
    expect(first?.telemetry.flows[0]?.bytes).toBe(700);
    if (first !== null) lease.failed(first, 1_100);
    // Nothing waits and nothing is held: an object that is silent is not kept awake for figures.
    expect(lease.nextAtMs(1_100)).toBe(Infinity);
    send(lane(), "m2", { bytes: 1, nowMs: 60_000 });
    expect(lease.step(61_000)?.telemetry.flows[0]?.bytes).toBe(701);
  });

  it("end with what is held given back, a second after the last message", () => {
    const { lease, lane, send, renew, answer } = leaseOf();
    const one = lane();
    send(one, "m1", 5_000);
    renew(16, 0);
    expect(lease.nextAtMs(0)).toBe(1_000);
    const last = lease.step(1_000);
    const ofBytes = last?.lease.flows.find(({ flow }) => flow.endsWith("/bytes"));
    expect(ofBytes).toMatchObject({ tokensWant: 0, tokensHeld: 0, tokensReturned: 11 });
    if (last !== null) answer(last, { units: 0, nowMs: 1_000 });
    expect(lease.nextAtMs(1_000)).toBe(Infinity);
  });

  it("are one for a lone small message, which is told as it is asked for, once", () => {
    const { lease, flow, lane, send, sent, answer } = leaseOf();
    const one = lane();
    const told: number[] = [];
    for (let nowMs = 0; nowMs < 60_000; nowMs += 20_000) {
      send(one, `m${nowMs + 1}`, { bytes: 200, nowMs: nowMs });
      const message = lease.step(nowMs);
      told.push(message?.telemetry.flows[0]?.bytes ?? 0);
      if (message !== null) answer(message, { units: 1, nowMs: nowMs });
      expect([lease.step(nowMs + 1_000), lease.nextAtMs(nowMs + 1_000)]).toEqual([null, Infinity]);
    }
    expect([sent.length, told]).toEqual([3, [200, 200, 200]]);
    // What was told and never went makes up for what goes later.
    send(one, "lost1", { bytes: 300, nowMs: 60_000 });
    const lost = lease.step(60_000);
    expect(lost?.telemetry.flows[0]?.bytes).toBe(300);
    one.clear();
    if (lost !== null) answer(lost, { units: 1, nowMs: 60_000 });
    send(one, "m5", { bytes: 250, nowMs: 60_100 });
    expect([sent.length, flow.isWaiting]).toEqual([4, false]);
    expect(lease.step(61_200)).toBe(null);
  });
});

it("lanes that were cleared are not kept, however many come and go while others wait", () => {
  const { flow, lane, send } = leaseOf();
  const heap = new LaneHeap();
  const random = seededRandom(1);
  let mostLanes = 0;
  const waiting: Lane[] = [];
  for (let count = 0; count < 10_000; count += 1) {
    const one = lane();
    send(one, "x1", 1_000_000);
    one.tag = random.below(1_000);
    heap.push(one);
    waiting.push(one);
    if (waiting.length > 50) waiting.splice(random.below(50), 1)[0]?.clear();
    mostLanes = Math.max(mostLanes, heap.length);
  }
  expect(mostLanes).toBeLessThanOrEqual(128);
  const tags: number[] = [];
  for (let first = heap.first; first !== undefined; first = heap.first) {
    tags.push(first.tag);
    heap.pop();
  }
  expect(tags).toEqual(waiting.map(({ tag }) => tag).toSorted((a, b) => a - b));
  expect(flow.isWaiting).toBe(true);
});
