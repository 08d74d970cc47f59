// What the tenants' quotas have lent to this pool: slots, requests and bytes over all services, of those tenants that have such limits. Pure; the
// shell carries the messages. A tenant without `total` is none of its business.
import { CreditLease, type CreditDemand } from "#durable/lease/credit-lease.ts";
import { advanceClock, FORWARD, UNSEEN } from "#durable/lease/lease-clock.ts";
import type { SharedTokens } from "#durable/lease/shared-tokens.ts";
import { tenantOf } from "#shared/identifier/entitlement.ts";
import { flowOfBytes } from "#shared/lease/byte-flow.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import { TOTAL_BYTES, TOTAL_REQUESTS, type QuotaRenewal, type QuotaUse } from "#shared/protocol/quota-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { CreditLooks } from "./credit-looks.ts";
import {
  ask,
  freshCredit,
  heed,
  isJustAsked,
  isSameCost,
  isUnheard,
  lentOf,
  missAnswer,
  nextLookMs,
  wantsSlots,
  type TenantCredit,
} from "./tenant-credit.ts";
import { TenantUse, useOf } from "./tenant-use.ts";
import { TotalLimits, type LimitedPool, type TotalShare, type TotalTokens } from "./total-limits.ts";

/** What the pool's ledger knows. */
export interface TenantWants {
  /** Slots; `flow` is the quota's. */
  readonly slots: (tenant: string, flow: string) => number;
  /** Tokens, with those that are out … */
  readonly tokensWanted: (flows: readonly string[]) => number;
  /** … and beside them. */
  readonly tokensLacked: (flows: readonly string[]) => number;
}

/** More than what is kept for those who ask for one at a time. */
const IDLE_TOKENS_MAX = 32;

export class TenantCredits {
  #limits = new TotalLimits({ tenantsWithTotal: [], service: null, classes: [] });
  /** By tenant and what is limited over all services. */
  readonly #shared: Readonly<Record<TotalTokens, Map<string, SharedTokens>>> = { [TOTAL_REQUESTS]: new Map(), [TOTAL_BYTES]: new Map() };
  readonly #use = new TenantUse();
  /** Also of tenants that are limited no more: within a life no sequence is used twice. */
  readonly #credits = new Map<string, TenantCredit>();
  readonly #looks = new CreditLooks();
  #awaited: (tenant: string) => number = () => 0;
  #clock = UNSEEN;
  #nowMs = 0;

