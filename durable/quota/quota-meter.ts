// What a tenant used over all services, as its pools told: service time that is used up, and what limits in shadow would have done. Pure.
// What is owed is in memory: an object that is evicted forgives a second's worth and what came in over it.
import { blockedForMs, charged, chargedInShadow, poured, type CostDebt } from "#durable/lease/cost-debt.ts";
import { PassingTime } from "#durable/lease/lease-clock.ts";
import { totalBandwidthOf, totalRateOf } from "#shared/config/quota-policies.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import type { QuotaShadow, QuotaUse } from "#shared/protocol/quota-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

/** Monotonic. */
export interface QuotaCounts {
  readonly bytes: number;
  readonly costMs: number;
  readonly shadow: QuotaShadow;
}

export const NOTHING_COUNTED: QuotaCounts = { bytes: 0, costMs: 0, shadow: { slots: 0, rate: 0, bandwidth: 0, cpu: 0 } };

export class QuotaMeter {
  #counts: QuotaCounts;
  #cost: CostDebt | undefined;
  #requests: CostDebt | undefined;
  #bytes: CostDebt | undefined;
  readonly #time = new PassingTime();

  constructor(counts: QuotaCounts) {
    this.#counts = counts;
  }

  get counts(): QuotaCounts {
    return this.#counts;
  }

  /** At a renewal: so many slots are out beyond the limit. */
  slotsOver(total: TotalConfig | null, over: number): void {
    if (total?.mode === "shadow") this.#count("slots", over);
  }

  /** In how long the service time is below its limit again; 0: it is, or is not limited, or casts a shadow only. */
  observe(total: TotalConfig | null, use: QuotaUse | undefined, nowMs: number): number {
    if (total === null) return 0;
    const atMs = this.#time.at(nowMs);
    if (use !== undefined) this.#take(total, use, atMs);
    const { cpuSecondsPerSecond, mode } = total;
    return cpuSecondsPerSecond === undefined || mode === "shadow" ? 0 : blockedForMs(this.#cost, cpuSecondsPerSecond, atMs);
  }

  #take(total: TotalConfig, { arrivals, bytes, costMs }: QuotaUse, nowMs: number): void {
    const { cpuSecondsPerSecond, mode } = total;
    this.#counts = { ...this.#counts, bytes: this.#counts.bytes + bytes, costMs: this.#counts.costMs + costMs };
    if (cpuSecondsPerSecond !== undefined) {
      const now = { cost: costMs, nowMs };
      this.#cost =
        mode === "shadow"
          ? chargedInShadow(this.#cost, cpuSecondsPerSecond, now)
          : charged(this.#cost, cpuSecondsPerSecond * SECOND_MS, now);
      if (mode === "shadow" && blockedForMs(this.#cost, cpuSecondsPerSecond, nowMs) > 0) this.#count("cpu", arrivals);
    }
    if (mode !== "shadow") return;
    const [rate, bandwidth] = [totalRateOf(total), totalBandwidthOf(total)];
    if (rate !== null) {
      const { debt, over } = poured(this.#requests, { count: arrivals, perSecond: rate.ratePerSecond, burst: rate.burst, nowMs });
      this.#requests = debt;
      this.#count("rate", over);
    }
    if (bandwidth === null) return;
    const { bytesPerSecond: perSecond, burstBytes: burst } = bandwidth;
    const { debt, over } = poured(this.#bytes, { count: bytes, perSecond, burst, nowMs });
    this.#bytes = debt;
    this.#count("bandwidth", over);
  }

  #count(limit: keyof QuotaShadow, count: number): void {
    const { shadow } = this.#counts;
    this.#counts = { ...this.#counts, shadow: { ...shadow, [limit]: shadow[limit] + count } };
  }
}
