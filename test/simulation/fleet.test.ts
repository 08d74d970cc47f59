import { describe, expect, it } from "vitest";
import { Fleet } from "#durable/pool/fleet/fleet.ts";
import type { FleetCall } from "#durable/pool/fleet/fleet-calls.ts";
import type { CapacityOrder, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { FleetInput } from "#durable/pool/fleet/follow-plan.ts";
import { FleetSimulation, type FleetMaker } from "./fleet-simulation.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 10_000 : 200;
const STORM_MS = 300_000;
const SOUND: FleetMaker = { make: (rows) => new Fleet(rows) };

/** The first seed that fails, with what it says; null: none did. */
function firstFailure(maker: FleetMaker, seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      new FleetSimulation(seed, maker).run({ stormMs: STORM_MS });
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

describe("a fleet under faults", () => {
  it(`keeps every promise after every event, for ${SEEDS} seeds`, { timeout: 3_600_000 }, () => {
    expect(firstFailure(SOUND, SEEDS)).toBeNull();
  });

  it("replays a seed exactly", () => {
    const run = (): unknown => new FleetSimulation(7, SOUND).run({ stormMs: STORM_MS });
    expect(run()).toEqual(run());
  });
});

class DeafToFailures extends Fleet {
  override observe(units: readonly CapacityUnit[], nowMs: number): void {
    const isFailed = ({ state }: CapacityUnit): boolean => state === "failed";
    super.observe(
      units.map((unit) => (isFailed(unit) ? { ...unit, state: "ready", url: unit.url ?? "http://127.0.0.1:1", failure: null } : unit)),
      nowMs,
    );
  }
}

class NeverStops extends Fleet {
  override get calls() {
    return super.calls.filter(({ verb }) => verb !== "stop");
  }
}

class Spendthrift extends Fleet {
  override follow(input: FleetInput): boolean {
    return super.follow({ ...input, policy: { ...input.policy, costPerHourMax: 1_000 } });
  }
}

class Trusting extends Fleet {
  override measure(): void {
    // Whatever a new shard answers.
  }
}

class Oversized extends Fleet {
  override get table() {
    return super.table.map((shard) => ({ ...shard, size: shard.size + 1 }));
  }
}

/** What it finds reserved is its own to it, and started: also what it gave up, and whose order arrived after all. */
class StartsWhatItGaveUp extends Fleet {
  readonly #reserved = new Set<string>();

  override observe(units: readonly CapacityUnit[], nowMs: number): void {
    for (const { unitId, state } of units) if (state === "reserved") this.#reserved.add(unitId);
    super.observe(units, nowMs);
  }

  override get calls() {
    return super.calls.map((call): FleetCall =>
      call.verb === "stop" && this.#reserved.has(call.unitId) ? { ...call, verb: "start" } : call,
    );
  }
}

/** Its units have as many slots as were ordered, whatever they say. */
class KeepsItsSlots extends Fleet {
  readonly #ordered = new Map<string, number>();

  override observe(units: readonly CapacityUnit[], nowMs: number): void {
    for (const { unitId, slots } of units) if (!this.#ordered.has(unitId)) this.#ordered.set(unitId, slots);
    super.observe(
      units.map((unit) => ({ ...unit, slots: this.#ordered.get(unit.unitId) ?? unit.slots })),
      nowMs,
    );
  }
}

class ServesWhileDraining extends Fleet {
  override get table() {
    return super.table.map((shard) => ({ ...shard, state: "active" as const }));
  }
}

/** An offer that failed has another name the next time it looks. */
class NeverRests extends Fleet {
  #look = 0;

  override follow(input: FleetInput): boolean {
    this.#look += 1;
    const offers = input.offers?.map((offer) => ({ ...offer, offerId: `${offer.offerId}~${this.#look}` })) ?? null;
    return super.follow({ ...input, offers });
  }

  override get calls() {
    const plain = (order: CapacityOrder): CapacityOrder => ({ ...order, offerId: order.offerId.split("~")[0] ?? "" });
    return super.calls.map((call) => (call.verb === "reserve" ? { ...call, order: plain(call.order) } : call));
  }

  override stats(nowMs: number) {
    const stats = super.stats(nowMs);
    return { ...stats, shards: stats.shards.map((shard) => ({ ...shard, offerId: shard.offerId.split("~")[0] ?? "" })) };
  }
}

class WarmTwice extends Fleet {
  override want({ count, warmCount }: Parameters<Fleet["want"]>[0]): boolean {
    return super.want({ count, warmCount: warmCount === null ? null : 2 * warmCount });
  }
}

/** Warm shards are service to it. */
class WarmServes extends Fleet {
  override want({ count, warmCount }: Parameters<Fleet["want"]>[0]): boolean {
    return super.want({ count: Math.max(0, count - (warmCount ?? 0)), warmCount });
  }
}

class DeafToRefusals extends Fleet {
  override follow(input: FleetInput): boolean {
    return super.follow({ ...input, refusingMs: () => 0 });
  }
}

/** Asks for the same need again while its order is on its way. */
class OrdersTwice extends Fleet {
  override follow(input: FleetInput): boolean {
    const isShort = super.follow(input);
    const isComing = this.stats(input.nowMs).shards.some(({ state }) => state === "planned");
    const { wanted } = this;
    if (!isComing || wanted === null) return isShort;
    super.want({ count: wanted.count + 1, warmCount: wanted.warmCount });
    super.follow(input);
    super.want(wanted);
    return isShort;
  }

  wanted: { count: number; warmCount: number | null } | null = null;

  override want(wanted: Parameters<Fleet["want"]>[0]): boolean {
    this.wanted = wanted;
    return super.want(wanted);
  }
}

describe("canary: the simulation catches a fleet that", () => {
  it.for([
    { name: "calls before it has written down", maker: { make: SOUND.make, callsFirst: true }, says: "never written down" },
    { name: "keeps a failed unit in service", maker: { make: (rows) => new DeafToFailures(rows) }, says: "its unit is not ready" },
    { name: "forgets to stop what it gave up", maker: { make: (rows) => new NeverStops(rows) }, says: "the pool has not known it" },
    { name: "pays any price", maker: { make: (rows) => new Spendthrift(rows) }, says: "an hour, at most" },
    { name: "believes whoever says that it is ready", maker: { make: (rows) => new Trusting(rows) }, says: "answers nobody" },
    { name: "gives a shard more slots than its unit has", maker: { make: (rows) => new Oversized(rows) }, says: "slots, its unit" },
    { name: "starts what it gave up", maker: { make: (rows) => new StartsWhatItGaveUp(rows) }, says: "the pool has not known it" },
    { name: "gives two shards one name after an eviction", maker: { make: SOUND.make, forgetsNames: true }, says: "id is used once" },
    { name: "orders twice for one need", maker: { make: (rows) => new OrdersTwice(rows) }, says: "are wanted" },
    { name: "keeps its slots where its unit has fewer", maker: { make: (rows) => new KeepsItsSlots(rows) }, says: "its unit says" },
    {
      name: "sends requests to what drains",
      maker: { make: (rows) => new ServesWhileDraining(rows) },
      says: "has traffic and is draining",
    },
    { name: "rolls back and begins again at once", maker: { make: (rows) => new NeverRests(rows) }, says: "which has just failed" },
    { name: "keeps twice as many warm", maker: { make: (rows) => new WarmTwice(rows) }, says: "are wanted" },
    { name: "counts on warm ones as if they served", maker: { make: (rows) => new WarmServes(rows) }, says: "slots serve in the calm" },
    { name: "sends requests where nobody listens", maker: { make: (rows) => new DeafToRefusals(rows) }, says: "and refuses connections" },
  ] satisfies { name: string; maker: FleetMaker; says: string }[])("$name", { timeout: 120_000 }, ({ maker, says }) => {
    expect(firstFailure(maker, 100)).toContain(says);
  });
});
