// What the gateway says of itself: what its pools have counted, and what was reported to them.
import type { PoolCounters, PoolStats } from "#shared/protocol/pool-rpc.ts";
import type { QuotaUsage } from "#shared/protocol/quota-rpc.ts";
import { LATENCY_BUCKETS_MS } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { demandFamilies } from "./demand-families.ts";
import { deviceFamilies } from "./device-families.ts";
import { fleetFamilies } from "./fleet-families.ts";
import { flowFamilies } from "./flow-families.ts";
import { flowLabels, type Family, type Labels, type Sample } from "./prometheus-text.ts";
import { tenantFamilies } from "./tenant-families.ts";

export interface GatewayFacts {
  readonly pools: readonly PoolStats[];
  /** Of tenants with a limit over all services. */
  readonly tenants: readonly QuotaUsage[];
  readonly configurationVersion: number;
  readonly verifiedTokenCount: number;
}

export function gatewayFamilies(facts: GatewayFacts): Family[] {
  return [
    ...requestFamilies(facts),
    ...slotFamilies(facts),
    ...endpointFamilies(facts),
    ...contractFamilies(facts),
    ...demandFamilies(facts.pools),
    ...fleetFamilies(facts.pools),
    ...deviceFamilies(facts.pools),
    ...flowFamilies(facts.pools),
    ...tenantFamilies(facts.tenants),
    ...callFamilies(facts),
    ...isolateFamilies(facts),
  ];
}

