import { describe, expect, it } from "vitest";
import { Fleet } from "#durable/pool/fleet/fleet.ts";
import { BACKOFF, FLEET } from "#durable/pool/fleet/fleet-settings.ts";
import { NO_FLEET_FACTS, type FleetRows } from "#durable/pool/fleet/fleet-state.ts";
import type { FleetInput, FleetPolicy } from "#durable/pool/fleet/follow-plan.ts";
import type { CapacityOffer, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";

const OFFER: CapacityOffer = { offerId: "o", region: null, slotsMax: 50, pricePerHour: 1, availableCount: null };
const POLICY: FleetPolicy = {
  service: "svc",
  shardSlots: 50,
  sizeMin: 10,
  sizeMax: 50,
  countMax: 10,
  countLeast: 0,
  stepMax: 5,
  costPerHourMax: 10,
  startMs: 10 * SECOND_MS,
  mode: "act",
};

/** A fleet at a provider that does at once what it is asked, unless a test says otherwise. */
class World {
  readonly units = new Map<string, CapacityUnit>();
  fleet = new Fleet();
  policy = POLICY;
  offers: readonly CapacityOffer[] = [OFFER];
  nowMs = 1_000_000;
  waitingCount = 0;
  readonly out = new Map<string, number>();
  readonly refusing = new Map<string, number>();
  isListed = true;
  #number = 0;
  #rows: FleetRows = { facts: NO_FLEET_FACTS, shards: [] };

  /** One round, `afterMs` later. */
  round(afterMs = SECOND_MS): this {
    this.nowMs += afterMs;
    if (this.isListed) this.fleet.observe([...this.units.values()], this.nowMs);
    const input: FleetInput = {
      nowMs: this.nowMs,
      policy: this.policy,
      offers: this.isListed ? this.offers : null,
      waitingCount: this.waitingCount,
      refusingMs: (url) => this.refusing.get(url) ?? 0,
      slotsOut: (url) => this.out.get(url) ?? 0,
      socketsOn: () => 0,
      nextShardId: () => `s-${++this.#number}`,
    };
    this.fleet.follow(input);
    for (let pass = 0; pass < 3; pass += 1) for (const call of this.fleet.calls) this.#answer(call);
    return this;
  }

  rounds(count: number): this {
    for (let one = 0; one < count; one += 1) this.round();
    return this;
  }

  want(count: number, warmCount = 0): this {
    this.fleet.want({ count, warmCount });
    return this;
  }

  /** Every shard in service answers so much. */
  serve(requests: number, failing: readonly string[] = [], slow: readonly string[] = []): this {
    this.fleet.measure((shardId) => ({
      requests,
      failures: failing.includes(shardId) ? requests : 0,
      slow: slow.includes(shardId) ? requests : 0,
    }));
    return this;
  }

  /** Up to `count` proven shards. */
  proven(count: number, warmCount = 0): this {
    this.want(count, warmCount);
    for (let one = 0; one < 6; one += 1) this.round().serve(60);
    return this.round();
  }

  set(unitId: string, change: Partial<CapacityUnit>): void {
    const unit = this.units.get(unitId);
    if (unit !== undefined) this.units.set(unitId, { ...unit, ...change });
  }

  /** "s-1 active", without those that are gone. */
  get states(): string[] {
    return this.fleet
      .stats(this.nowMs)
      .shards.filter(({ state }) => state !== "gone")
      .map(({ shardId, state }) => `${shardId} ${state}`);
  }

  lastOf(shardId: string): string {
    const last = this.fleet
      .stats(this.nowMs)
      .shards.find((shard) => shard.shardId === shardId)
      ?.history.at(-1);
    return `${last?.to} ${last?.reason}`;
  }

  sizes(): Record<string, number> {
    return Object.fromEntries(this.fleet.table.filter(({ state }) => state === "active").map(({ shardId, size }) => [shardId, size]));
  }

  evict(): this {
    const { facts, shards, shardsGone } = this.fleet.takeChanges();
    const ids = new Set([...shards.map(({ shardId }) => shardId), ...shardsGone]);
    const kept = this.#rows.shards.filter(({ shardId }) => !ids.has(shardId));
    this.#rows = JSON.parse(JSON.stringify({ facts: facts ?? this.#rows.facts, shards: [...kept, ...shards] })) as FleetRows;
    this.fleet = new Fleet(this.#rows);
    return this;
  }

  #answer(call: Fleet["calls"][number]): void {
    const { unitId } = call;
    if (call.verb === "reserve" && !this.units.has(unitId)) {
      const { offerId, service, slots } = call.order;
      const offer = this.offers.find((one) => one.offerId === offerId);
      const pricePerHour = offer?.pricePerHour ?? 0;
      this.units.set(unitId, { unitId, offerId, service, slots, pricePerHour, state: "reserved", url: null, failure: null });
    }
    if (call.verb === "start") this.set(unitId, { state: "ready", url: `http://u/${unitId}` });
    if (call.verb === "drain") this.set(unitId, { state: "draining" });
    if (call.verb === "stop") this.units.delete(unitId);
    this.fleet.takeAnswer(call, { ok: true, value: this.units.get(unitId) ?? null }, this.nowMs);
  }
}

describe("a shard's life", () => {
  it("goes from order to end, each step with its reason", () => {
    const world = new World().proven(1);
    expect(world.states).toEqual(["s-1 active"]);
    world.want(0).rounds(2);
    const [shard] = world.fleet.stats(world.nowMs).shards;
    expect(shard?.history.map(({ to, reason }) => `${to} ${reason}`)).toEqual([
      "planned demand",
      "starting reserved",
      "warm ready",
      "canary demand",
      "active proven",
      "draining surplus",
      "gone drained",
    ]);
    expect(world.units.size).toBe(0);
  });

  it.for([
    { name: "its unit fails", change: { state: "failed" as const, failure: "exit code 1" }, want: "gone unit-failed" },
    { name: "its unit is not ready any more", change: { state: "starting" as const, url: null }, want: "gone unit-unready" },
    { name: "its unit answers elsewhere", change: { url: "http://elsewhere" }, want: "gone unit-unready" },
    { name: "its unit has no slots", change: { slots: 0 }, want: "gone unit-failed" },
    { name: "its unit's address is none", change: { url: "javascript:1" }, want: "gone unit-failed" },
    { name: "its unit has no price", change: { pricePerHour: Number.NaN }, want: "gone unit-failed" },
    { name: "its provider drains it", change: { state: "draining" as const }, want: "gone drained" },
  ])("ends where $name, without another request, and is replaced", ({ change, want }) => {
    const world = new World().proven(2);
    world.set("s-1", change);
    world.fleet.observe([...world.units.values()], world.nowMs);
    expect(world.sizes()).toEqual({ "s-2": 50 });
    world.round();
    expect(world.lastOf("s-1")).toBe(want);
    world.round(FLEET.youngMs).rounds(5);
    expect(world.states.filter((state) => !state.startsWith("s-2"))).toHaveLength(1);
  });

  it("ends where its unit is not listed any more; a list that cannot be had changes nothing", () => {
    const world = new World().proven(2);
    world.isListed = false;
    world.units.delete("s-1");
    expect(world.round().states).toEqual(["s-1 active", "s-2 active"]);
    world.isListed = true;
    world.round();
    expect(world.lastOf("s-1")).toBe("gone unit-gone");
  });

  it("goes on after an eviction at any step as if there had been none", () => {
    const [plain, evicted] = [new World(), new World()];
    for (const world of [plain, evicted]) world.want(3, 1);
    for (let step = 0; step < 12; step += 1) {
      plain.round().serve(20);
      evicted.evict().round().serve(20);
    }
    expect(evicted.evict().fleet.stats(evicted.nowMs)).toEqual(plain.fleet.stats(plain.nowMs));
    expect(evicted.fleet.table).toEqual(plain.fleet.table);
  });

  it("is given up where the provider never answers the order, or the unit never comes up", () => {
    const world = new World().want(1);
    const { nowMs } = world;
    world.fleet.follow({ ...inputOf(world), nextShardId: () => "s-x" });
    world.fleet.follow({ ...inputOf(world), nowMs: nowMs + FLEET.orderMsMax, offers: null });
    expect(world.lastOf("s-x")).toBe("gone no-answer");
    const other = new World().want(1);
    other.fleet.follow({ ...inputOf(other), nextShardId: () => "s-y" });
    const unit = {
      unitId: "s-y",
      offerId: "o",
      service: "svc",
      state: "starting" as const,
      url: null,
      slots: 50,
      pricePerHour: 1,
      failure: null,
    };
    other.fleet.observe([unit], other.nowMs);
    other.fleet.follow({ ...inputOf(other), nowMs: other.nowMs + FLEET.startMsMin, offers: null });
    expect(other.lastOf("s-y")).toBe("gone start-timeout");
    expect(other.fleet.calls).toEqual([{ verb: "stop", unitId: "s-y" }]);
  });

  it("stops what nobody ordered, and counts it", () => {
    const world = new World().proven(1);
    world.units.set("else", {
      unitId: "else",
      offerId: "o",
      service: "svc",
      state: "ready",
      url: "http://x",
      slots: 5,
      pricePerHour: 1,
      failure: null,
    });
    world.round();
    expect([...world.units.keys()]).toEqual(["s-1"]);
    expect(world.fleet.stats(world.nowMs).strayCount).toBe(1);
  });
});

it("has as many shards as it is to have at least before anything is planned, and asleep", () => {
  const world = new World();
  world.policy = { ...world.policy, countLeast: 3 };
  expect(world.rounds(3).states).toEqual(["s-1 canary", "s-2 canary", "s-3 canary"]);
  const asleep = new World().proven(2).want(0);
  asleep.policy = { ...asleep.policy, countLeast: 1 };
  expect(asleep.rounds(3).states).toEqual(["s-1 active"]);
});

describe("a unit that refuses connections", () => {
  it("is ended and replaced, though its provider says that it is ready", () => {
    const world = new World().proven(2);
    world.refusing.set("http://u/s-1", FLEET.refusingMsMax - 1);
    expect(world.round().states).toEqual(["s-1 active", "s-2 active"]);
    world.refusing.set("http://u/s-1", FLEET.refusingMsMax);
    world.round();
    expect(world.lastOf("s-1")).toBe("gone unit-refuses");
    expect(Object.keys(world.sizes())).toEqual(["s-2"]);
    expect(world.units.has("s-1")).toBe(false);
    world.round(BACKOFF.msMax).rounds(3);
    expect(world.states).toEqual(["s-2 active", "s-3 canary"]);
  });

  it("is ended, though its provider does not answer", () => {
    const world = new World().proven(2);
    world.isListed = false;
    world.refusing.set("http://u/s-1", FLEET.refusingMsMax);
    expect(Object.keys(world.round().sizes())).toEqual(["s-2"]);
  });
});

describe("a canary", () => {
  it("has a fifth of its slots beside active ones, and all where it is alone", () => {
    const world = new World().want(1).round().round();
    expect(world.states).toEqual(["s-1 canary"]);
    expect(world.sizes()).toEqual({ "s-1": 50 });
    world.proven(1).want(2).rounds(2);
    expect(world.sizes()).toEqual({ "s-1": 50, "s-2": 10 });
  });

  it("has more with every answer that is as good as its siblings', and less again with one that is worse", () => {
    const world = new World().proven(1).want(2).rounds(2);
    expect(world.serve(20).round().sizes()).toEqual({ "s-1": 50, "s-2": 30 });
    expect(world.serve(20).round().sizes()).toEqual({ "s-1": 50, "s-2": 50 });
    const other = new World().proven(1).want(2).rounds(2);
    other.serve(20).round();
    expect(other.serve(3, ["s-2"]).round().sizes()).toEqual({ "s-1": 50, "s-2": 10 });
  });

  it("has its part of what all may have at stake, and beside that what it has shown", () => {
    const world = new World().proven(1).want(5).rounds(2);
    // A quarter of 50, in four.
    expect(Object.values(world.sizes())).toEqual([50, 3, 3, 3, 3]);
    expect(Object.values(world.serve(20).round().sizes())).toEqual([50, 23, 23, 23, 23]);
  });

  it.for([
    { name: "errors", failing: ["s-2"], slow: [], says: /^40 of 40 answers failed, its siblings' 0 of 40$/ },
    { name: "latency", failing: [], slow: ["s-2"], says: /^40 of 40 answers were slow, its siblings' 0 of 40$/ },
  ])(
    "that is worse by $name is rolled back with the reason; its offer rests, twice as long the next time",
    ({ name, failing, slow, says }) => {
      const world = new World().proven(1).want(2).rounds(2);
      world.serve(40, failing, slow).round();
      const shard = world.fleet.stats(world.nowMs).shards.find(({ shardId }) => shardId === "s-2");
      const rolledBack = shard?.history.find(({ to }) => to === "draining");
      expect(rolledBack?.reason).toBe(name);
      expect(rolledBack?.detail).toMatch(says);
      expect(world.sizes()).toEqual({ "s-1": 50 });
      expect(world.fleet.stats(world.nowMs).resting).toMatchObject([{ offerId: "o", failureCount: 1 }]);
      expect(world.round(BACKOFF.baseMs - 2 * SECOND_MS).states).toEqual(["s-1 active"]);
      world.rounds(3);
      expect(world.states).toContain("s-3 canary");
      world.serve(40, ["s-3"]).round();
      expect(world.fleet.stats(world.nowMs).resting[0]?.forMs).toBe(2 * BACKOFF.baseMs);
      // One that proves itself ends the failures.
      world
        .round(2 * BACKOFF.baseMs)
        .rounds(2)
        .serve(60)
        .round();
      expect(world.fleet.stats(world.nowMs).resting).toEqual([]);
      world.want(3).rounds(2);
      expect(world.states).toHaveLength(3);
    },
  );
});

describe("a fleet", () => {
  it("keeps warm shards beside, which serve first; one that drained becomes warm again", () => {
    const world = new World().proven(2, 1);
    expect(world.states).toEqual(["s-1 active", "s-2 active", "s-3 warm"]);
    world.want(3, 1).round();
    expect(world.states).toContain("s-3 canary");
    world.proven(3, 1).want(2, 2).rounds(3);
    expect(world.units.size).toBe(4);
    expect(world.fleet.stats(world.nowMs).transitions["warm drained"]).toBe(1);
  });

  it("takes back what drains before it orders anew, as long as its unit was not told", () => {
    const world = new World().proven(3);
    world.out.set("http://u/s-3", 5);
    world.want(2).round();
    expect(world.states).toContain("s-3 draining");
    world.want(3).round();
    expect(world.lastOf("s-3")).toBe("active came-back");
    world.want(2).round().round(FLEET.comeBackMs).rounds(2);
    expect(world.units.get("s-3")?.state).toBe("draining");
    world.want(3).rounds(2);
    expect(world.states).toContain("s-4 canary");
    world.out.delete("http://u/s-3");
    world.round();
    expect(world.units.has("s-3")).toBe(false);
  });

  it("drains the most expendable where prices rise above what may be paid", () => {
    const world = new World();
    world.policy = { ...POLICY, costPerHourMax: 4 };
    world.proven(3, 1);
    world.set("s-2", { pricePerHour: 2 });
    world.rounds(2);
    // The warm one goes first.
    expect(world.states).toEqual(["s-1 active", "s-2 active", "s-3 active"]);
    world.set("s-2", { pricePerHour: 3 });
    world.rounds(3);
    expect(world.lastOf("s-2")).toBe("gone drained");
    expect(world.fleet.costPerHour).toBeLessThanOrEqual(4);
  });

  it("orders no more than countMax, the budget and the offer have; the cheapest slots first", () => {
    const world = new World().want(9);
    world.policy = { ...POLICY, costPerHourMax: 3.5, stepMax: 20 };
    world.offers = [
      { ...OFFER, pricePerHour: 2 },
      { ...OFFER, offerId: "cheap", slotsMax: 25, pricePerHour: 0.5, availableCount: 3 },
    ];
    world.rounds(3);
    const orders = world.fleet.stats(world.nowMs).shards.map(({ offerId, slotsMax }) => `${offerId} ${slotsMax}`);
    expect(orders).toEqual(["cheap 25", "cheap 25", "cheap 25", "o 50"]);
    world.policy = { ...world.policy, costPerHourMax: 100, countMax: 5 };
    expect(world.rounds(3).states).toHaveLength(5);
  });

  it("takes units a little smaller than what the plan counts for whole ones, and learns how long they took", () => {
    const world = new World();
    world.offers = [{ ...OFFER, slotsMax: 48 }];
    world.proven(2);
    expect(world.states).toHaveLength(2);
    expect(world.fleet.countsFor(50)).toEqual({ count: 2, readyCount: 2 });
    expect(world.fleet.takeStarts()).toEqual([0, 0]);
    expect(world.fleet.takeStarts()).toEqual([]);
  });

  it("resizes in place: what is left shares what is wanted, within the smallest size and what each unit has", () => {
    const world = new World();
    world.policy = { ...POLICY, shardSlots: 40 };
    world.proven(3);
    expect(world.sizes()).toEqual({ "s-1": 40, "s-2": 40, "s-3": 40 });
    world.offers = [];
    world.set("s-1", { state: "failed" });
    world.round();
    expect(world.sizes()).toEqual({ "s-2": 50, "s-3": 50 });
    world.set("s-2", { slots: 30 });
    world.round();
    expect(world.sizes()).toEqual({ "s-2": 30, "s-3": 50 });
    // Smaller ones are wanted from here on: what is there has more as far as it is wanted, and no further.
    world.policy = { ...world.policy, sizeMax: 20 };
    expect(world.round().sizes()).toEqual({ "s-2": 30, "s-3": 50 });
    world.policy = { ...world.policy, shardSlots: 20 };
    world.fleet.resize(40, 20);
    expect(world.round().sizes()).toEqual({ "s-2": 30, "s-3": 50 });
    expect(world.want(3).round().sizes()).toEqual({ "s-2": 30, "s-3": 30 });
  });

  it("asleep is woken by whoever waits, and stays awake until the plan knows", () => {
    const world = new World().want(0).rounds(3);
    expect(world.states).toEqual([]);
    world.waitingCount = 1;
    world.round();
    expect(world.fleet.awaited({ nowMs: world.nowMs, startMs: 12_000, isShort: false })?.line).toMatch(
      /first shard is starting|no shard yet/,
    );
    world.waitingCount = 0;
    world.rounds(5);
    expect(world.states).toEqual(["s-1 canary"]);
    expect(world.fleet.stats(world.nowMs).transitions["planned first-request"]).toBe(1);
    world.round(MINUTE_MS).rounds(3);
    expect(world.states).toEqual([]);
  });

  it("on hold orders and drains nothing; what fails leaves; at its end all goes", () => {
    const world = new World().proven(2, 1);
    world.policy = { ...POLICY, mode: "hold" };
    world.want(5).rounds(3);
    world.want(0).rounds(3);
    expect(world.states).toEqual(["s-1 active", "s-2 active", "s-3 warm"]);
    world.set("s-1", { state: "failed" });
    expect(world.rounds(2).states).toEqual(["s-2 active", "s-3 warm"]);
    world.policy = { ...POLICY, mode: "end" };
    world.rounds(3);
    expect(world.fleet.isEmpty).toBe(true);
    expect(world.units.size).toBe(0);
  });
});

function inputOf(world: World): FleetInput {
  return {
    nowMs: world.nowMs,
    policy: world.policy,
    offers: world.offers,
    waitingCount: 0,
    refusingMs: () => 0,
    slotsOut: () => 0,
    socketsOn: () => 0,
    nextShardId: () => "s-z",
  };
}
