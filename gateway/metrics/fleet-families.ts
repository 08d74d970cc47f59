// The lives of the pools' shards, where their plan is done. Labels are bounded: services, seven states, a closed list of reasons.
import { FLEET_STATES, type FleetStats } from "#shared/protocol/fleet-stats.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import type { Family } from "./prometheus-text.ts";

export function fleetFamilies(pools: readonly Pick<PoolStats, "service" | "fleet">[]): Family[] {
  const fleets = pools.flatMap(({ service, fleet }) => (fleet === null ? [] : [{ service, fleet }]));
  const gauge = (name: string, help: string, value: (fleet: FleetStats) => number): Family => ({
    name: `tidegate_fleet_${name}`,
    type: "gauge",
    help,
    samples: fleets.map(({ service, fleet }) => ({ labels: { service }, value: value(fleet) })),
  });
  return [
    {
      name: "tidegate_fleet_shards",
      type: "gauge",
      help: "Shards by the state of their life; those that are gone are counted in the transitions.",
      samples: fleets.flatMap(({ service, fleet: { shards } }) =>
        FLEET_STATES.filter((state) => state !== "gone").map((state) => ({
          labels: { service, state },
          value: shards.filter((shard) => shard.state === state).length,
        })),
      ),
    },
    gauge("slots", "Slots of the shards in service.", ({ shards }) => shards.reduce((sum, { size }) => sum + size, 0)),
    gauge(
      "cost_per_hour",
      "Of all units that cost something, at the prices that their provider last said.",
      ({ costPerHour }) => costPerHour,
    ),
    gauge("resting_offers", "Offers that rest after failures of their units.", ({ resting }) => resting.length),
    {
      name: "tidegate_fleet_transitions_total",
      type: "counter",
      help: "How often a shard came into a state, by the reason.",
      samples: fleets.flatMap(({ service, fleet: { transitions } }) =>
        Object.entries(transitions).map(([key, value]) => {
          const [to = "", reason = ""] = key.split(" ");
          return { labels: { service, to, reason }, value };
        }),
      ),
    },
    {
      name: "tidegate_fleet_strays_total",
      type: "counter",
      help: "Units that ran without a shard of theirs, and were stopped.",
      samples: fleets.map(({ service, fleet }) => ({ labels: { service }, value: fleet.strayCount })),
    },
  ];
}
