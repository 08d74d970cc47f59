// How many requests each endpoint is given at once, below its configured capacity: by its latency (the gradient of
// docs/design/limits.md) and by the load that it reports. Pure but for the Wasm memory it owns; what holders measured comes
// with their renewals, so an endpoint is followed at their pace.
import { SECOND_MS } from "#shared/units.ts";
import { GradientLimit } from "#wasm/binding/adaptive-limit.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";

/** An endpoint that reports more is given less. */
export const UTILIZATION_TARGET = 0.8;
/** A report moves the limit by no more than this. */
const STEP_DOWN = 0.7;
const STEP_UP = 1.1;
/** The last report counts so long; on longer silence the limit opens step by step, neither halting nor opening wide. */
const REPORT_MS_MAX = 10 * SECOND_MS;

export interface EndpointOptions {
  readonly url: string;
  readonly capacity: number;
  /** At least 1. */
  readonly limitMin: number;
  /** Where it begins: the capacity, or what was found before a restart. */
  readonly limitInitial: number;
}

/** Of one endpoint, by one holder, since its last report. */
export interface EndpointReport {
  /** With the drops. */
  readonly answers: number;
  /** Of those that were no drops. */
  readonly latencyMsSum: number;
  /** Timed out, or refused for load. */
  readonly drops: number;
  /** At the endpoint in all, as last heard. */
  readonly inFlight: number;
  /** As the endpoint says; null: it said nothing. */
  readonly utilization: number | null;
}

interface Endpoint {
  capacity: number;
  limitMin: number;
  gradient: GradientLimit;
  /** By its reported load; the capacity while it reports none. */
  loadLimit: number;
  reportedAtMs: number;
}

export class EndpointLimits {
  readonly #kernels: Kernels;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** What was learned stays while the capacity does. */
  configure(endpoints: readonly EndpointOptions[]): void {
    const kept = new Set(endpoints.map(({ url }) => url));
    for (const [url, { gradient }] of this.#endpoints) {
      if (kept.has(url)) continue;
      gradient.release();
      this.#endpoints.delete(url);
    }
    for (const { url, capacity, limitMin, limitInitial } of endpoints) {
      const known = this.#endpoints.get(url);
      if (known?.capacity === capacity && known.limitMin === limitMin) continue;
      known?.gradient.release();
      const gradient = new GradientLimit(this.#kernels, { limitMin, limitMax: capacity, limitInitial });
      this.#endpoints.set(url, { capacity, limitMin, gradient, loadLimit: capacity, reportedAtMs: -Infinity });
    }
  }

  /** At most the endpoint's capacity; 0 for one that is not configured. */
  limitOf(url: string): number {
    const endpoint = this.#endpoints.get(url);
    return endpoint === undefined ? 0 : Math.min(endpoint.capacity, endpoint.gradient.limit, Math.ceil(endpoint.loadLimit));
  }

  observe(url: string, { answers, latencyMsSum, drops, inFlight, utilization }: EndpointReport, nowMs: number): void {
    const endpoint = this.#endpoints.get(url);
    if (endpoint === undefined) return;
    // One report closes one window at the most: what it tells was measured under one limit, before the next.
    const count = Math.min(answers, endpoint.gradient.answersLeft);
    // The gradient goes by the means of its windows, so a report's mean says as much as its answers would.
    const latencyMs = latencyMsSum / Math.max(1, answers - drops);
    const sample = { nowMs, latencyMs, inFlight: Math.max(1, inFlight) };
    // Drops first: they are part of the same window.
    const dropCount = Math.min(drops, count);
    for (let drop = 0; drop < dropCount; drop += 1) endpoint.gradient.observe({ ...sample, dropped: true });
    for (let answer = dropCount; answer < count; answer += 1) endpoint.gradient.observe({ ...sample, dropped: false });
    follow(endpoint, { utilization, inFlight, nowMs });
  }
}

/** Towards the load at which the endpoint would report the target, within a step. */
function follow(
  endpoint: Endpoint,
  { utilization, inFlight, nowMs }: { utilization: number | null; inFlight: number; nowMs: number },
): void {
  if (utilization === null) {
    if (nowMs - endpoint.reportedAtMs > REPORT_MS_MAX) endpoint.loadLimit = Math.min(endpoint.capacity, endpoint.loadLimit * STEP_UP + 1);
    return;
  }
  endpoint.reportedAtMs = nowMs;
  const ratio = UTILIZATION_TARGET / Math.max(utilization, 0.01);
  const { loadLimit, capacity, limitMin } = endpoint;
  // What is in flight made that load; a limit that nothing reached says nothing of it. But few may be in flight at this moment by chance.
  const base = ratio < 1 ? Math.min(loadLimit, Math.max(1, inFlight)) : loadLimit;
  const next = Math.max(loadLimit * STEP_DOWN, base * Math.min(STEP_UP, ratio) + (ratio > 1 ? 1 : 0));
  endpoint.loadLimit = Math.min(capacity, Math.max(limitMin, next));
}
