// What one tenant may use over all its services, lent to their pools: the lease ledger with other numbers. Pure.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import { QuotaMeter, NOTHING_COUNTED, type QuotaCounts } from "./quota-meter.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import type { QuotaUsage, QuotaUse } from "#shared/protocol/quota-rpc.ts";
import { quotaPolicyOf, type QuotaConfiguration } from "./quota-policy.ts";

export interface QuotaCounters {
  readonly renewals: number;
  readonly slotsOverMax: number;
  /** Absent: of an object that had none yet. */
  readonly counts?: QuotaCounts;
}

export class Quota {
  #configuration: QuotaConfiguration;
  readonly #ledger: LeaseLedger;
  #counters: QuotaCounters;
  readonly #meter: QuotaMeter;

  constructor(configuration: QuotaConfiguration, ledger: LeaseLedger, counters: QuotaCounters) {
    this.#configuration = configuration;
    this.#ledger = ledger;
    this.#counters = counters;
    this.#meter = new QuotaMeter(counters.counts ?? NOTHING_COUNTED);
  }

  static fresh(configuration: QuotaConfiguration, nowMs: number): Quota {
    return new Quota(configuration, new LeaseLedger(quotaPolicyOf(configuration), nowMs), { renewals: 0, slotsOverMax: 0 });
  }

  /** As it was written down. */
  static restore(
    configuration: QuotaConfiguration,
    rows: LedgerRows,
    { counters, nowMs }: { counters: QuotaCounters; nowMs: number },
  ): Quota {
    return new Quota(configuration, LeaseLedger.fromRows(quotaPolicyOf(configuration), rows, nowMs), counters);
  }

  get configuration(): QuotaConfiguration {
    return this.#configuration;
  }

  get counters(): QuotaCounters {
    return { ...this.#counters, counts: this.#meter.counts };
  }

  get slotsOut(): number {
    return this.#ledger.slotsOut;
  }

  slotsOfHolder(holder: string, flow: string): number {
    return this.#ledger.slotsOfHolder(holder, flow);
  }

  /** What is out stays out; a smaller limit is reached as it comes back. */
  configure(configuration: QuotaConfiguration, nowMs: number): void {
    this.#configuration = configuration;
    this.#ledger.configure(quotaPolicyOf(configuration), nowMs);
  }

  renew(request: RenewalRequest, nowMs: number): Renewal {
    const renewal = this.#ledger.renew(request, nowMs);
    const { renewals, slotsOverMax } = this.#counters;
    const over = Math.max(0, this.#ledger.slotsOut - (this.#configuration.total?.slots ?? Infinity));
    this.#meter.slotsOver(this.#configuration.total, over);
    this.#counters = { renewals: renewals + 1, slotsOverMax: Math.max(slotsOverMax, over) };
    return renewal;
  }

  /** Takes what a pool told; in how long the tenant's service time is below its limit again, 0: it is. */
  observe(use: QuotaUse | undefined, nowMs: number): number {
    return this.#meter.observe(this.#configuration.total, use, nowMs);
  }

  takeChanges(): LedgerChanges {
    return this.#ledger.takeChanges();
  }

  usage(nowMs: number): QuotaUsage {
    this.#ledger.tick(nowMs);
    const { tenant, total, flows } = this.#configuration;
    return {
      tenant,
      slotsMax: total?.slots ?? null,
      slotsOut: this.#ledger.slotsOut,
      renewals: this.#counters.renewals,
      slotsOverMax: this.#counters.slotsOverMax,
      ...this.#meter.counts,
      flows: Object.keys(flows).map((flow) => ({ flow, slots: this.#ledger.slotsOfFlow(flow) })),
    };
  }
}
