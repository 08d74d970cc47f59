import { defineCommand } from "../command.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS, readActiveConfiguration, unexpectedAnswer } from "../gateway-api.ts";
import { describeDemand, readDemand, type DemandStatus } from "../demand-status.ts";
import { describeFleets, readFleets, type FleetStatus } from "../fleet-status.ts";
import { readMetrics, sumByLabel } from "../metrics-text.ts";
import { EXIT_FAILURE, EXIT_OK } from "../output.ts";
import { formatTable } from "../table.ts";

interface ServiceStatus {
  readonly service: string;
  /** Null: the gateway has counted nothing for it yet. */
  readonly slotsInUse: number | null;
  /** Given out of the capacity now: less where the service's concurrency is adaptive. */
  readonly slotsLimit: number | null;
  readonly slotsCapacity: number | null;
  /** Null: it had no request yet. */
  readonly demand: DemandStatus | null;
  /** Null: its plan is not done, only shown. */
  readonly fleet: FleetStatus | null;
  /** The shard that its devices' word speaks against; null: none. */
  readonly suspectShard: string | null;
}

export const statusCommand = defineCommand({
  name: "status",
  summary: "Say what the gateway runs: version, services, tenants, slots in use, demand, forecast, plan, fleet.",
  details: "Exit code 1 where the gateway answers but is not ready.",
  options: GATEWAY_OPTIONS,
  async run({ values, output, environment }) {
    const { url, state } = await findGateway(values, environment);
    const operatorKey = await state.operatorKey();
    const [readiness, active, metrics] = await Promise.all([
      callGateway({ url, path: "/readyz" }),
      readActiveConfiguration({ url, operatorKey }),
      callGateway({ url, path: "/metrics", bearer: operatorKey }),
    ]);
    if (metrics.status !== 200) throw unexpectedAnswer("read the metrics", url, metrics);
    const inUse = sumByLabel(metrics.text, { metric: "tidegate_slots_in_use", label: "service" });
    const capacity = sumByLabel(metrics.text, { metric: "tidegate_slots_capacity", label: "service" });
    const limit = sumByLabel(metrics.text, { metric: "tidegate_slots_limit", label: "service" });
    const demand = readDemand(metrics.text);
    const fleets = readFleets(metrics.text);
    const suspects = readMetrics(metrics.text).get("tidegate_shard_suspect") ?? [];
    const services: ServiceStatus[] = Object.keys(active.configuration.services).map((service) => ({
      service,
      slotsInUse: inUse.get(service) ?? null,
      slotsLimit: limit.get(service) ?? null,
      slotsCapacity: capacity.get(service) ?? null,
      demand: demand.get(service) ?? null,
      fleet: fleets.get(service) ?? null,
      suspectShard: suspects.find(({ labels }) => labels.get("service") === service)?.labels.get("shard") ?? null,
    }));
    const report = {
      url,
      ready: readiness.status === 200,
      version: active.version,
      digest: active.digest ?? null,
      services,
      tenants: Object.keys(active.configuration.tenants),
    };
    output.result({ json: report, text: describe(report) });
    return report.ready ? EXIT_OK : EXIT_FAILURE;
  },
});

function describe(report: {
  url: string;
  ready: boolean;
  version: number;
  digest: string | null;
  services: readonly ServiceStatus[];
  tenants: readonly string[];
}): string {
  const rows = report.services.map(({ service, slotsInUse, slotsLimit, slotsCapacity }) => [
    service,
    slotsInUse ?? "–",
    slotsLimit ?? "–",
    slotsCapacity ?? "–",
  ]);
  return [
    `${report.url} is ${report.ready ? "ready" : "not ready"}`,
    `version ${report.version}${report.digest === null ? "" : `, digest ${report.digest}`}`,
    `tenants: ${report.tenants.join(", ") || "none"}`,
    "",
    formatTable(["service", "slots in use", "limit now", "capacity"], rows),
    ...describeDemand(new Map(report.services.flatMap(({ service, demand }) => (demand === null ? [] : [[service, demand]])))),
    ...describeFleets(new Map(report.services.flatMap(({ service, fleet }) => (fleet === null ? [] : [[service, fleet]])))),
    ...report.services.flatMap(({ service, suspectShard }) =>
      suspectShard === null ? [] : ["", `${service}: by its devices' word shard ${suspectShard} is worse than the others`],
    ),
  ].join("\n");
}
