// What each shard of a fleet answered since it was last asked, as a canary's trial needs it. Pure but for the Wasm memory it owns.
import type { ShardTelemetry } from "#shared/protocol/telemetry.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import type { Answers } from "./fleet/canary.ts";
import { CANARY } from "./fleet/fleet-settings.ts";

const BIN_COUNT = 512;
/** Answers that the siblings' quantile is made of: fewer say nothing, more begin it anew. */
const COUNT_MIN = 20;
const COUNT_MAX = 20_000;
/** Beyond it the shard that was heard of first is forgotten. */
const SHARD_COUNT_MAX = 1_024;
export const CANARY_METER_BYTES = 2 * 2_112;

const NONE: Answers = { requests: 0, failures: 0, slow: 0 };

export class CanaryMeters {
  readonly #siblings: QuantileSketch;
  readonly #scratch: QuantileSketch;
  readonly #answers = new Map<string, Answers>();
  /** Null: unknown. Set before the answers that are held against it come. */
  #slowAboveMs: number | null = null;

  constructor(kernels: Kernels) {
    this.#siblings = new QuantileSketch(kernels, { binCount: BIN_COUNT });
    this.#scratch = new QuantileSketch(kernels, { binCount: BIN_COUNT });
  }

  add({ shardId, requests, failures, latency }: ShardTelemetry, isSibling: boolean): void {
    const before = this.#answers.get(shardId) ?? NONE;
    const slow = latency.length === 0 ? 0 : this.#countSlow(latency);
    this.#answers.set(shardId, {
      requests: before.requests + requests,
      failures: before.failures + failures,
      slow: before.slow + Math.min(slow, requests),
    });
    const [oldest] = this.#answers;
    if (oldest !== undefined && this.#answers.size > SHARD_COUNT_MAX) this.#answers.delete(oldest[0]);
    if (isSibling && latency.length > 0) this.#learn(latency);
  }

  /** Since the last call; what a shard answered is told once. */
  take(): (shardId: string) => Answers {
    const answers = new Map(this.#answers);
    this.#answers.clear();
    return (shardId) => answers.get(shardId) ?? NONE;
  }

  #learn(latency: Uint8Array): void {
    if (this.#siblings.count >= COUNT_MAX) this.#siblings.clear();
    this.#siblings.mergeBytes(latency);
    const quantile = this.#siblings.count < COUNT_MIN ? null : this.#siblings.quantile(CANARY.slowQuantile);
    if (quantile !== null) this.#slowAboveMs = CANARY.slowFactor * quantile;
  }

  #countSlow(latency: Uint8Array): number {
    const thresholdMs = this.#slowAboveMs;
    if (thresholdMs === null) return 0;
    this.#scratch.clear();
    if (!this.#scratch.mergeBytes(latency).ok) return 0;
    const { count } = this.#scratch;
    // The least rank above the threshold.
    let [low, high] = [0, count];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const valueMs = this.#scratch.quantile(count === 1 ? 0 : middle / (count - 1)) ?? 0;
      if (valueMs > thresholdMs) high = middle;
      else low = middle + 1;
    }
    return count - low;
  }
}
