// What the gateway's metrics say of the lives of a service's shards.
import { readMetrics } from "./metrics-text.ts";
import { formatTable } from "./table.ts";

export interface FleetStatus {
  /** State → shards, in the order of a life. */
  readonly shards: Readonly<Record<string, number>>;
  readonly slots: number;
  readonly costPerHour: number;
  readonly restingOffers: number;
  /** `${state} ${reason}` → how often, since the fleet began. */
  readonly transitions: Readonly<Record<string, number>>;
  readonly strays: number;
}

/** By service; one whose plan is only shown is left out. */
export function readFleets(text: string): Map<string, FleetStatus> {
  const metrics = readMetrics(text);
  const of = (metric: string, service: string) =>
    (metrics.get(`tidegate_fleet_${metric}`) ?? []).filter(({ labels }) => labels.get("service") === service);
  const valueOf = (metric: string, service: string): number => of(metric, service)[0]?.value ?? 0;
  const services = (metrics.get("tidegate_fleet_slots") ?? []).map(({ labels }) => labels.get("service") ?? "");
  return new Map(
    services.map((service) => [
      service,
      {
        shards: Object.fromEntries(of("shards", service).map(({ labels, value }) => [labels.get("state") ?? "", value])),
        slots: valueOf("slots", service),
        costPerHour: valueOf("cost_per_hour", service),
        restingOffers: valueOf("resting_offers", service),
        transitions: Object.fromEntries(
          of("transitions_total", service).map(({ labels, value }) => [`${labels.get("to")} ${labels.get("reason")}`, value]),
        ),
        strays: valueOf("strays_total", service),
      },
    ]),
  );
}

/** A table, and what went wrong in a line per service; empty where no plan is done. */
export function describeFleets(fleets: ReadonlyMap<string, FleetStatus>): string[] {
  if (fleets.size === 0) return [];
  const rows = [...fleets].map(([service, { shards, slots, costPerHour }]) => [
    service,
    Object.entries(shards)
      .filter(([, count]) => count > 0)
      .map(([state, count]) => `${count} ${state}`)
      .join(", ") || "none",
    slots,
    String(Number(costPerHour.toPrecision(3))),
  ]);
  const faults = [...fleets].flatMap(([service, fleet]) => faultsOf(service, fleet));
  return ["", formatTable(["fleet", "shards", "slots", "per hour"], rows), ...(faults.length === 0 ? [] : ["", ...faults])];
}

const FAULTS: readonly (readonly [key: string, what: string])[] = [
  ["draining errors", "taken out for errors"],
  ["draining latency", "taken out for latency"],
  ["draining cost", "drained for their price"],
  ["gone unit-failed", "failed"],
  ["gone unit-gone", "vanished"],
  ["gone unit-refuses", "refused connections"],
  ["gone start-timeout", "never came up"],
  ["gone refused", "refused"],
];

function faultsOf(service: string, { transitions, restingOffers, strays }: FleetStatus): string[] {
  const counted = FAULTS.flatMap(([key, what]) => ((transitions[key] ?? 0) > 0 ? [`${transitions[key]} ${what}`] : []));
  if (restingOffers > 0) counted.push(`${restingOffers} offers at rest`);
  if (strays > 0) counted.push(`${strays} strays stopped`);
  return counted.length === 0 ? [] : [`${service}, since its fleet began: ${counted.join(", ")}`];
}
