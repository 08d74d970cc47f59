// What a Shard object tells its pool of its sockets' messages while the pool does not answer: told until it is heard, also by another life.
import { expect, it } from "vitest";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { UntoldReports } from "#durable/shard/untold-reports.ts";
import type { RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";

const FLOW = "acme/gold";
const PACE = { flow: FLOW, version: 1, bytes: "counted", isTimed: false } as const;

/** A Shard object's disk, and its lives one after the other. */
function shard() {
  const disk = new Map<string, FlowTelemetry>();
  const store = {
    untold: () => [...disk.values()],
    putUntold: (told: FlowTelemetry) => void disk.set(told.flow, told),
    dropUntold: (flow: string) => void disk.delete(flow),
  };
  const begin = (life: string) => {
    const lease = new ShardLease(life, () => {});
    lease.note("echo", PACE);
    const untold = new UntoldReports(store, (flow) => lease.find(flow));
    untold.load();
    const say = (bytes: number, nowMs: number): void =>
      lease
        .find(FLOW)
        ?.lane("device")
        .send({ bytes, run: () => undefined }, nowMs);
    const renew = (nowMs: number): RenewMessage => {
      const message = lease.step(nowMs);
      if (message === null) throw new Error("a renewal is due");
      untold.sent(message.telemetry.flows);
      return message;
    };
    const fail = (message: RenewMessage, nowMs: number): void => {
      lease.failed(message, nowMs);
      untold.failed(message.telemetry.flows);
    };
    const answer = (message: RenewMessage, nowMs: number): void => {
      const { sequence } = message.lease;
      const granted = { ok: true, sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows: [], lanes: [] } as const;
      lease.apply({ lease: granted, table: null, sheds: [], left: [], isContended: false, configurationVersion: 1 }, nowMs);
      untold.answered(message.telemetry.flows);
    };
    return { say, renew, fail, answer };
  };
  /** With the first message of a life. */
  const toldNext = (life: string): number => {
    const { say, renew, answer } = begin(life);
    say(10, 100_000);
    const message = renew(101_000);
    answer(message, 101_010);
    return bytesOf(message);
  };
  return { begin, toldNext, rows: () => disk.size };
}

const bytesOf = ({ telemetry }: RenewMessage): number => telemetry.flows[0]?.bytes ?? 0;

/** The second renewal is sent while nobody has answered the first. */
function twoUnderWay() {
  const of = shard();
  const life = of.begin("first");
  life.say(1_000, 0);
  const first = life.renew(1_000);
  life.say(2_000, 1_500);
  const second = life.renew(3_000);
  expect([first, second].map(bytesOf)).toEqual([1_000, 2_000]);
  return { ...of, ...life, first, second };
}

it("what two renewals told that failed one after the other is told by the next life, all of it, once", () => {
  const { first, second, fail, toldNext, rows } = twoUnderWay();
  fail(first, 3_500);
  fail(second, 3_510);
  expect([toldNext("next"), rows(), toldNext("last")]).toEqual([3_010, 0, 10]);
});

it("what a renewal told that failed is told by the next life though a later one was answered, which did not tell it", () => {
  const { first, second, fail, answer, toldNext, rows } = twoUnderWay();
  fail(first, 3_500);
  answer(second, 3_510);
  expect([toldNext("next"), rows(), toldNext("last")]).toEqual([1_010, 0, 10]);
});

it("what a later one told that failed is told by the next life though an earlier one was answered", () => {
  const { first, second, fail, answer, toldNext, rows } = twoUnderWay();
  fail(second, 3_500);
  answer(first, 3_510);
  expect([toldNext("next"), rows(), toldNext("last")]).toEqual([2_010, 0, 10]);
});

it("what failed, was told again and was answered is nobody's any more", () => {
  const { first, second, say, renew, fail, answer, toldNext, rows } = twoUnderWay();
  fail(first, 3_500);
  fail(second, 3_510);
  say(100, 4_000);
  const third = renew(6_000);
  expect([bytesOf(third), rows()]).toEqual([3_100, 1]);
  answer(third, 6_010);
  expect([rows(), toldNext("next")]).toEqual([0, 10]);
});
