// What the gateway's metrics say of one service's demand, forecast and plan.
import { readMetrics } from "./metrics-text.ts";
import { formatTable } from "./table.ts";

/** Null: not judged yet. */
interface HorizonStatus {
  readonly signal: string;
  readonly horizon: string;
  /** Arrivals per second, or slots. */
  readonly mean: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly coverageRatio: number | null;
  readonly widthRatio: number | null;
  readonly pinballRatio: number | null;
  readonly wape: number | null;
  readonly persistenceWape: number | null;
  readonly seasonalNaiveWape: number | null;
  readonly biasRatio: number | null;
  readonly yields: boolean;
}

interface PlanStatus {
  readonly mode: string;
  readonly shards: number;
  readonly warmShards: number;
  readonly shardSlots: number;
  /** Null: nothing was wanted yet. */
  readonly shortfallRatio: number | null;
  readonly expectedShortfallRatio: number;
  readonly isAttainable: boolean;
  readonly costPerHour: number;
  /** Shards planned ÷ shards' worth of slots wanted, since the first plan; null: nothing was wanted yet. */
  readonly costToWanted: number | null;
}

export interface DemandStatus {
  readonly arrivalsPerSecond: number;
  readonly slotsWanted: number;
  readonly horizons: readonly HorizonStatus[];
  /** Null: none since the pool started. */
  readonly plan: PlanStatus | null;
  readonly hasFailed: boolean;
}

/** By service; one without demand so far is left out. */
export function readDemand(text: string): Map<string, DemandStatus> {
  const metrics = readMetrics(text);
  const valueOf = (metric: string, wanted: Readonly<Record<string, string>>): number | null =>
    metrics.get(metric)?.find(({ labels }) => Object.entries(wanted).every(([label, value]) => labels.get(label) === value))?.value ?? null;
  const horizonsOf = (service: string): HorizonStatus[] =>
    (metrics.get("tidegate_forecast_mean") ?? [])
      .filter(({ labels }) => labels.get("service") === service)
      .map(({ labels, value: mean }) => {
        const [signal = "", horizon = ""] = [labels.get("signal"), labels.get("horizon")];
        const of = (name: string): number | null => valueOf(`tidegate_forecast_${name}`, { service, signal, horizon });
        return {
          signal,
          horizon,
          mean,
          lower: of("lower"),
          upper: of("upper"),
          coverageRatio: of("coverage_ratio"),
          widthRatio: of("width_ratio"),
          pinballRatio: of("pinball_ratio"),
          wape: of("wape_ratio"),
          persistenceWape: of("persistence_wape_ratio"),
          seasonalNaiveWape: of("seasonal_naive_wape_ratio"),
          biasRatio: of("bias_ratio"),
          yields: of("yields") === 1,
        };
      });
  const planOf = (service: string): PlanStatus | null => {
    const planned = metrics.get("tidegate_plan_shards")?.find(({ labels }) => labels.get("service") === service);
    if (planned === undefined) return null;
    const of = (name: string): number | null => valueOf(`tidegate_plan_${name}`, { service });
    const [paid, wanted] = [of("shard_seconds_total"), of("wanted_shard_seconds_total")];
    return {
      mode: planned.labels.get("mode") ?? "",
      shards: planned.value,
      warmShards: of("warm_shards") ?? 0,
      shardSlots: of("shard_slots") ?? 0,
      shortfallRatio: of("shortfall_ratio"),
      expectedShortfallRatio: of("expected_shortfall_ratio") ?? 0,
      isAttainable: of("attainable") === 1,
      costPerHour: of("cost_per_hour") ?? 0,
      costToWanted: paid === null || wanted === null || wanted === 0 ? null : paid / wanted,
    };
  };
  return new Map(
    (metrics.get("tidegate_demand_slots") ?? []).map(({ labels, value: slotsWanted }) => {
      const service = labels.get("service") ?? "";
      const arrivalsPerSecond = valueOf("tidegate_demand_arrivals_per_second", { service }) ?? 0;
      const hasFailed = valueOf("tidegate_demand_failed", { service }) === 1;
      return [service, { arrivalsPerSecond, slotsWanted, horizons: horizonsOf(service), plan: planOf(service), hasFailed }];
    }),
  );
}

/** Two tables and a line per service; empty where nothing was forecast. */
export function describeDemand(demand: ReadonlyMap<string, DemandStatus>): string[] {
  const of = [...demand];
  const forecasts = of.flatMap(([service, { horizons }]) =>
    horizons.map(({ signal, horizon, mean, lower, upper, coverageRatio, wape, persistenceWape, yields }) => [
      `${service} ${signal} in ${horizon}`,
      number(mean),
      `${number(lower)} to ${number(upper)}`,
      percent(coverageRatio),
      percent(wape),
      percent(persistenceWape),
      yields ? "persistence" : "own",
    ]),
  );
  const plans = of.flatMap(([service, { plan }]) =>
    plan === null
      ? []
      : [
          [
            `${service} (${plan.mode})`,
            `${plan.shards} + ${plan.warmShards} warm`,
            plan.shardSlots,
            plan.isAttainable
              ? share(plan.shortfallRatio)
              : `${share(plan.shortfallRatio)}, not attainable: ${share(plan.expectedShortfallRatio)} expected`,
            number(plan.costPerHour),
            plan.costToWanted === null ? "–" : `${number(plan.costToWanted)} ×`,
          ],
        ],
  );
  const failed = of.filter(([, { hasFailed }]) => hasFailed).map(([service]) => `${service}: the forecast broke and rests; see the log`);
  return [
    ...(forecasts.length === 0
      ? []
      : ["", formatTable(["forecast", "expected", "95 % interval", "held", "error", "persistence's", "says"], forecasts)]),
    ...(plans.length === 0 ? [] : ["", formatTable(["plan", "shards", "slots each", "shortfall", "per hour", "paid ÷ wanted"], plans)]),
    ...(failed.length === 0 ? [] : ["", ...failed]),
  ];
}

function number(value: number | null): string {
  return value === null ? "–" : String(Number(value.toPrecision(3)));
}

function percent(ratio: number | null): string {
  return ratio === null ? "–" : `${(100 * ratio).toFixed(1)} %`;
}

/** Of what is accepted, a tenth of a percent may be all: two digits of it. */
function share(ratio: number | null): string {
  return ratio === null ? "–" : `${Number((100 * ratio).toPrecision(2))} %`;
}
