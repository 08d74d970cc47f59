// What one tenant may use over all its services, lent to their pools: the lease ledger with other numbers. Pure.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import type { QuotaUsage } from "#shared/protocol/quota-rpc.ts";
import { quotaPolicyOf, type QuotaConfiguration } from "./quota-policy.ts";

export interface QuotaCounters {
  readonly renewals: number;
  readonly slotsOverMax: number;
}

export class Quota {
  #configuration: QuotaConfiguration;
  readonly #ledger: LeaseLedger;
  #counters: QuotaCounters;

  constructor(configuration: QuotaConfiguration, ledger: LeaseLedger, counters: QuotaCounters) {
    this.#configuration = configuration;
    this.#ledger = ledger;
    this.#counters = counters;
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
    return this.#counters;
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
    this.#counters = { renewals: renewals + 1, slotsOverMax: Math.max(slotsOverMax, over) };
    return renewal;
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
      ...this.#counters,
      flows: Object.keys(flows).map((flow) => ({ flow, slots: this.#ledger.slotsOfFlow(flow) })),
    };
  }
}
