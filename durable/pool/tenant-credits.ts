// What the tenants' quotas have lent to this pool: slots over all services, of those tenants that have such a limit. Pure; the
// shell carries the messages. A tenant without `total` is none of its business.
import { CreditLease, type CreditDemand } from "#durable/lease/credit-lease.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { SECOND_MS } from "#shared/units.ts";

/** A quota that does not answer is asked again after so long. */
const RETRY_MS = SECOND_MS;
/** A quota that gave a flow less than was asked for has no more for it now: more is asked for again after so long. */
const SHORT_SPACING_MS = SECOND_MS / 4;

interface TenantCredit {
  readonly lease: CreditLease;
  renewAtMs: number;
  /** The quota did not answer: until then the tenant goes by what each service lets it have. */
  openUntilMs: number;
  isAsking: boolean;
  /** The newest request was sent then, … */
  askedAtMs: number;
  /** … and wanted that of each flow. */
  asked: ReadonlyMap<string, number>;
  /** The most that was wanted since: it is asked for once more, so that chance costs no call and no wait. */
  readonly peaks: Map<string, number>;
}

export class TenantCredits {
  #tenants: ReadonlySet<string> = new Set();
  /** Also of tenants that are limited no more: within a life no sequence is used twice. */
  readonly #credits = new Map<string, TenantCredit>();
  #nowMs = 0;

  /** The tenants that are limited over all services. */
  configure(tenants: readonly string[]): void {
    this.#tenants = new Set(tenants);
  }

  /** The pool's time, for what follows. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** How many slots of its flow a tenant may have out here; Infinity: it is not limited, or its quota cannot be reached. */
  slotsMaxOf(tenant: string, flow: string): number {
    if (!this.#tenants.has(tenant)) return Infinity;
    const credit = this.#credits.get(tenant);
    if (credit !== undefined && this.#nowMs < credit.lease.expiresAtMs) return credit.lease.slots(flow, this.#nowMs);
    return credit !== undefined && this.#nowMs < credit.openUntilMs ? Infinity : 0;
  }

  /** Whether nothing is known of the tenant's credit, so that whoever comes waits for an answer. */
  isUnknown(tenant: string): boolean {
    if (!this.#tenants.has(tenant)) return false;
    const credit = this.#credits.get(tenant);
    return credit === undefined || (this.#nowMs >= credit.lease.expiresAtMs && this.#nowMs >= credit.openUntilMs);
  }

  /** Tenants whose credit is to be renewed now: its time has come, or more is wanted than was asked for. */
  due(wantOf: (tenant: string, flow: string) => number): readonly string[] {
    const due = [...this.#credits].filter(([tenant, credit]) => {
      if (credit.isAsking || !this.#tenants.has(tenant)) return false;
      let isMore = false;
      for (const [flow, asked] of credit.asked) {
        const want = wantOf(tenant, flow);
        credit.peaks.set(flow, Math.max(want, credit.peaks.get(flow) ?? 0));
        isMore ||= want > asked && !this.#isHeard(credit, flow, asked);
      }
      return isMore || this.#nowMs >= credit.renewAtMs;
    });
    return due.map(([tenant]) => tenant);
  }

  /** That another flow is short says nothing of this one, whose class may have less than is reserved for it. */
  #isHeard({ lease, askedAtMs }: TenantCredit, flow: string, asked: number): boolean {
    return this.#nowMs < askedAtMs + SHORT_SPACING_MS && lease.slots(flow, this.#nowMs) < asked;
  }

  /** The message to the tenant's quota, from this pool in this life of it. */
  request(tenant: string, demands: readonly CreditDemand[], { holder, life }: { holder: string; life: number }): RenewalRequest {
    const known = this.#credits.get(tenant);
    const credit = known ?? {
      lease: new CreditLease(holder, life),
      renewAtMs: 0,
      openUntilMs: -Infinity,
      isAsking: true,
      askedAtMs: 0,
      asked: new Map(),
      peaks: new Map(),
    };
    this.#credits.set(tenant, credit);
    credit.isAsking = true;
    credit.askedAtMs = this.#nowMs;
    const wanted = demands.map((demand) => ({ ...demand, want: Math.max(demand.want, credit.peaks.get(demand.flow) ?? 0) }));
    credit.asked = new Map(wanted.map(({ flow, want }) => [flow, want]));
    credit.peaks.clear();
    return credit.lease.request(wanted, this.#nowMs);
  }

  /** `isIdle`: it wanted nothing and had nothing out; it is not asked for again until somebody comes. */
  apply(tenant: string, renewal: Renewal, isIdle: boolean): void {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return;
    credit.isAsking = false;
    credit.lease.apply(renewal, this.#nowMs);
    credit.renewAtMs = isIdle ? Infinity : this.#nowMs + renewal.renewAfterMs;
  }

  /** No answer: what is lent holds until its end; after that the services' own limits do. */
  failed(tenant: string): void {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return;
    credit.isAsking = false;
    credit.renewAtMs = this.#nowMs + RETRY_MS;
    credit.openUntilMs = this.#nowMs + 2 * RETRY_MS;
  }
}
