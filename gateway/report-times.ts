import { LIMITS } from "#shared/limits.ts";
import { DEVICE_REPORT } from "#shared/protocol/device-report.ts";

/** When devices last reported; the one that has been quiet for the longest is forgotten first. */
export class ReportTimes {
  readonly #lastAtMs = new Map<string, number>();

  /** In how long the device may report; 0: now, and that is noted. */
  take(device: string, nowMs: number): number {
    const waitMs = (this.#lastAtMs.get(device) ?? -Infinity) + DEVICE_REPORT.intervalMsMin - nowMs;
    if (waitMs > 0) return waitMs;
    this.#lastAtMs.delete(device);
    this.#lastAtMs.set(device, nowMs);
    const [oldest] = this.#lastAtMs.keys();
    if (this.#lastAtMs.size > LIMITS.verifiedTokenCountMax && oldest !== undefined) this.#lastAtMs.delete(oldest);
    return 0;
  }
}
