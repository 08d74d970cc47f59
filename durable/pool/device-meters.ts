// What devices say of their sockets, by shard and flow: a device that lies spoils the figures of its own flow and no other's.
import { sumOfCounts, type DeviceStats, type FlowReport } from "#shared/protocol/device-report.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";

/** Pairs of shard and flow; beyond it the one that was heard of first is forgotten. */
const SERIES_COUNT_MAX = 64;
const BIN_COUNT = 512;
/** What the sketches take of an instance's memory. */
export const DEVICE_METER_BYTES = SERIES_COUNT_MAX * 2_112;

type Counts = Omit<DeviceStats, "shardId" | "flow" | "latencyMs">;

interface Series {
  readonly shardId: string;
  readonly flow: string;
  readonly sketch: QuantileSketch;
  counts: Counts;
}

const NOTHING: Counts = { reports: 0, durationMs: 0, messagesSent: 0, messagesReceived: 0, bytesSent: 0, bytesReceived: 0, drops: 0 };

export class DeviceMeters {
  readonly #kernels: Kernels;
  readonly #series = new Map<string, Series>();

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** The report's numbers are within DEVICE_REPORT's bounds. */
  add(shardId: string, { flow, latenciesMs, ...report }: FlowReport): void {
    const series = this.#seriesOf(shardId, flow);
    series.counts = sumOfCounts(series.counts, report);
    for (const latencyMs of latenciesMs) series.sketch.add(latencyMs);
  }

  stats(): readonly DeviceStats[] {
    return [...this.#series.values()].map(({ shardId, flow, sketch, counts }) => {
      const [p50, p99] = [sketch.quantile(0.5), sketch.quantile(0.99)];
      return { shardId, flow, ...counts, latencyMs: p50 === null || p99 === null ? null : { p50, p99 } };
    });
  }

  #seriesOf(shardId: string, flow: string): Series {
    const key = `${shardId} ${flow}`;
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#series;
    if (oldest !== undefined && this.#series.size >= SERIES_COUNT_MAX) {
      oldest[1].sketch.release();
      this.#series.delete(oldest[0]);
    }
    const series: Series = { shardId, flow, sketch: new QuantileSketch(this.#kernels, { binCount: BIN_COUNT }), counts: NOTHING };
    this.#series.set(key, series);
    return series;
  }
}
