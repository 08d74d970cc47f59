// What the pools forecast and plan, and what that was worth. Labels are bounded: services, two signals, three horizons.
import type { HorizonStats, PlanStats } from "#shared/protocol/demand-stats.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import { HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import type { Family, Sample } from "./prometheus-text.ts";

type Pools = readonly Pick<PoolStats, "service" | "demand">[];

export function demandFamilies(pools: Pools): Family[] {
  return [...measuredFamilies(pools), ...forecastFamilies(pools), ...planFamilies(pools)];
}

function measuredFamilies(pools: Pools): Family[] {
  const seen = pools.filter(({ demand }) => demand.binCount > 0);
  return [
    {
      name: "tidegate_demand_arrivals_per_second",
      type: "gauge",
      help: "Requests and sockets that came, in the last ten seconds that are complete.",
      samples: seen.map(({ service, demand }) => ({ labels: { service }, value: demand.arrivalsPerSecond })),
    },
    {
      name: "tidegate_demand_slots",
      type: "gauge",
      help: "Slots wanted, served or not, in the last ten seconds that are complete.",
      samples: seen.map(({ service, demand }) => ({ labels: { service }, value: demand.slotsWanted })),
    },
    {
      name: "tidegate_demand_bins_total",
      type: "counter",
      help: "Ten-second bins of demand that the forecaster has observed.",
      samples: pools.map(({ service, demand }) => ({ labels: { service }, value: demand.binCount })),
    },
    {
      name: "tidegate_demand_restarts_total",
      type: "counter",
      help: "Stored states of forecaster and planner that were refused and begun afresh, by reason.",
      samples: pools.flatMap(({ service, demand }) =>
        Object.entries(demand.restarts).map(([key, value]) => {
          const [part = "", reason = ""] = key.split(" ");
          return { labels: { service, part, reason }, value };
        }),
      ),
    },
    {
      name: "tidegate_demand_failed",
      type: "gauge",
      help: "1 where forecast and plan broke and rest until the pool restarts; admission goes on.",
      samples: pools.map(({ service, demand }) => ({ labels: { service }, value: Number(demand.hasFailed) })),
    },
  ];
}

function forecastFamilies(pools: Pools): Family[] {
  const gauge = (name: string, help: string, value: (of: HorizonStats) => number): Family => ({
    name: `tidegate_forecast_${name}`,
    type: "gauge",
    help,
    samples: pools.flatMap(({ service, demand }) =>
      demand.horizons.flatMap((horizon) =>
        known({ labels: { service, signal: horizon.signal, horizon: horizonLabel(horizon.horizonMs) }, value: value(horizon) }),
      ),
    ),
  });
  return [
    gauge("mean", "Demand expected so far ahead: arrivals per second, or slots.", ({ mean }) => mean),
    gauge("lower", "Lower end of its 95 % interval.", ({ lower }) => lower),
    gauge("upper", "Upper end of its 95 % interval.", ({ upper }) => upper),
    gauge("coverage_ratio", "Part of the last week that the 95 % interval held.", ({ coverageRatio }) => coverageRatio),
    gauge("width_ratio", "Mean width of the 95 % interval, of mean demand, over the last week.", ({ widthRatio }) => widthRatio),
    gauge(
      "pinball_ratio",
      "Mean pinball loss of median and interval, of mean demand, over the last week.",
      ({ pinballRatio }) => pinballRatio,
    ),
    gauge("wape_ratio", "Sum of absolute errors, of the sum of demand, over the last week.", ({ wape }) => wape),
    gauge("persistence_wape_ratio", "The same of persistence from the same origins.", ({ persistenceWape }) => persistenceWape),
    gauge("seasonal_naive_wape_ratio", "The same of the day before.", ({ seasonalWape }) => seasonalWape),
    gauge("bias_ratio", "Sum of forecast minus demand, of the sum of demand, over the last week.", ({ biasRatio }) => biasRatio),
    gauge("yields", "1 where persistence was better over a week, and is what is said.", ({ yields }) => Number(yields)),
  ];
}

function planFamilies(pools: Pools): Family[] {
  const plans = pools.flatMap(({ service, demand: { plan } }) => (plan === null ? [] : [{ service, plan }]));
  const family = (name: string, help: string, value: (plan: PlanStats) => number): Family => ({
    name: `tidegate_plan_${name}`,
    type: name.endsWith("_total") ? "counter" : "gauge",
    help,
    samples: plans.flatMap(({ service, plan }) => known({ labels: { service, mode: plan.mode }, value: value(plan) })),
  });
  return [
    family("shards", "Shards that the plan would have; in mode act the fleet follows it, in shadow nothing does.", ({ count }) => count),
    family("warm_shards", "Shards started ahead of need, beside them.", ({ warmCount }) => warmCount),
    family("shard_slots", "Slots of one shard, as the plan counts them.", ({ shardSlots }) => shardSlots),
    family(
      "shortfall_ratio",
      "What the plan would have left unserved, of what was wanted, over about two weeks.",
      ({ seenShortfallRatio }) => seenShortfallRatio,
    ),
    family(
      "expected_shortfall_ratio",
      "What replays of the ruling setting left unserved, of what was wanted.",
      ({ expectedShortfallRatio }) => expectedShortfallRatio,
    ),
    family("attainable", "0 where no setting holds the accepted shortfall at a price it is worth.", ({ isAttainable }) =>
      Number(isAttainable),
    ),
    family("cost_per_hour", "Of the planned and warm shards, at the endpoints' prices.", ({ costPerHour }) => costPerHour),
    family(
      "shard_seconds_total",
      "Planned and warm shards, times seconds: over the wanted ones, what a plan costs.",
      ({ plannedShardSeconds }) => plannedShardSeconds,
    ),
    family("wanted_shard_seconds_total", "Slots wanted, in shards, times seconds.", ({ wantedShardSeconds }) => wantedShardSeconds),
  ];
}

/** What was never judged is not shown as a number, nor what is a part of a demand that was none. */
function known(sample: Sample): Sample[] {
  return Number.isFinite(sample.value) ? [sample] : [];
}

function horizonLabel(horizonMs: number): string {
  return horizonMs >= HOUR_MS ? `${horizonMs / HOUR_MS}h` : `${horizonMs / MINUTE_MS}m`;
}
