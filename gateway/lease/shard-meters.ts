// What an isolate measured of each shard and lane since the last renewal, and how much of each lane it will want.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { LaneDemand } from "#shared/lease/held-lease.ts";
import { parseEndpointLoad } from "#shared/protocol/endpoint-load.ts";
import type { LaneTelemetry, ShardTelemetry, Telemetry } from "#shared/protocol/telemetry.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import type { HeldSlot, ShardEnd } from "./held-slot.ts";

/** A ratio of 25,000 below the slowest: from half a millisecond to seconds. */
const BIN_COUNT = 512;
/** Endpoints of one service whose latency an isolate sketches at a time. */
const SKETCH_COUNT_MAX = 64;
const FAILURES: ReadonlySet<Outcome> = new Set(["upstream-failed", "upstream-timeout"]);

interface LaneMeter {
  running: number;
  peak: number;
  answers: number;
  latencyMsSum: number;
  drops: number;
  /** `endpoint-load-metrics` as it last came: read once a renewal, not once a response. */
  load: string | null;
}

interface ShardMeter {
  readonly endpointUrl: string;
  requests: number;
  failures: number;
  refused: number;
}

export class ShardMeters {
  readonly #kernels: () => Kernels;
  readonly #lanes = new Map<string, LaneMeter>();
  readonly #shards = new Map<string, ShardMeter>();
  readonly #latency = new Map<string, QuantileSketch>();

  constructor(kernels: () => Kernels) {
    this.#kernels = kernels;
  }

  start(lane: string): void {
    const meter = this.#lane(lane);
    meter.running += 1;
    if (meter.running > meter.peak) meter.peak = meter.running;
  }

  /** What the endpoint says of its load, with a response. */
  noteLoad(lane: string, load: string): void {
    const meter = this.#lanes.get(lane);
    if (meter !== undefined) meter.load = load;
  }

  end({ shardId, lane }: HeldSlot, { outcome, upstreamMs: latencyMs, isOverloaded = false, isRefused = false }: ShardEnd): void {
    const meter = this.#lanes.get(lane);
    if (meter !== undefined) {
      meter.running -= 1;
      const isDrop = isOverloaded || (latencyMs === undefined && outcome === "upstream-timeout");
      if (isDrop) meter.drops += 1;
      if (isDrop || latencyMs !== undefined) meter.answers += 1;
      if (!isDrop && latencyMs !== undefined) meter.latencyMsSum += Math.max(0, latencyMs);
    }
    let shard = this.#shards.get(shardId);
    if (shard === undefined) this.#shards.set(shardId, (shard = { endpointUrl: lane, requests: 0, failures: 0, refused: 0 }));
    shard.requests += 1;
    if (FAILURES.has(outcome)) shard.failures += 1;
    if (isRefused) shard.refused += 1;
    if (latencyMs !== undefined) this.#sketch(shardId)?.add(Math.max(0, latencyMs));
  }

  /**
   * What each lane runs, and its part of `spare` slots more: by the most that it had at once since the last time. Lanes
   * without traffic are forgotten.
   */
  takeWants(spare: number): readonly LaneDemand[] {
    const wants: LaneDemand[] = [];
    let wished = 0;
    for (const { peak, running } of this.#lanes.values()) wished += peak + 1 - running;
    const ratio = Math.min(1, spare / Math.max(1, wished));
    for (const [lane, meter] of this.#lanes) {
      const { peak, running } = meter;
      if (peak > 0) wants.push({ lane, want: running + Math.ceil((peak + 1 - running) * ratio) });
      else if (meter.answers === 0) this.#lanes.delete(lane);
      meter.peak = running;
    }
    return wants;
  }

  /** What was measured of the lanes since the last time, handed over. */
  takeLanes(): readonly LaneTelemetry[] {
    const taken: LaneTelemetry[] = [];
    for (const [lane, meter] of this.#lanes) {
      const { answers, latencyMsSum, drops, load } = meter;
      if (answers > 0) taken.push({ lane, answers, latencyMsSum, drops, utilization: load === null ? null : parseEndpointLoad(load) });
      meter.answers = 0;
      meter.latencyMsSum = 0;
      meter.drops = 0;
      meter.load = null;
    }
    return taken;
  }

  take(): readonly ShardTelemetry[] {
    const taken = [...this.#shards].map(([shardId, { endpointUrl, requests, failures, refused }]) => {
      const sketch = this.#latency.get(shardId);
      const latency = sketch === undefined || sketch.count === 0 ? new Uint8Array(0) : sketch.toBytes();
      sketch?.clear();
      return { shardId, endpointUrl, requests, failures, latency, ...(refused > 0 && { refused }) };
    });
    this.#shards.clear();
    return taken;
  }

  /** Puts back what did not arrive. What an endpoint said of its load is old by now. */
  restore({ shards, lanes = [] }: Pick<Telemetry, "shards" | "lanes">): void {
    for (const { lane, answers, latencyMsSum, drops } of lanes) {
      const meter = this.#lane(lane);
      meter.answers += answers;
      meter.latencyMsSum += latencyMsSum;
      meter.drops += drops;
    }
    for (const { shardId, endpointUrl, requests, failures, refused = 0, latency } of shards) {
      const shard = this.#shards.get(shardId) ?? { endpointUrl, requests: 0, failures: 0, refused: 0 };
      shard.requests += requests;
      shard.failures += failures;
      shard.refused += refused;
      this.#shards.set(shardId, shard);
      if (latency.length > 0) this.#sketch(shardId)?.mergeBytes(latency);
    }
  }

  release(): void {
    for (const sketch of this.#latency.values()) sketch.release();
  }

  #lane(lane: string): LaneMeter {
    let meter = this.#lanes.get(lane);
    if (meter === undefined) this.#lanes.set(lane, (meter = { running: 0, peak: 0, answers: 0, latencyMsSum: 0, drops: 0, load: null }));
    return meter;
  }

  #sketch(shardId: string): QuantileSketch | null {
    const known = this.#latency.get(shardId);
    if (known !== undefined) return known;
    const [oldest] = this.#latency;
    if (oldest !== undefined && this.#latency.size >= SKETCH_COUNT_MAX) {
      if (oldest[1].count > 0) return null;
      oldest[1].release();
      this.#latency.delete(oldest[0]);
    }
    const sketch = new QuantileSketch(this.#kernels(), { binCount: BIN_COUNT });
    this.#latency.set(shardId, sketch);
    return sketch;
  }
}
