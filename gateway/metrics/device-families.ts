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
  ];
}

function labelsOf(service: string, { shardId, flow }: DeviceStats): Labels {
  const [tenant = "", className = ""] = flow.split("/");
  return { service, shard: shardId, tenant, class: className };
}
