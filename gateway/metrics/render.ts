// Prometheus text format 0.0.4: HELP and TYPE on every family, base units, counters end in _total.
import type { EdgeCounts, PoolStats } from "#shared/protocol/pool-rpc.ts";
import { LATENCY_BUCKETS_MS } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

type Labels = Readonly<Record<string, string>>;
interface Sample {
  readonly suffix?: string;
  readonly labels?: Labels;
  readonly value: number;
}
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface MetricsInput {
  readonly pools: readonly PoolStats[];
  readonly edgeOutcomes: EdgeCounts;
  readonly configurationVersion: number;
  readonly verifiedTokenCount: number;
}

export function renderMetrics(input: MetricsInput): string {
  return familiesOf(input).map(renderFamily).join("");
}

function familiesOf({ pools, edgeOutcomes, configurationVersion, verifiedTokenCount }: MetricsInput): Family[] {
  const perPool = (value: (pool: PoolStats) => number): Sample[] => pools.map((pool) => ({ labels: { service: pool.service }, value: value(pool) }));
  const shards = pools.flatMap(({ service, shards: of }) => of.map((shard) => ({ service, ...shard })));
  const shardLabels = ({ service, shardId, state }: (typeof shards)[number]): Labels => ({ service, shard: shardId, state });
  return [
    {
      name: "tidegate_requests_total",
      type: "counter",
      help: "Requests and sockets that reached a pool, by what became of them.",
      samples: pools.flatMap(({ service, counters }) => Object.entries(counters.outcomes).map(([key, value]) => ({ labels: { service, ...flowLabels(key) }, value }))),
    },
    {
      name: "tidegate_edge_refusals_total",
      type: "counter",
      help: "Requests refused at the edge before any pool was asked.",
      samples: Object.entries(sumEdge(pools, edgeOutcomes)).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: "tidegate_request_duration_seconds",
      type: "histogram",
      help: "From a request's arrival to its endpoint's response headers.",
      samples: pools.flatMap(({ service, counters }) => Object.entries(counters.latency).flatMap(([flow, of]) => histogram({ service, ...flowLabels(flow) }, of))),
    },
    { name: "tidegate_slots_in_use", type: "gauge", help: "Slots held by requests and sockets.", samples: shards.map((shard) => ({ labels: shardLabels(shard), value: shard.slotsInUse })) },
    { name: "tidegate_slots_capacity", type: "gauge", help: "Slots that a shard may grant.", samples: shards.map((shard) => ({ labels: shardLabels(shard), value: shard.state === "active" ? shard.size : 0 })) },
    { name: "tidegate_slots_reclaimed_total", type: "counter", help: "Slots that came back by expiry or reconciliation, not by release.", samples: perPool(({ counters }) => counters.slotsReclaimed) },
    { name: "tidegate_stale_releases_total", type: "counter", help: "Releases that freed nothing: repeated, late, or not the owner's.", samples: perPool(({ counters }) => counters.staleReleases) },
    { name: "tidegate_pool_acquire_calls_total", type: "counter", help: "Calls to the pool for a slot.", samples: perPool(({ counters }) => counters.acquireCalls) },
    { name: "tidegate_pool_release_calls_total", type: "counter", help: "Calls to the pool that give a slot back.", samples: perPool(({ counters }) => counters.releaseCalls) },
    { name: "tidegate_configuration_version", type: "gauge", help: "Version of the configuration in force.", samples: [{ value: configurationVersion }] },
    { name: "tidegate_verified_tokens", type: "gauge", help: "Tokens that the answering isolate has verified and remembers.", samples: [{ value: verifiedTokenCount }] },
  ];
}

/** `tenant/class outcome`, or `tenant/class`. */
function flowLabels(key: string): Labels {
  const [flow = "", outcome] = key.split(" ");
  const [tenant = "", className = ""] = flow.split("/");
  return outcome === undefined ? { tenant, class: className } : { tenant, class: className, outcome };
}

function sumEdge(pools: readonly PoolStats[], unreported: EdgeCounts): Record<string, number> {
  const sum: Record<string, number> = { ...unreported };
  for (const { counters } of pools) for (const [outcome, count] of Object.entries(counters.edgeOutcomes)) sum[outcome] = (sum[outcome] ?? 0) + count;
  return sum;
}

function histogram(labels: Labels, { buckets, sumMs }: { buckets: readonly number[]; sumMs: number }): Sample[] {
  let count = 0;
  const cumulative = buckets.map((of, index) => {
    count += of;
    const edgeMs = LATENCY_BUCKETS_MS[index];
    return { suffix: "_bucket", labels: { ...labels, le: edgeMs === undefined ? "+Inf" : String(edgeMs / SECOND_MS) }, value: count };
  });
  return [...cumulative, { suffix: "_sum", labels, value: sumMs / SECOND_MS }, { suffix: "_count", labels, value: count }];
}

function renderFamily({ name, type, help, samples }: Family): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ suffix = "", labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`);
    return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
