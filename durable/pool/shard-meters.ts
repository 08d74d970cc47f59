// What holders measured of each shard and endpoint since the object started: for the operator's eyes, and for the plan.
import type { ShardTelemetry } from "#shared/protocol/telemetry.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";

/** Beyond it the endpoint that was heard of first is forgotten. */
const ENDPOINT_COUNT_MAX = 64;
/** Beyond it the shard that was heard of least lately is forgotten: most likely it is gone. */
const SHARD_COUNT_MAX = 1_024;
const BIN_COUNT = 512;
/** What the sketches take of an instance's memory. */
export const METER_MEMORY_BYTES = ENDPOINT_COUNT_MAX * 2_112;

export class ShardMeters {
  readonly #kernels: Kernels;
  readonly #latency = new Map<string, QuantileSketch>();
  readonly #counts = new Map<string, { requests: number; failures: number }>();

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  add({ shardId, endpointUrl, requests, failures, latency }: ShardTelemetry): void {
    const counts = this.#counts.get(shardId) ?? { requests: 0, failures: 0 };
    counts.requests += requests;
    counts.failures += failures;
    this.#counts.delete(shardId);
    this.#counts.set(shardId, counts);
    const [oldest] = this.#counts.keys();
    if (oldest !== undefined && this.#counts.size > SHARD_COUNT_MAX) this.#counts.delete(oldest);
    if (latency.length > 0) this.#sketch(endpointUrl).mergeBytes(latency);
  }

  countsOf(shardId: string): { readonly requests: number; readonly failures: number } {
    return this.#counts.get(shardId) ?? { requests: 0, failures: 0 };
  }

  latencyOf(endpointUrl: string): { readonly p50: number; readonly p99: number } | null {
    const sketch = this.#latency.get(endpointUrl);
    const [p50, p99] = [sketch?.quantile(0.5) ?? null, sketch?.quantile(0.99) ?? null];
    return p50 === null || p99 === null ? null : { p50, p99 };
  }

  #sketch(endpointUrl: string): QuantileSketch {
    const known = this.#latency.get(endpointUrl);
    if (known !== undefined) return known;
    const [oldest] = this.#latency;
    if (oldest !== undefined && this.#latency.size >= ENDPOINT_COUNT_MAX) {
      oldest[1].release();
      this.#latency.delete(oldest[0]);
    }
    const sketch = new QuantileSketch(this.#kernels, { binCount: BIN_COUNT });
    this.#latency.set(endpointUrl, sketch);
    return sketch;
  }
}
