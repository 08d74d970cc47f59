// What a pool counts, per flow and in all. In memory while it is hot; the shell writes the changed flows to disk.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { PoolCounters } from "#shared/protocol/pool-rpc.ts";
import { LATENCY_BUCKETS_MS, type FlowTelemetry, type Telemetry } from "#shared/protocol/telemetry.ts";
import type { QuotaGate } from "./quota-gate.ts";

export interface FlowCounters {
  outcomes: Record<string, number>;
  buckets: number[];
  sumMs: number;
  /** Of bodies and messages of sockets; absent: its bandwidth was never limited. */
  bytes?: number;
  /** Times the service's costWeight. */
  serviceMs?: number;
}

export type GlobalCounters = {
  -readonly [
    Key in keyof Omit<PoolCounters, "outcomes" | "latency" | "bytes" | "serviceMs" | "edgeOutcomes" | "shadow" | "socketFaults">
  ]: number;
} & {
  edgeOutcomes: Record<string, number>;
  socketFaults: Record<string, number>;
  shadow: Record<string, number>;
};

function emptyFlow(): FlowCounters {
  return { outcomes: {}, buckets: Array.from({ length: LATENCY_BUCKETS_MS.length + 1 }, () => 0), sumMs: 0 };
}

export function emptyGlobal(): GlobalCounters {
  return {
    edgeOutcomes: {},
    shadow: {},
    socketFaults: {},
    slotsReclaimed: 0,
    slotsOvershot: 0,
    staleReleases: 0,
    renewCalls: 0,
    acquireCalls: 0,
    exchangeCalls: 0,
    releaseCalls: 0,
    paceCalls: 0,
    waits: 0,
    waitMsSum: 0,
    waitMsMax: 0,
    idleWhileWaitingMs: 0,
  };
}

/** What a regional pool has counted already. */
export const NOTHING: Telemetry = { flows: [], shards: [], edge: {} };

export class Counters {
  readonly global: GlobalCounters;
  readonly #flows: Map<string, FlowCounters>;
  readonly #dirty = new Set<string>();

  constructor(global: GlobalCounters, flows: Map<string, FlowCounters>) {
    this.global = global;
    this.#flows = flows;
  }

  countOutcome(flow: string, outcome: Outcome): void {
    const counters = this.#flow(flow);
    counters.outcomes[outcome] = (counters.outcomes[outcome] ?? 0) + 1;
  }

  /** What a holder reported, and what that tells of limits in shadow. */
  countTelemetry({ flows, edge }: Telemetry, gate: Pick<QuotaGate, "costWeight" | "takeShadow">): void {
    for (const flow of flows) this.#countFlow(flow, gate.costWeight);
    addTo(this.global.edgeOutcomes, edge);
    addTo(this.global.shadow, gate.takeShadow());
  }

  #countFlow({ flow, outcomes, buckets, sumMs, busyMs, messagesMs = 0, bytes = 0 }: FlowTelemetry, costWeight: number): void {
    const counters = this.#flow(flow);
    for (const [outcome, count] of Object.entries(outcomes)) counters.outcomes[outcome] = (counters.outcomes[outcome] ?? 0) + count;
    for (let index = 0; index < buckets.length; index += 1)
      counters.buckets[index] = (counters.buckets[index] ?? 0) + (buckets[index] ?? 0);
    counters.sumMs += sumMs;
    counters.serviceMs = (counters.serviceMs ?? 0) + (busyMs + messagesMs) * costWeight;
    if (bytes > 0) counters.bytes = (counters.bytes ?? 0) + bytes;
  }

  countSocketFaults(faults: Readonly<Record<string, number>>): void {
    addTo(this.global.socketFaults, faults);
  }

  countWait(waitedMs: number): void {
    this.global.waits += 1;
    this.global.waitMsSum += waitedMs;
    this.global.waitMsMax = Math.max(this.global.waitMsMax, waitedMs);
  }

  /** The flows that changed since the last call. */
  takeDirty(): readonly (readonly [string, FlowCounters])[] {
    const changed = [...this.#dirty].map((flow) => [flow, this.#flow(flow)] as const);
    this.#dirty.clear();
    return changed;
  }

  snapshot(): PoolCounters {
    const flows = [...this.#flows];
    return {
      ...structuredClone(this.global),
      outcomes: Object.fromEntries(
        flows.flatMap(([flow, { outcomes }]) => Object.entries(outcomes).map(([outcome, count]) => [`${flow} ${outcome}`, count])),
      ),
      bytes: Object.fromEntries(flows.flatMap(([flow, { bytes }]) => (bytes === undefined ? [] : [[flow, bytes]]))),
      serviceMs: Object.fromEntries(flows.flatMap(([flow, { serviceMs }]) => (serviceMs === undefined ? [] : [[flow, serviceMs]]))),
      latency: Object.fromEntries(flows.map(([flow, { buckets, sumMs }]) => [flow, { buckets: [...buckets], sumMs }])),
    };
  }

  #flow(flow: string): FlowCounters {
    let counters = this.#flows.get(flow);
    if (counters === undefined) this.#flows.set(flow, (counters = emptyFlow()));
    this.#dirty.add(flow);
    return counters;
  }
}

function addTo(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count;
}
