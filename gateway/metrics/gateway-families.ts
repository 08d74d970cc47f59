// What the gateway says of itself: what its pools have counted, and what was reported to them.
import { LATENCY_BUCKETS_MS, type PoolCounters, type PoolStats } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Family, Labels, Sample } from "./prometheus-text.ts";

export interface GatewayFacts {
  readonly pools: readonly PoolStats[];
  readonly configurationVersion: number;
  readonly verifiedTokenCount: number;
}

export function gatewayFamilies(facts: GatewayFacts): Family[] {
  return [...requestFamilies(facts), ...slotFamilies(facts), ...callFamilies(facts), ...isolateFamilies(facts)];
}

function requestFamilies({ pools }: GatewayFacts): Family[] {
  return [
    {
      name: "tidegate_requests_total",
      type: "counter",
      help: "Requests and sockets that reached a pool, by what became of them.",
      samples: pools.flatMap(({ service, counters }) =>
        Object.entries(counters.outcomes).map(([key, value]) => ({ labels: { service, ...flowLabels(key) }, value })),
      ),
    },
    {
      name: "tidegate_edge_refusals_total",
      type: "counter",
      help: "Requests refused at the edge before any pool was asked.",
      samples: Object.entries(sumEdge(pools)).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: "tidegate_request_duration_seconds",
      type: "histogram",
      help: "From a request's arrival to its endpoint's response headers.",
      samples: pools.flatMap(({ service, counters }) =>
        Object.entries(counters.latency).flatMap(([flow, of]) => histogram({ service, ...flowLabels(flow) }, of)),
      ),
    },
  ];
}

function slotFamilies({ pools }: GatewayFacts): Family[] {
  const shards = pools.flatMap(({ service, shards: of }) => of.map((shard) => ({ service, ...shard })));
  const perShard = (value: (shard: (typeof shards)[number]) => number): Sample[] =>
    shards.map((shard) => ({ labels: { service: shard.service, shard: shard.shardId, state: shard.state }, value: value(shard) }));
  return [
    {
      name: "tidegate_slots_in_use",
      type: "gauge",
      help: "Slots held by requests and sockets.",
      samples: perShard(({ slotsInUse }) => slotsInUse),
    },
    {
      name: "tidegate_slots_capacity",
      type: "gauge",
      help: "Slots that a shard may grant.",
      samples: perShard(({ state, size }) => (state === "active" ? size : 0)),
    },
  ];
}

function callFamilies({ pools }: GatewayFacts): Family[] {
  const counter = (name: string, help: string, value: (counters: PoolCounters) => number): Family => ({
    name,
    type: "counter",
    help,
    samples: pools.map(({ service, counters }) => ({ labels: { service }, value: value(counters) })),
  });
  return [
    counter(
      "tidegate_slots_reclaimed_total",
      "Slots that came back by expiry or reconciliation, not by release.",
      ({ slotsReclaimed }) => slotsReclaimed,
    ),
    counter(
      "tidegate_stale_releases_total",
      "Releases that freed nothing: repeated, late, or not the owner's.",
      ({ staleReleases }) => staleReleases,
    ),
    counter("tidegate_pool_acquire_calls_total", "Calls to the pool for a slot.", ({ acquireCalls }) => acquireCalls),
    counter("tidegate_pool_release_calls_total", "Calls to the pool that give a slot back.", ({ releaseCalls }) => releaseCalls),
  ];
}

function isolateFamilies({ configurationVersion, verifiedTokenCount }: GatewayFacts): Family[] {
  return [
    {
      name: "tidegate_configuration_version",
      type: "gauge",
      help: "Version of the configuration in force.",
      samples: [{ value: configurationVersion }],
    },
    {
      name: "tidegate_verified_tokens",
      type: "gauge",
      help: "Tokens that the answering isolate has verified and remembers.",
      samples: [{ value: verifiedTokenCount }],
    },
  ];
}

/** `tenant/class outcome`, or `tenant/class`. */
function flowLabels(key: string): Labels {
  const [flow = "", outcome] = key.split(" ");
  const [tenant = "", className = ""] = flow.split("/");
  return outcome === undefined ? { tenant, class: className } : { tenant, class: className, outcome };
}

function sumEdge(pools: readonly PoolStats[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { counters } of pools) {
    for (const [outcome, count] of Object.entries(counters.edgeOutcomes)) sum[outcome] = (sum[outcome] ?? 0) + count;
  }
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
