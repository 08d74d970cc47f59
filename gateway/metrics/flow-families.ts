// What tenants and classes use of a service now, as their limits count it: of those that ever asked for anything there.
import type { FlowStats, PoolStats } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import { flowLabels, type Family } from "./prometheus-text.ts";

export function flowFamilies(pools: readonly Pick<PoolStats, "service" | "flows" | "counters">[]): Family[] {
  const gauge = (name: string, help: string, value: (flow: FlowStats) => number | null): Family => ({
    name,
    type: "gauge",
    help,
    samples: pools.flatMap(({ service, flows = [] }) =>
      flows.flatMap((of) => {
        const count = value(of);
        return count === null ? [] : [{ labels: { service, ...flowLabels(of.flow) }, value: count }];
      }),
    ),
  });
  return [
    gauge("tidegate_flow_slots_out", "Slots of a tenant and class that count against its limit.", ({ slotsOut }) => slotsOut),
    gauge(
      "tidegate_flow_slots_in_use",
      "Of these, those that requests and sockets use, as their holders last said; a region those that it has lent on.",
      ({ slotsInUse }) => slotsInUse,
    ),
    gauge("tidegate_flow_queue_length", "Requests and sockets of a tenant and class that wait.", ({ waiting }) => waiting),
    gauge(
      "tidegate_flow_memory_bytes",
      "Memory of a tenant and class as its limit counts it: so many bytes for each that waits, for each whose bodies are paced, and for each socket.",
      ({ memoryBytes }) => memoryBytes,
    ),
    {
      name: "tidegate_service_seconds_total",
      type: "counter",
      help: "Time that requests of a tenant and class held slots, and requests of their sockets' messages took, times the service's cost weight.",
      samples: pools.flatMap(({ service, counters: { serviceMs = {} } }) =>
        Object.entries(serviceMs).map(([flow, value]) => ({ labels: { service, ...flowLabels(flow) }, value: value / SECOND_MS })),
      ),
    },
  ];
}