function requestFamilies({ pools }: GatewayFacts): Family[] {
  return [
    {
      name: "tidegate_requests_total",
      type: "counter",
      help: "Requests and sockets of a service, by what became of them; an isolate reports them with its renewals.",
      samples: pools.flatMap(({ service, counters }) =>
        Object.entries(counters.outcomes).map(([key, value]) => ({ labels: { service, ...flowLabels(key) }, value })),
      ),
    },
    {
      name: "tidegate_region_requests_total",
      type: "counter",
      help: "Of tidegate_requests_total, what was counted by a regional pool; the rest was by the service's home pool.",
      samples: pools.flatMap(({ service, regions = [] }) =>
        regions.map(({ region, requests }) => ({ labels: { service, region }, value: requests })),
      ),
    },
    {
      name: "tidegate_edge_refusals_total",
      type: "counter",
      help: "Requests refused at the edge: before any pool was asked, or because none could be.",
      samples: Object.entries(sumEdge(pools)).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: "tidegate_quota_shadow_total",
      type: "counter",
      help: "What tenants' limits in shadow would have refused or held back: requests, slots, waiting requests or bytes, by limit.",
      samples: pools.flatMap(({ service, counters }) =>
        Object.entries(counters.shadow).map(([key, value]) => {
          const { outcome: limit = "", ...labels } = flowLabels(key);
          return { labels: { service, ...labels, limit }, value };
        }),
      ),
    },
    {
      name: "tidegate_body_bytes_total",
      type: "counter",
      help: "Bytes of bodies and of messages of sockets, both directions together, of tenants and classes whose bandwidth is limited, or limited in shadow.",
      samples: pools.flatMap(({ service, counters }) =>
        Object.entries(counters.bytes).map(([flow, value]) => ({ labels: { service, ...flowLabels(flow) }, value })),
      ),
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
  const endpoints = pools.flatMap(({ service, endpoints: of }) => of.map((endpoint) => ({ service, ...endpoint })));
  const perEndpoint = (value: (endpoint: (typeof endpoints)[number]) => number): Sample[] =>
    endpoints.map((endpoint) => ({ labels: { service: endpoint.service, endpoint: endpoint.endpointUrl }, value: value(endpoint) }));
  const shards = pools.flatMap(({ service, shards: of }) => of.map((shard) => ({ service, ...shard })));
  const perShard = (value: (shard: (typeof shards)[number]) => number): Sample[] =>
    shards.map((shard) => ({ labels: { service: shard.service, shard: shard.shardId, state: shard.state }, value: value(shard) }));
  return [
    {
      name: "tidegate_slots_in_use",
      type: "gauge",
      help: "Slots that requests and sockets use, as their holders last said.",
      samples: perEndpoint(({ slotsInUse }) => slotsInUse),
    },
    {
      name: "tidegate_slots_out",
      type: "gauge",
      help: "Slots leased, held and named: what the ledger counts against the endpoint's capacity.",
      samples: perEndpoint(({ slotsOut }) => slotsOut),
    },
    {
      name: "tidegate_slots_capacity",
      type: "gauge",
      help: "Slots that an endpoint's shards may use.",
      samples: perEndpoint(({ capacity }) => capacity),
    },
    {
      name: "tidegate_slots_limit",
      type: "gauge",
      help: "Slots that are given out of an endpoint's capacity now: less where the service's concurrency is adaptive.",
      samples: perEndpoint(({ limit }) => limit),
    },
    {
      name: "tidegate_shard_size",
      type: "gauge",
      help: "Slots of a shard: its weight among the shards.",
      samples: perShard(({ size }) => size),
    },
    {
      name: "tidegate_lease_holders",
      type: "gauge",
      help: "Isolates, and regional pools, that hold a lease of the service, or whose requests outlive one.",
      samples: pools.map(({ service, holderCount }) => ({ labels: { service }, value: holderCount })),
    },
  ];
}

/** What endpoints were measured to do, and say. */
function endpointFamilies({ pools }: GatewayFacts): Family[] {
  const endpoints = pools.flatMap(({ service, endpoints: of }) => of.map((endpoint) => ({ service, ...endpoint })));
  const latencies = (value: (latencyMs: { p50: number; p99: number }) => number): Sample[] =>
    endpoints.flatMap(({ service, endpointUrl: endpoint, latencyMs }) =>
      latencyMs === null ? [] : [{ labels: { service, endpoint }, value: value(latencyMs) / SECOND_MS }],
    );
  return [
    {
      name: "tidegate_endpoint_load_ratio",
      type: "gauge",
      help: "What an endpoint last said of its own load, 1 is full; where the service's concurrency is adaptive.",
      samples: endpoints.flatMap(({ service, endpointUrl: endpoint, utilization }) =>
        utilization === null ? [] : [{ labels: { service, endpoint }, value: utilization }],
      ),
    },
    {
      name: "tidegate_endpoint_latency_median_seconds",
      type: "gauge",
      help: "Median time to an endpoint's response headers since its pool started.",
      samples: latencies(({ p50 }) => p50),
    },
    {
      name: "tidegate_endpoint_latency_p99_seconds",
      type: "gauge",
      help: "99th percentile of the time to an endpoint's response headers since its pool started.",
      samples: latencies(({ p99 }) => p99),
    },
  ];
}

/** One for each contract of admission. */
function contractFamilies({ pools }: GatewayFacts): Family[] {
  const counter = counterOf(pools);
  const gauge = (name: string, help: string, value: (pool: PoolStats) => number): Family => ({
    name,
    type: "gauge",
    help,
    samples: pools.map((pool) => ({ labels: { service: pool.service }, value: value(pool) })),
  });
  return [
    counter(
      "tidegate_slots_overshot_total",
      "Requests that ran without a slot that the ledger had counted.",
      ({ slotsOvershot }) => slotsOvershot,
    ),
    counter(
      "tidegate_slots_reclaimed_total",
      "Slots that came back by expiry or reconciliation, not by a message.",
      ({ slotsReclaimed }) => slotsReclaimed,
    ),
    counter(
      "tidegate_idle_while_waiting_seconds_total",
      "Time in which a slot lay idle that somebody who waited might have used.",
      ({ idleWhileWaitingMs }) => idleWhileWaitingMs / SECOND_MS,
    ),
    gauge("tidegate_queue_length", "Requests and sockets that wait in the pool.", ({ queueLength }) => queueLength),
    gauge("tidegate_queue_longest_wait_seconds", "Of those who wait now.", ({ longestWaitMsNow }) => longestWaitMsNow / SECOND_MS),
    gauge(
      "tidegate_queue_wait_max_seconds",
      "The longest wait that ended with a slot.",
      ({ counters: { waitMsMax } }) => waitMsMax / SECOND_MS,
    ),
    counter("tidegate_queue_waits_total", "Slots that the pool granted by name, at once or after a wait.", ({ waits }) => waits),
    counter("tidegate_queue_wait_seconds_total", "Time waited for them.", ({ waitMsSum }) => waitMsSum / SECOND_MS),
  ];
}

function callFamilies({ pools }: GatewayFacts): Family[] {
  const counter = counterOf(pools);
  return [
    {
      name: "tidegate_socket_faults_total",
      type: "counter",
      help: "What endpoints and devices said on sockets that could not be followed: it was dropped, and nothing else.",
      samples: pools.flatMap(({ service, counters: { socketFaults } }) =>
        Object.entries(socketFaults).map(([fault, value]) => ({ labels: { service, fault }, value })),
      ),
    },
    counter(
      "tidegate_stale_releases_total",
      "Releases of sockets that freed nothing: repeated, late, or not the owner's.",
      ({ staleReleases }) => staleReleases,
    ),
    {
      name: "tidegate_pool_calls_total",
      type: "counter",
      help: "Calls to a pool; over the requests, what a request costs of them.",
      samples: pools.flatMap(({ service, counters: { renewCalls, exchangeCalls, acquireCalls, releaseCalls, paceCalls } }) => [
        { labels: { service, call: "renew" }, value: renewCalls },
        { labels: { service, call: "exchange" }, value: exchangeCalls },
        { labels: { service, call: "acquire" }, value: acquireCalls },
        { labels: { service, call: "release" }, value: releaseCalls },
        { labels: { service, call: "pace" }, value: paceCalls },
      ]),
    },
  ];
}

function counterOf(pools: readonly PoolStats[]) {
  return (name: string, help: string, value: (counters: PoolCounters) => number): Family => ({
    name,
    type: "counter",
    help,
    samples: pools.map(({ service, counters }) => ({ labels: { service }, value: value(counters) })),
  });
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
