import { DEVICE_REPORT, type DeviceReport } from "#shared/protocol/device-report.ts";

/** What one socket saw over a while, for `/v1/report`; latencies from sending a message to its acknowledgement, a sample of at most 64. */
export type Measurements = DeviceReport;

const { latencyCountMax, latencyMsMax, durationMsMax } = DEVICE_REPORT;

/** Counts in constant memory: one message at a time is timed. What is beyond a report's bounds is said as the bound: it would be a fault. */
export class Meter {
  #sinceMs: number;
  #counts = noCounts();
  #latenciesMs: number[] = [];
  #timed: { readonly sequence: number; readonly atMs: number } | null = null;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  sent(bytes: number, { sequence, nowMs }: { sequence: number; nowMs: number }): void {
    this.#counts.messagesSent += 1;
    this.#counts.bytesSent += bytes;
    this.#timed ??= { sequence, atMs: nowMs };
  }

  received(bytes: number): void {
    this.#counts.messagesReceived += 1;
    this.#counts.bytesReceived += bytes;
  }

  acknowledged(sequence: number, nowMs: number): void {
    if (this.#timed === null || sequence < this.#timed.sequence) return;
    if (this.#latenciesMs.length < latencyCountMax) this.#latenciesMs.push(Math.min(latencyMsMax, nowMs - this.#timed.atMs));
    this.#timed = null;
  }

  dropped(): void {
    this.#counts.drops += 1;
    this.#timed = null;
  }

  /** Numbers begin anew. */
  restarted(): void {
    this.#timed = null;
  }

  /** Nothing happened since the last report. */
  get isQuiet(): boolean {
    return Object.values(this.#counts).every((count) => count === 0);
  }

  take(nowMs: number): Measurements {
    const taken = { ...this.#counts, durationMs: Math.min(durationMsMax, nowMs - this.#sinceMs), latenciesMs: this.#latenciesMs };
    this.#sinceMs = nowMs;
    this.#counts = noCounts();
    this.#latenciesMs = [];
    return taken;
  }
}

function noCounts() {
  return { messagesSent: 0, messagesReceived: 0, bytesSent: 0, bytesReceived: 0, drops: 0 };
}
