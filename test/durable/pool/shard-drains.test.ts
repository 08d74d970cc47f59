// Whose turn it is: one shard at a time, none for ever in another's way, and what was turned back is told so.
import { describe, expect, it } from "vitest";
import type { PoolShard } from "#durable/pool/layout.ts";
import { ShardDrains } from "#durable/pool/shard-drains.ts";

const HOW = { reason: "drain", graceMs: 10_000 };
const EMPTY = { isDraining: true, sessions: 0, connections: 0, plainSockets: 0 };
const shard = (shardId: string, state: PoolShard["state"] = "active"): PoolShard => ({
  shardId,
  endpointUrl: "https://e",
  size: 10,
  state,
});
const statesOf = (drains: ShardDrains) => drains.all.map(({ shardId, state }) => `${shardId} ${state}`);

describe("drains", () => {
  it("take turns: the next one begins when no device is on its way any more", () => {
    const drains = new ShardDrains();
    drains.order(["a", "b"], HOW);
    expect(drains.next(0)).toBe("a");
    drains.started("a", { replacement: "c", nowMs: 0 });
    expect(drains.next(0)).toBeNull();
    drains.heard("a", { ...EMPTY, sessions: 3, connections: 1 });
    expect(drains.next(1_000)).toBeNull();
    // Two whose devices are away hold nobody up.
    drains.heard("a", { ...EMPTY, sessions: 2 });
    expect(drains.next(1_000)).toBe("b");
    drains.heard("a", { ...EMPTY, plainSockets: 1 });
    expect(drains.next(1_000)).toBeNull();
  });

  it("do not wait longer for a shard than its grace and five seconds", () => {
    const drains = new ShardDrains();
    drains.order(["a", "b"], HOW);
    drains.started("a", { replacement: null, nowMs: 0 });
    drains.heard("a", { ...EMPTY, connections: 1 });
    expect(drains.next(14_999)).toBeNull();
    expect(drains.next(15_000)).toBe("b");
  });

  it("tell devices that stayed again, a minute after their grace", () => {
    const drains = new ShardDrains();
    drains.order(["a"], HOW);
    drains.started("a", { replacement: null, nowMs: 0 });
    const isToBeTold = (nowMs: number) => drains.all.map((drain) => drains.isToBeTold(drain, nowMs));
    expect(isToBeTold(0)).toEqual([true]);
    drains.told("a", 0);
    expect([isToBeTold(69_999), isToBeTold(70_000)]).toEqual([[false], [true]]);
  });

  it("follow the table: gone is drained, in use again is told so, and an endpoint that left waits for no turn", () => {
    const drains = new ShardDrains();
    drains.order(["a", "b"], HOW);
    drains.started("a", { replacement: null, nowMs: 0 });
    drains.follow([shard("b"), shard("x", "draining")], 5);
    expect(statesOf(drains)).toEqual(["a drained", "b waiting", "x draining"]);
    expect(drains.find("x")).toMatchObject({ reason: "move", startedAtMs: 5 });
    drains.follow([shard("b"), shard("x")], 6);
    expect(statesOf(drains)).toEqual(["a drained", "b waiting", "x returning"]);
  });

  it("change nothing that would have to be written while nothing happens", () => {
    const drains = new ShardDrains();
    drains.order(["a"], HOW);
    drains.started("a", { replacement: null, nowMs: 0 });
    const before = drains.all;
    drains.follow([shard("a", "draining")], 1);
    drains.heard("a", EMPTY);
    drains.forget("b");
    expect(drains.all).toBe(before);
  });

  it("are forgotten when a new order begins, and not before", () => {
    const drains = new ShardDrains();
    drains.order(["a", "b"], HOW);
    drains.follow([shard("b")], 0);
    drains.order(["b", "c"], HOW);
    expect(statesOf(drains)).toEqual(["a drained", "b waiting", "c waiting"]);
    drains.follow([], 0);
    expect(drains.isActive).toBe(false);
    drains.order(["d"], HOW);
    expect(statesOf(drains)).toEqual(["d waiting"]);
  });
});
