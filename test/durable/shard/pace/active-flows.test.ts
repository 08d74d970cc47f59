import { afterEach, describe, expect, it, vi } from "vitest";
import { ActiveFlows } from "#durable/shard/pace/active-flows.ts";
import type { Lane, Side } from "#durable/shard/pace/lane.ts";
import { PacedFlow, type FlowKeeper } from "#durable/shard/pace/paced-flow.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const paceOf = (flow: string): FlowPace => ({ flow, version: 1, bytes: "held", isTimed: false });

describe("a message of one of 1,000 flows that are active", () => {
  afterEach(() => void vi.restoreAllMocks());

  it.for([
    { name: "that has no credit", bytes: 10_000 },
    { name: "that passes", bytes: 10 },
  ])("$name is a look at its own flow", ({ bytes }) => {
    const lease = new ShardLease("holder", () => {});
    const lanes = Array.from({ length: 1_000 }, (_, index) => {
      lease.note("echo", paceOf(`t${index}/gold`));
      return lease.find(`t${index}/gold`)?.lane("device");
    });
    for (const lane of lanes) lane?.send({ bytes: 100, run: () => {} }, 0);
    const message = lease.step(0);
    if (message === null) throw new Error("a renewal is due");
    const flows = message.lease.flows.map(({ flow }) => ({ flow, slots: 0, tokens: 4, isQueued: false, named: 0 }));
    const left = lanes.map((_, index) => ({ flow: `t${index}/gold`, slots: null, tokens: null, bytes: 0, blockedMs: 0 }));
    const answered = { ok: true, sequence: message.lease.sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows, lanes: [] } as const;
    lease.apply({ lease: answered, table: null, sheds: [], left, isContended: false, configurationVersion: 1 }, 0);
    const looks = [vi.spyOn(PacedFlow.prototype, "pump"), vi.spyOn(PacedFlow.prototype, "blockedUntilMs")];
    lanes[7]?.send({ bytes, run: () => {} }, 100);
    expect(lease.step(100)).toBe(null);
    lease.nextAtMs(100);
    for (const look of looks) {
      expect(look.mock.calls.length).toBeLessThanOrEqual(2);
      expect(new Set(look.mock.contexts.map((flow) => (flow as PacedFlow).flow))).toEqual(new Set(["t7/gold"]));
    }
  });
});

describe("what is known of flows by their changes", () => {
  const FLOWS = 12;
  const ENDS_MS = 500;

  /** Plays random events; after each, all is compared with a walk over everything. Returns how often each was so. */
  function play(seed: number) {
    const random = seededRandom(seed);
    const held = new HeldLease("holder");
    const active = new ActiveFlows();
    const keeper: FlowKeeper = {
      wake: (flow) => active.add(flow),
      touch: (flow) => active.touch(flow),
      endAt: (lane, atMs) => active.endAt(lane, atMs),
    };
    const flows = Array.from({ length: FLOWS }, (_, index) => new PacedFlow(paceOf(`t${index}/gold`), held, keeper));
    const lanes = flows.flatMap((flow) => (["device", "endpoint", "endpoint"] as Side[]).map((side) => flow.lane(side)));
    const endsAtMs = new Map<Lane, number>();
    const seen = { gone: 0, ended: 0, hungry: 0, calm: 0, waiting: 0, idle: 0, timed: 0, blocked: 0 };
    let [nowMs, sequence] = [0, 0];
    const any = <T>(list: readonly T[]): T => {
      const one = list[random.below(list.length)];
      if (one === undefined) throw new Error("there is one");
      return one;
    };
    const answer = (): void => {
      const wants = flows.map((flow) => ({ flow: byteFlowOf(flow.flow), want: 0, tokensWant: flow.want(250, nowMs) }));
      sequence = held.request({ flows: wants, lanes: [] }, nowMs).sequence;
      const given = wants.map(({ flow }) => ({ flow, slots: 0, tokens: random.below(4), isQueued: false, named: 0 }));
      held.apply({ ok: true, sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows: given, lanes: [] }, nowMs);
      for (const flow of flows) {
        const blockedMs = random.below(4) === 0 ? 1 + random.below(300) : 0;
        if (flow.pace.isTimed) flow.apply({ flow: flow.flow, slots: null, tokens: null, bytes: 0, blockedMs }, nowMs);
      }
      active.stepAll(nowMs);
      for (const flow of active) flow.putAside(nowMs);
    };
    const act = (): void => {
      const lane = any(lanes);
      const flow = any(flows);
      const kind = random.below(20);
      if (kind < 8) lane.send({ bytes: 1 + random.below(3_000), sequence: random.below(100), run: () => void (seen.gone += 1) }, nowMs);
      else if (kind < 10) lane.clear();
      else if (kind < 11) lane.dropThrough(random.below(100));
      else if (kind < 13) {
        if (!lane.isEmpty && !endsAtMs.has(lane)) endsAtMs.set(lane, nowMs + ENDS_MS);
        lane.finish(() => void (seen.ended += 1), { nowMs, withinMs: ENDS_MS });
      } else if (kind < 14) {
        flow.change({ ...flow.pace, bytes: any(["held", "counted", null]), isTimed: random.below(2) === 0 });
      } else if (kind < 15) flow.spend(5, nowMs);
      else if (kind < 16) answer();
      else if (kind < 17 && flow.isIdle) active.delete(flow);
      else nowMs += random.below(120);
    };
    for (let step = 0; step < 3_000; step += 1) {
      act();
      if (random.below(2) === 0) active.step(nowMs);
      for (const lane of lanes) if (lane.isEmpty) endsAtMs.delete(lane);
      const all = [...active];
      expect(active.isHungry(nowMs), `seed ${seed}`).toBe(all.some((flow) => flow.isShort || flow.isLow));
      expect(active.isTimed(nowMs), `seed ${seed}`).toBe(all.some((flow) => flow.pace.isTimed));
      expect(active.isWaiting(nowMs), `seed ${seed}`).toBe(lanes.some((lane) => !lane.isEmpty));
      seen[active.isHungry(nowMs) ? "hungry" : "calm"] += 1;
      seen[active.isWaiting(nowMs) ? "waiting" : "idle"] += 1;
      if (active.isTimed(nowMs)) seen.timed += 1;
      active.step(nowMs);
      for (const [lane, atMs] of endsAtMs) {
        expect(lane.isEmpty || atMs > nowMs, `seed ${seed}: it has ended`).toBe(true);
        if (lane.isEmpty) endsAtMs.delete(lane);
      }
      const blockedMs = all.map((flow) => flow.blockedUntilMs(nowMs) ?? Infinity);
      if (Math.min(...blockedMs) < Infinity) seen.blocked += 1;
      expect(active.dueAtMs(nowMs), `seed ${seed}`).toBe(Math.min(Infinity, ...endsAtMs.values(), ...blockedMs));
      const { gone, ended } = seen;
      for (const flow of flows) flow.pump(nowMs);
      expect([seen.gone, seen.ended], `seed ${seed}: nothing more may go`).toEqual([gone, ended]);
    }
    return seen;
  }

  it("is what a walk over all of them finds, for 20 seeds", () => {
    const sums: Record<string, number> = {};
    for (let seed = 1; seed <= 20; seed += 1)
      for (const [what, count] of Object.entries(play(seed))) sums[what] = (sums[what] ?? 0) + count;
    for (const [what, count] of Object.entries(sums)) expect(count, what).toBeGreaterThan(300);
  });
});
