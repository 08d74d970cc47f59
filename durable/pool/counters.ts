// What a pool counts, per flow. In memory while it is hot; the shell writes the changed flows to disk.
import type { Outcome } from "#shared/errors/outcomes.ts";
import { LATENCY_BUCKETS_MS, type EdgeCounts, type PoolCounters } from "#shared/protocol/pool-rpc.ts";

export interface FlowCounters {
  outcomes: Record<string, number>;
  buckets: number[];
  sumMs: number;
}

export interface GlobalCounters {
  edgeOutcomes: Record<string, number>;
  slotsReclaimed: number;
  staleReleases: number;
  acquireCalls: number;
  releaseCalls: number;
}

function emptyFlow(): FlowCounters {
  return { outcomes: {}, buckets: Array.from({ length: LATENCY_BUCKETS_MS.length + 1 }, () => 0), sumMs: 0 };
}

export function emptyGlobal(): GlobalCounters {
  return { edgeOutcomes: {}, slotsReclaimed: 0, staleReleases: 0, acquireCalls: 0, releaseCalls: 0 };
}

export class Counters {
  readonly global: GlobalCounters;
  readonly #flows: Map<string, FlowCounters>;
  readonly #dirty = new Set<string>();

  constructor(global: GlobalCounters, flows: Map<string, FlowCounters>) {
    this.global = global;
    this.#flows = flows;
  }

  countOutcome(flow: string, outcome: Outcome, latencyMs?: number): void {
    const counters = this.#flow(flow);
    counters.outcomes[outcome] = (counters.outcomes[outcome] ?? 0) + 1;
    if (latencyMs === undefined) return;
    const found = LATENCY_BUCKETS_MS.findIndex((edgeMs) => latencyMs <= edgeMs);
    const bucket = found === -1 ? LATENCY_BUCKETS_MS.length : found;
    counters.buckets[bucket] = (counters.buckets[bucket] ?? 0) + 1;
    counters.sumMs += latencyMs;
  }

  countEdge(counts: EdgeCounts): void {
    for (const [outcome, count] of Object.entries(counts))
      this.global.edgeOutcomes[outcome] = (this.global.edgeOutcomes[outcome] ?? 0) + count;
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