  /** The tenants that are limited over all services, or would be. */
  configure(pool: LimitedPool): void {
    const limits = new TotalLimits(pool);
    // How long it is used up was said of the limit before: the quota is asked again, which knows what is owed.
    for (const [tenant, credit] of this.#credits) {
      if (credit.blockedUntilMs <= this.#nowMs || isSameCost(this.#limits.of(tenant), limits.of(tenant))) continue;
      credit.blockedUntilMs = -Infinity;
      credit.renewAtMs = this.#nowMs;
    }
    this.#limits = limits;
    this.lookAtAll();
    for (const of of Object.values(this.#shared)) of.clear();
    for (const share of limits.shares) this.#share(share);
  }

  #share({ tenant, name, flows }: TotalShare): void {
    const take = (count: number): void => {
      this.#credits.get(tenant)?.lease.spend(name, count);
      this.#looks.soon(tenant);
    };
    const available = (): number => lentOf(this.#credits.get(tenant), this.#nowMs, (lease) => lease.tokens(name, this.#nowMs));
    const awaited = (): number => (name === TOTAL_REQUESTS ? this.#awaited(tenant) : 0);
    this.#shared[name].set(tenant, { flows, available, awaited, take });
  }

  /** `count`: for how many requests of a tenant tokens were asked of its quota, which take them next. */
  awaitedBy(count: (tenant: string) => number): void {
    this.#awaited = count;
  }

  /** Some tenant is limited over all services, or would be. */
  get areAny(): boolean {
    return this.#limits.areAny;
  }

  /** For what follows: a time that does not go back with the pool's, so that no credit lasts longer than it was lent for. */
  tick(nowMs: number): void {
    this.#clock = advanceClock(this.#clock, nowMs, FORWARD);
    this.#nowMs = this.#clock.ledgerMs;
  }

  /** How many slots of its flow a tenant may have out here; Infinity: it is not limited, or its quota cannot be reached. */
  slotsMaxOf(tenant: string, flow: string): number {
    if (!this.#limits.holdsSlots(tenant)) return Infinity;
    return lentOf(this.#credits.get(tenant), this.#nowMs, (lease) => lease.slots(flow, this.#nowMs));
  }

  /** What a flow's tokens are paid from beside its own rate; undefined: its tenant has no such limit over all services. */
  sharedOf(tenant: string, name: TotalTokens): SharedTokens | undefined {
    return this.#shared[name].get(tenant);
  }

  /** All that its quota lends to the tenant in tokens. */
  allSharedOf(tenant: string): readonly { readonly name: TotalTokens; readonly shared: SharedTokens }[] {
    return ([TOTAL_REQUESTS, TOTAL_BYTES] as const).flatMap((name) => {
      const shared = this.sharedOf(tenant, name);
      return shared === undefined ? [] : [{ name, shared }];
    });
  }

  /** In how long the tenant's service time over all services is below its limit again; 0: it is, or is not limited. */
  blockedForMs(tenant: string): number {
    const total = this.#limits.of(tenant);
    // Of nothing nothing is used, and so nobody asks how long it is used up.
    if (total?.cpuSecondsPerSecond === 0 && total.mode === "enforce") return SECOND_MS;
    return Math.max(0, (this.#credits.get(tenant)?.blockedUntilMs ?? 0) - this.#nowMs);
  }

  /** What holders measured. */
  observe(telemetry: FlowTelemetry): void {
    if (!this.areAny) return;
    const tenant = tenantOf(telemetry.flow);
    if (this.#limits.tellMsOf(tenant) === Infinity) return;
    this.#use.add(tenant, useOf(telemetry, this.#limits.costWeight));
    this.#looks.soon(tenant);
  }

  /** Whether nothing is known of the tenant's credit, so that whoever comes waits for an answer. */
  isUnknown(tenant: string): boolean {
    if (!this.#limits.holdsSlots(tenant) && this.allSharedOf(tenant).length === 0) return false;
    return isUnheard(this.#credits.get(tenant), this.#nowMs);
  }

  /** Whether the tenant's quota is told of slots: they are limited over all services, or would be. */
  countsSlots(tenant: string): boolean {
    return this.#limits.holdsSlots(tenant) || this.#limits.of(tenant)?.slots !== undefined;
  }

  /** Whether asking may bring a flow tokens that it has not: so many are needed at once, or, of 0, none is left. Whoever wants some waits for
   * the answer; where the last one left it without, a little later. */
  isEmpty(flow: string, needed = 0): boolean {
    const tenant = tenantOf(flow);
    const credit = this.#credits.get(tenant);
    const name = flowOfBytes(flow) === null ? TOTAL_REQUESTS : TOTAL_BYTES;
    const available = this.sharedOf(tenant, name)?.available() ?? Infinity;
    if (credit === undefined || available >= Math.max(1, needed)) return false;
    const isWithout = needed > 0 ? credit.none.has(name) : credit.dry.has(name);
    return !isWithout || !isJustAsked(credit, this.#nowMs);
  }

  /** What is wanted of a flow here may be something else now. */
  look(flow: string): void {
    if (this.#credits.size === 0) return;
    const tenant = tenantOf(flow);
    if (this.#credits.has(tenant)) this.#looks.soon(tenant);
  }

  /** Every tenant's may. */
  lookAtAll(): void {
    for (const tenant of this.#credits.keys()) this.#looks.soon(tenant);
  }

  /** Tenants whose credit is to be renewed now: its time has come, more is wanted than was asked for, or something is to be told. Looks at
   * those of which something changed, or whose time has come. */
  due(wants: TenantWants): readonly string[] {
    const due: string[] = [];
    for (const tenant of this.#looks.take(this.#nowMs)) {
      if (!this.#use.has(tenant) && !(this.#limits.has(tenant) && this.#credits.has(tenant))) continue;
      const isDue = this.#isDue(tenant, wants);
      if (isDue) due.push(tenant);
      this.#looks.at(tenant, isDue ? this.#nowMs : this.#nextLookMs(tenant));
    }
    return due;
  }

  /** The message to the tenant's quota, from this pool in this life of it. */
  request(tenant: string, demands: readonly CreditDemand[], { holder, life }: { holder: string; life: number }): RenewalRequest {
    const credit = this.#credits.get(tenant) ?? freshCredit(new CreditLease(holder, life));
    this.#credits.set(tenant, credit);
    return ask(credit, demands, this.#nowMs);
  }

  /** What goes with it. */
  takeUse(tenant: string): QuotaUse {
    const use = this.#use.take(tenant);
    const credit = this.#credits.get(tenant);
    if (credit !== undefined) credit.told = use;
    return use;
  }

  /** `isIdle`: it wanted nothing and had nothing out; it is not asked for again until somebody comes. */
  apply(tenant: string, answer: Pick<QuotaRenewal, "renewal" | "blockedMs">, isIdle: boolean): void {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return;
    this.#looks.soon(tenant);
    heed(credit, answer, { isIdle, nowMs: this.#nowMs });
  }

  /** No answer: what is lent holds until its end; after that the services' own limits do. */
  failed(tenant: string): void {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return;
    this.#use.add(tenant, credit.told);
    this.#looks.soon(tenant);
    missAnswer(credit, this.#nowMs);
  }

  #isDue(tenant: string, { slots, tokensWanted, tokensLacked }: TenantWants): boolean {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return true;
    if (credit.isAsking) return false;
    if (this.#nowMs >= credit.renewAtMs || (this.#use.has(tenant) && this.#nowMs >= credit.askedAtMs + this.#limits.tellMsOf(tenant)))
      return true;
    const isHeard = isJustAsked(credit, this.#nowMs);
    for (const { name, shared } of this.allSharedOf(tenant)) {
      const isDry = isHeard && credit.dry.has(name);
      const [flows, available] = [shared.flows.map(({ flow }) => flow), shared.available()];
      if (!isDry && tokensLacked(flows) > available) return true;
      // What lies here, or was lent on as far as the quota knows, and nobody wants any more, is missing in its bucket until it hears of that.
      const isIdle = !isHeard && available < Infinity && shared.awaited() + tokensWanted(flows) === 0;
      if (isIdle && available + (credit.passedOn.get(name) ?? 0) > IDLE_TOKENS_MAX) return true;
    }
    // A shadow is told what is out with what it is told anyway.
    return this.#limits.holdsSlots(tenant) && wantsSlots(credit, (flow) => slots(tenant, flow), this.#nowMs);
  }

  /** When it may be due by time alone. */
  #nextLookMs(tenant: string): number {
    const credit = this.#credits.get(tenant);
    if (credit === undefined) return Infinity;
    const tellAtMs = this.#use.has(tenant) ? credit.askedAtMs + this.#limits.tellMsOf(tenant) : Infinity;
    return nextLookMs(credit, { tellAtMs, nowMs: this.#nowMs });
  }
}
