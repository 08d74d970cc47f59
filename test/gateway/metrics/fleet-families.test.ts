import { describe, expect, it } from "vitest";
import { describeFleets, readFleets } from "#cli/fleet-status.ts";
import { fleetFamilies } from "#gateway/metrics/fleet-families.ts";
import { renderFamilies } from "#gateway/metrics/prometheus-text.ts";
import type { FleetShardStats, FleetStats } from "#shared/protocol/fleet-stats.ts";

function shardOf(shardId: string, state: FleetShardStats["state"], size: number): FleetShardStats {
  return { shardId, state, sinceMs: 0, offerId: "o", url: null, size, slotsMax: 50, pricePerHour: 1, history: [] };
}

const FLEET: FleetStats = {
  shards: [shardOf("a", "active", 50), shardOf("b", "active", 40), shardOf("c", "canary", 10), shardOf("d", "gone", 0)],
  costPerHour: 3.25,
  transitions: { "active proven": 4, "draining errors": 2, "gone unit-failed": 1 },
  strayCount: 1,
  resting: [{ offerId: "o", failureCount: 2, forMs: 10_000 }],
};

describe("the families of fleets", () => {
  const text = renderFamilies(
    fleetFamilies([
      { service: "echo", fleet: FLEET },
      { service: "shown", fleet: null },
    ]),
  );

  it("count shards by state and transitions by reason, and leave out services whose plan is only shown", () => {
    expect(text).toContain('tidegate_fleet_shards{service="echo",state="active"} 2\n');
    expect(text).toContain('tidegate_fleet_shards{service="echo",state="warm"} 0\n');
    expect(text).toContain('tidegate_fleet_transitions_total{service="echo",to="draining",reason="errors"} 2\n');
    expect(text).not.toContain("shown");
    expect(text).not.toContain('state="gone"');
  });

  it("are read back by status, with what went wrong in words", () => {
    const fleets = readFleets(text);
    expect([...fleets.keys()]).toEqual(["echo"]);
    expect(fleets.get("echo")).toMatchObject({ slots: 100, costPerHour: 3.25, restingOffers: 1, strays: 1 });
    const said = describeFleets(fleets).join("\n");
    expect(said).toMatch(/^echo +1 canary, 2 active +100 +3\.25$/m);
    expect(said).toContain("echo, since its fleet began: 2 taken out for errors, 1 failed, 1 offers at rest, 1 strays stopped");
    expect(describeFleets(new Map())).toEqual([]);
  });
});
