import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import type { PacedFlow } from "./pace/paced-flow.ts";

interface Disk {
  untold(): readonly FlowTelemetry[];
  putUntold(told: FlowTelemetry): void;
  dropUntold(flow: string): void;
}

/**
 * What was told of flows without an answer, and was put back: on disk too, until it was told again and heard. An object that is silent is not
 * kept awake for figures: its next message tells them, in this life or another.
 */
export class UntoldReports {
  readonly #disk: Disk;
  readonly #find: (flow: string) => PacedFlow | undefined;
  /** Flows of which something is on disk; true: what is told next tells it, and nothing that is on its way. */
  readonly #flows = new Map<string, boolean>();

  constructor(disk: Disk, find: (flow: string) => PacedFlow | undefined) {
    this.#disk = disk;
    this.#find = find;
  }

  /** After a start. */
  load(): void {
    for (const told of this.#disk.untold()) {
      const flow = this.#find(told.flow);
      // What is counted for nothing any more is not told.
      if (flow === undefined) this.#disk.dropUntold(told.flow);
      else {
        flow.restore(told);
        this.#flows.set(told.flow, true);
      }
    }
  }

  /** It is on its way. */
  sent(telemetry: readonly FlowTelemetry[]): void {
    if (this.#flows.size > 0) for (const { flow } of telemetry) if (this.#flows.has(flow)) this.#flows.set(flow, false);
  }

  answered(telemetry: readonly FlowTelemetry[]): void {
    if (this.#flows.size > 0) for (const { flow } of telemetry) if (this.#flows.get(flow) === false) this.#drop(flow);
  }

  /** And was put back, to what others that failed have left there. */
  failed(telemetry: readonly FlowTelemetry[]): void {
    for (const { flow } of telemetry) {
      const untold = this.#find(flow)?.untold ?? null;
      if (untold === null) this.#drop(flow);
      else {
        this.#flows.set(flow, true);
        this.#disk.putUntold(untold);
      }
    }
  }

  #drop(flow: string): void {
    if (this.#flows.delete(flow)) this.#disk.dropUntold(flow);
  }
}
