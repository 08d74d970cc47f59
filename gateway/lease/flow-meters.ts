// The meters of the flows of one service, as many as an isolate may remember.
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { FlowMeter } from "./flow-meter.ts";

/** Of one service; idle ones are forgotten first. */
const FLOWS_MAX = 4_096;
/** How long an answer that gave less than was wanted is remembered. */
const SHORT_MS = 4 * SECOND_MS;

export class FlowMeters {
  readonly #meters = new Map<string, FlowMeter>();
  #slotsWanted = 0;
  #shortUntilMs = -Infinity;

  known(flow: string): FlowMeter | undefined {
    return this.#meters.get(flow);
  }

  get entries(): Iterable<[string, FlowMeter]> {
    return this.#meters;
  }

  /** The last renewal wanted so many slots in all. */
  get slotsWanted(): number {
    return this.#slotsWanted;
  }

  want(slots: number): void {
    this.#slotsWanted = slots;
  }

  got(slots: number, nowMs: number): void {
    if (slots < this.#slotsWanted) this.#shortUntilMs = nowMs + SHORT_MS;
  }

  /** The pool gave less than was wanted, lately. */
  isShortAt(nowMs: number): boolean {
    return nowMs < this.#shortUntilMs;
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
