// What a regional pool's holders measured since it last told its home: summed per flow, so that a renewal is no longer for their number.
// The home pool forecasts, plans and adapts by it; the counters of /metrics are the regional pool's own. Pure.
import type { Outcome } from "#shared/errors/outcomes.ts";
import {
  LATENCY_BUCKETS_MS,
  type FlowTelemetry,
  type LaneTelemetry,
  type ShardTelemetry,
  type Telemetry,
} from "#shared/protocol/telemetry.ts";

/** Of shards, with their sketches; beyond that the counts are summed and the latencies are left out. */
const SHARD_REPORTS_MAX = 1_024;
/** Flows told at a time; what others measured is no part of the forecast. */
const FLOWS_MAX = 2 * 4_096;

export class RegionalTelemetry {
  #flows = new Map<string, FlowTelemetry>();
  #shards: ShardTelemetry[] = [];
  #lanes = new Map<string, LaneTelemetry>();

  get isEmpty(): boolean {
    return this.#flows.size === 0 && this.#shards.length === 0 && this.#lanes.size === 0;
  }

  add({ flows, shards, lanes = [] }: Pick<Telemetry, "flows" | "shards" | "lanes">): void {
    for (const flow of flows) this.#addFlow(flow);
    for (const shard of shards) this.#addShard(shard);
    for (const lane of lanes) this.#addLane(lane);
  }

  /** What this pool itself decided. */
  decided(flow: string, outcome: Outcome): void {
    this.#addFlow({ ...nothingOf(flow), outcomes: { [outcome]: 1 } });
  }

  /** A socket, of which its isolate reports nothing. */
  arrived(flow: string): void {
    this.#addFlow({ ...nothingOf(flow), arrivals: 1 });
  }

  /** Handed over: `add` puts back what did not arrive. */
  take(): Telemetry {
    const taken = { flows: [...this.#flows.values()], shards: this.#shards, lanes: [...this.#lanes.values()], edge: {} };
    this.#flows = new Map();
    this.#shards = [];
    this.#lanes = new Map();
    return taken;
  }

  #addFlow(more: FlowTelemetry): void {
    const known = this.#flows.get(more.flow);
    if (known === undefined && this.#flows.size >= FLOWS_MAX) return;
    this.#flows.set(more.flow, known === undefined ? more : sumOfFlows(known, more));
  }

  #addShard(more: ShardTelemetry): void {
    if (this.#shards.length < SHARD_REPORTS_MAX) return void this.#shards.push(more);
    const at = this.#shards.findIndex(({ shardId }) => shardId === more.shardId);
    const known = this.#shards[at];
    if (known === undefined) return;
    const refused = (known.refused ?? 0) + (more.refused ?? 0);
    this.#shards[at] = { ...known, requests: known.requests + more.requests, failures: known.failures + more.failures, refused };
  }

  #addLane(more: LaneTelemetry): void {
    const known = this.#lanes.get(more.lane);
    if (known === undefined) return void this.#lanes.set(more.lane, more);
    this.#lanes.set(more.lane, {
      lane: more.lane,
      answers: known.answers + more.answers,
      latencyMsSum: known.latencyMsSum + more.latencyMsSum,
      drops: known.drops + more.drops,
      utilization: more.utilization ?? known.utilization,
    });
  }
}

function nothingOf(flow: string): FlowTelemetry {
  const buckets = Array.from({ length: LATENCY_BUCKETS_MS.length + 1 }, () => 0);
  return { flow, arrivals: 0, outcomes: {}, buckets, sumMs: 0, busyMs: 0 };
}

function sumOfFlows(a: FlowTelemetry, b: FlowTelemetry): FlowTelemetry {
  const outcomes = { ...a.outcomes };
  for (const [outcome, count] of Object.entries(b.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
  const bytes = (a.bytes ?? 0) + (b.bytes ?? 0);
  return {
    flow: a.flow,
    arrivals: a.arrivals + b.arrivals,
    outcomes,
    buckets: a.buckets.map((count, index) => count + (b.buckets[index] ?? 0)),
    sumMs: a.sumMs + b.sumMs,
    busyMs: a.busyMs + b.busyMs,
    ...(bytes > 0 && { bytes }),
  };
}
