import { describe, expect, it } from "vitest";
import { Fleet } from "#durable/pool/fleet/fleet.ts";
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
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

describe("canary: the simulation catches a fleet that", () => {
  it.for([
    { name: "calls before it has written down", maker: { make: SOUND.make, callsFirst: true }, says: "never written down" },
    { name: "keeps a failed unit in service", maker: { make: (rows) => new DeafToFailures(rows) }, says: "its unit is not ready" },
    { name: "forgets to stop what it gave up", maker: { make: (rows) => new NeverStops(rows) }, says: "the pool has not known it" },
    { name: "pays any price", maker: { make: (rows) => new Spendthrift(rows) }, says: "an hour, at most" },
    { name: "believes whoever says that it is ready", maker: { make: (rows) => new Trusting(rows) }, says: "answers nobody" },
    { name: "gives a shard more slots than its unit has", maker: { make: (rows) => new Oversized(rows) }, says: "slots, its unit" },
  ] satisfies { name: string; maker: FleetMaker; says: string }[])("$name", { timeout: 120_000 }, ({ maker, says }) => {
    expect(firstFailure(maker, 100)).toContain(says);
  });
});
