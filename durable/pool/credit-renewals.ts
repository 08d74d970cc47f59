// The calls that keep a pool's credit with its tenants' quotas: one at a time per tenant; whoever needs an answer waits for the one
// on its way. What fails is told to the credits, which know how long the last word holds.
import type { CreditDemand } from "#durable/lease/credit-lease.ts";
import { tenantOf } from "#shared/identifier/entitlement.ts";
import { quotaFlowOf, type QuotaRpc } from "#shared/protocol/quota-rpc.ts";
import { lackOf, tokenDemandOf, type Wanted } from "./token-demand.ts";
import type { Pool } from "./pool.ts";
import type { TenantWants } from "./tenant-credits.ts";

/** Others may take, before who waits for it, what an answer brought. */
const TURNS_MAX = 3;

interface CreditRenewalsInput {
  readonly quotaOf: (tenant: string) => Pick<QuotaRpc, "renew">;
  /** This pool's life, written down: a number that no life before had. */
  readonly life: () => number;
  /** Other slots may be granted now. */
  readonly onChanged: (nowMs: number) => void;
}

export class CreditRenewals {
  readonly #pool: Pool;
  readonly #input: CreditRenewalsInput;
  readonly #asking = new Map<string, Promise<void>>();
  /** By tenant, of those who wait for an answer. */
  readonly #waiting = new Map<string, Set<readonly Wanted[]>>();
  #life = 0;
  #capacity = 0;

  constructor(pool: Pool, input: CreditRenewalsInput) {
    this.#pool = pool;
    this.#input = input;
    pool.credits.awaitedBy((tenant) => this.#awaitedOf(tenant));
  }

  /** No quota has to be asked for them first. */
  isReady(wants: readonly Wanted[], nowMs: number): boolean {
    const { credits } = this.#pool;
    credits.tick(nowMs);
    return !credits.areAny || this.#unansweredOf(wants).size === 0;
  }

  /** Waits where nothing is known of the credit of a flow's tenant, or nothing is left of it. Each flow comes with what it wants beside what is
   * known. Those that came while a call was on its way are asked for with the next. */
  async ensure(wants: readonly Wanted[], nowMs: number): Promise<void> {
    if (this.isReady(wants, nowMs)) return;
    const byTenant = Map.groupBy(wants, ({ flow }) => tenantOf(flow));
    for (const [tenant, own] of byTenant) this.#waiting.set(tenant, (this.#waiting.get(tenant) ?? new Set()).add(own));
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const tenants = [...this.#unansweredOf(wants)];
      if (tenants.length === 0) break;
      await Promise.all(tenants.map((tenant) => this.#asking.get(tenant) ?? this.#renew(tenant)));
    }
    for (const [tenant, own] of byTenant) {
      const others = this.#waiting.get(tenant);
      others?.delete(own);
      if (others?.size === 0) this.#waiting.delete(tenant);
    }
  }

  #unansweredOf(wants: readonly Wanted[]): ReadonlySet<string> {
    const { credits } = this.#pool;
    const isUnanswered = (want: Wanted): boolean => {
      const tenant = tenantOf(want.flow);
      return credits.isUnknown(tenant) || (lackOf(want) > 0 && credits.isEmpty(want.flow, this.#neededOf(tenant, want)));
    };
    return new Set(wants.filter(isUnanswered).map(({ flow }) => tenantOf(flow)));
  }

  /** With what others wait for. */
  #neededOf(tenant: string, { tokensNow = 0 }: Wanted): number {
    return tokensNow === 0 ? 0 : Math.max(tokensNow, this.#awaitedOf(tenant));
  }

  #awaitedOf(tenant: string): number {
    let awaited = 0;
    for (const own of this.#waiting.get(tenant) ?? []) for (const { tokensNow = 0 } of own) awaited += tokensNow;
    return awaited;
  }

  /** Behind whatever is going on. */
  renewDue(nowMs: number): void {
    const { credits, ledger } = this.#pool;
    credits.tick(nowMs);
    // Nobody wants more slots than there are.
    if (ledger.capacity !== this.#capacity) credits.lookAtAll();
    this.#capacity = ledger.capacity;
    const wants: TenantWants = {
      slots: (tenant, flow) => this.#wantOf(`${tenant}/${flow.slice(flow.indexOf("/") + 1)}`),
      tokensWanted: (flows) => flows.reduce((sum, flow) => sum + ledger.flows.totals.tokensWantOf(flow), 0),
      tokensLacked: (flows) => flows.reduce((sum, flow) => sum + ledger.flows.totals.tokensLackOf(flow), 0),
    };
    for (const tenant of credits.due(wants)) void this.#renew(tenant);
  }

  /** Of those who wait no more than could ever have a slot here: a long queue at one class would else be a shortage of all. */
  #wantOf(flow: string, more = 0): number {
    const { ledger } = this.#pool;
    return Math.max(ledger.slotsOfFlow(flow), Math.min(ledger.wantOfFlow(flow) + more, ledger.capacity));
  }

  #renew(tenant: string): Promise<void> {
    const renewing = this.#ask(tenant).finally(() => this.#asking.delete(tenant));
    this.#asking.set(tenant, renewing);
    return renewing;
  }

  async #ask(tenant: string): Promise<void> {
    const { quotaOf, onChanged } = this.#input;
    const { credits, configuration } = this.#pool;
    this.#life ||= this.#input.life();
    const demands = this.#demandsOf(tenant, [...(this.#waiting.get(tenant) ?? [])].flat());
    const lease = credits.request(tenant, demands, { holder: configuration.name, life: this.#life });
    const isIdle =
      lease.flows.every(({ want, running }) => want === 0 && running === 0) && demands.every(({ tokensWant }) => tokensWant === 0);
    try {
      const use = credits.takeUse(tenant);
      const answer = await quotaOf(tenant).renew({ tenant, configurationVersion: configuration.version, lease, use });
      credits.tick(Date.now());
      credits.apply(tenant, answer, isIdle);
    } catch (error) {
      credits.tick(Date.now());
      credits.failed(tenant);
      console.warn(JSON.stringify({ level: "warn", event: "quota-failed", tenant, error: String(error).slice(0, 500) }));
    }
    const nowMs = Date.now();
    this.#pool.ledger.flowsChanged(configuration.classes.map(({ className }) => `${tenant}/${className}`));
    onChanged(nowMs);
  }

  #demandsOf(tenant: string, wants: readonly Wanted[]): CreditDemand[] {
    const slots = this.#pool.credits.countsSlots(tenant) ? this.#slotDemandsOf(tenant, wants) : [];
    const { totals } = this.#pool.ledger.flows;
    return [...slots, ...this.#pool.credits.allSharedOf(tenant).map(({ name, shared }) => tokenDemandOf(name, { shared, totals, wants }))];
  }

  #slotDemandsOf(tenant: string, wants: readonly Wanted[]): CreditDemand[] {
    const { ledger, configuration } = this.#pool;
    return configuration.classes.map(({ className }) => {
      const flow = `${tenant}/${className}`;
      const more = wants.filter((one) => one.flow === flow).reduce((sum, { want }) => sum + want, 0);
      return {
        flow: quotaFlowOf(configuration.name, className),
        want: this.#wantOf(flow, more),
        passedOn: ledger.slotsOfFlow(flow),
        tokensWant: 0,
      };
    });
  }
}
