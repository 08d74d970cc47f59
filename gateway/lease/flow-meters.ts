// The meters of the flows of one service, as many as an isolate may remember.
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { FlowMeter } from "./flow-meter.ts";

/** Of one service; idle ones are forgotten first. */
const FLOWS_MAX = 4_096;

export class FlowMeters {
  readonly #meters = new Map<string, FlowMeter>();

  known(flow: string): FlowMeter | undefined {
    return this.#meters.get(flow);
  }

  get entries(): Iterable<[string, FlowMeter]> {
    return this.#meters;
  }

  /** Null: too many flows run or wait at this isolate. */
  of(flow: string): FlowMeter | null {
    const known = this.#meters.get(flow);
    if (known !== undefined) return known;
    if (this.#meters.size >= FLOWS_MAX && !this.#forgetIdle()) return null;
    const meter = new FlowMeter();
    this.#meters.set(flow, meter);
    return meter;
  }

  /** What was measured since the last time; flows that did nothing are forgotten. */
  take(): readonly FlowTelemetry[] {
    const taken: FlowTelemetry[] = [];
    for (const [flow, meter] of this.#meters) {
      const { isIdle } = meter;
      const telemetry = meter.take(flow);
      if (telemetry !== null) taken.push(telemetry);
      else if (isIdle) this.#meters.delete(flow);
    }
    return taken;
  }

  /** The next renewal wants nothing, whatever came since the last one. */
  forgetDemand(): void {
    for (const meter of this.#meters.values()) meter.forgetDemand();
  }

  restore(flows: readonly FlowTelemetry[]): void {
    for (const telemetry of flows) this.of(telemetry.flow)?.restore(telemetry);
  }

  #forgetIdle(): boolean {
    for (const [flow, meter] of this.#meters) {
      if (!meter.isIdle) continue;
      this.#meters.delete(flow);
      return true;
    }
    return false;
  }
}
