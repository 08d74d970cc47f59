// What devices report of their sockets (POST /v1/report): their word, by shard and flow.
import type { DeviceStats } from "#shared/protocol/device-report.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Family, Labels } from "./prometheus-text.ts";

export function deviceFamilies(pools: readonly PoolStats[]): Family[] {
  const all = pools.flatMap(({ service, devices = [] }) => devices.map((stats) => ({ labels: labelsOf(service, stats), stats })));
  const counter = (name: string, help: string, value: (stats: DeviceStats) => number): Family => ({
    name,
    type: "counter",
    help,
    samples: all.map(({ labels, stats }) => ({ labels, value: value(stats) })),
  });
  const latency = (name: string, help: string, value: (latencyMs: { p50: number; p99: number }) => number): Family => ({
    name,
    type: "gauge",
    help,
    samples: all.flatMap(({ labels, stats: { latencyMs } }) =>
      latencyMs === null ? [] : [{ labels, value: value(latencyMs) / SECOND_MS }],
    ),
  });
  return [
    counter("tidegate_device_reports_total", "Reports of devices about their sockets.", ({ reports }) => reports),
    counter("tidegate_device_observed_seconds_total", "Time that devices' reports cover.", ({ durationMs }) => durationMs / SECOND_MS),
    counter("tidegate_device_messages_sent_total", "Messages that devices say they sent.", ({ messagesSent }) => messagesSent),
    counter(
      "tidegate_device_messages_received_total",
      "Messages that devices say they received.",
      ({ messagesReceived }) => messagesReceived,
    ),
    counter("tidegate_device_bytes_sent_total", "Bytes of these messages.", ({ bytesSent }) => bytesSent),
    counter("tidegate_device_bytes_received_total", "Bytes of these messages.", ({ bytesReceived }) => bytesReceived),
    counter("tidegate_device_drops_total", "Connections that broke, by their devices' word.", ({ drops }) => drops),
    latency(
      "tidegate_device_latency_median_seconds",
      "Median from a message's sending to its acknowledgement, at the device.",
      ({ p50 }) => p50,
    ),
    latency("tidegate_device_latency_p99_seconds", "99th percentile of the same.", ({ p99 }) => p99),
    ...healthFamilies(pools),
  ];
}

/** What their words have come to. */
function healthFamilies(pools: readonly PoolStats[]): Family[] {
  const known = pools.flatMap(({ service, deviceHealth }) => (deviceHealth === undefined ? [] : [{ service, ...deviceHealth }]));
  return [
    {
      name: "tidegate_shard_evidence_ratio",
      type: "gauge",
      help: "By devices' word, how much speaks against a shard: 1 makes it a suspect, below 0 its devices are well.",
      samples: known.flatMap(({ service, shards }) =>
        shards.map(({ shardId, evidenceRatio }) => ({ labels: { service, shard: shardId }, value: evidenceRatio })),
      ),
    },
    {
      name: "tidegate_shard_suspect",
      type: "gauge",
      help: "1: the shard is a suspect by devices' word, gets no new sockets, and is drained when that may be.",
      samples: known.flatMap(({ service, suspect }) =>
        suspect === null ? [] : [{ labels: { service, shard: suspect.shardId }, value: 1 }],
      ),
    },
    {
      name: "tidegate_shards_unhealthy_total",
      type: "counter",
      help: "Shards drained by devices' word.",
      samples: known.map(({ service, shardsDrained }) => ({ labels: { service }, value: shardsDrained })),
    },
    {
      name: "tidegate_devices_moved_total",
      type: "counter",
      help: "Devices sent to another shard because they alone were worse off than their like elsewhere.",
      samples: known.map(({ service, devicesMoved }) => ({ labels: { service }, value: devicesMoved })),
    },
  ];
}

function labelsOf(service: string, { shardId, flow }: DeviceStats): Labels {
  const [tenant = "", className = ""] = flow.split("/");
  return { service, shard: shardId, tenant, class: className };
}
