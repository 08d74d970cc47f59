// What a pool knows of one tenant's credit with its quota, and how that follows what the quota is asked and answers. Pure.
import type { CreditDemand, CreditLease } from "#durable/lease/credit-lease.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import type { QuotaRenewal, QuotaUse } from "#shared/protocol/quota-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

/** A quota that does not answer is asked again after so long. */
const RETRY_MS = SECOND_MS;
/** A quota that gave a flow less than was asked for has no more for it now: more is asked for again after so long. */
const SHORT_SPACING_MS = SECOND_MS / 4;

export interface TenantCredit {
  readonly lease: CreditLease;
  renewAtMs: number;
  /** The quota did not answer: until then the tenant goes by what each service lets it have. */
  openUntilMs: number;
  isAsking: boolean;
  /** The newest request was sent then, … */
  askedAtMs: number;
  /** … wanted that of each flow, … */
  asked: ReadonlyMap<string, number>;
  /** The most slots that were wanted since: they are asked for once more, so that chance costs no call and no wait. */
  readonly peaks: Map<string, number>;
  /** … so many tokens beside those that it has, … */
  lacked: ReadonlyMap<string, number>;
  /** … said that so many were lent on, … */
  passedOn: ReadonlyMap<string, number>;
  /** … and told that. */
  told: QuotaUse;
  /** Of these the last answer left not even those for which somebody waited, … */
  none: ReadonlySet<string>;
  /** … so many of each, … */
  needed: ReadonlyMap<string, number>;
  /** … and of these the last answer brought fewer tokens than were asked for. */
  dry: ReadonlySet<string>;
  /** Until then the tenant's service time over all services is used up. */
  blockedUntilMs: number;
}

export function isSameCost(one: TotalConfig | undefined, other: TotalConfig | undefined): boolean {
  return one?.cpuSecondsPerSecond === other?.cpuSecondsPerSecond && one?.mode === other?.mode;
}

export function freshCredit(lease: CreditLease): TenantCredit {
  return {
    lease,
    renewAtMs: 0,
    openUntilMs: -Infinity,
    isAsking: true,
    askedAtMs: 0,
    asked: new Map(),
    peaks: new Map(),
    lacked: new Map(),
    passedOn: new Map(),
    none: new Set(),
    needed: new Map(),
    dry: new Set(),
    told: { arrivals: 0, bytes: 0, costMs: 0 },
    blockedUntilMs: -Infinity,
  };
}

/** How much the quota lends, as `of` reads it off the lease: 0 where it is not known, Infinity where the quota cannot be reached. */
export function lentOf(credit: TenantCredit | undefined, nowMs: number, of: (lease: CreditLease) => number): number {
  if (credit !== undefined && nowMs < credit.lease.expiresAtMs) return of(credit.lease);
  return credit !== undefined && nowMs < credit.openUntilMs ? Infinity : 0;
}

/** Whether nothing is known of it, so that whoever comes waits for an answer. */
export function isUnheard(credit: TenantCredit | undefined, nowMs: number): boolean {
  return credit === undefined || (nowMs >= credit.lease.expiresAtMs && nowMs >= credit.openUntilMs);
}

/** Asked so lately that what it was short of then it is short of still. */
export function isJustAsked({ askedAtMs }: TenantCredit, nowMs: number): boolean {
  return nowMs < askedAtMs + SHORT_SPACING_MS;
}

/** The message to the quota. */
export function ask(credit: TenantCredit, demands: readonly CreditDemand[], nowMs: number): RenewalRequest {
  const { lease, peaks } = credit;
  credit.isAsking = true;
  credit.askedAtMs = nowMs;
  const wanted = demands.map((demand) => ({ ...demand, want: Math.max(demand.want, peaks.get(demand.flow) ?? 0) }));
  credit.asked = new Map(wanted.map(({ flow, want }) => [flow, want]));
  peaks.clear();
  credit.passedOn = new Map(demands.map(({ flow, tokensPassedOn = 0 }) => [flow, tokensPassedOn]));
  credit.needed = new Map(demands.flatMap(({ flow, tokensNow = 0 }) => (tokensNow > 0 ? [[flow, tokensNow]] : [])));
  credit.lacked = new Map(
    demands.map(({ flow, tokensWant, tokensPassedOn = 0 }) => [flow, tokensWant - tokensPassedOn - lease.tokens(flow, nowMs)]),
  );
  return lease.request(wanted, nowMs);
}

/** The quota's answer. `isIdle`: nothing was wanted and nothing is out, so it is not asked again until somebody comes. */
export function heed(
  credit: TenantCredit,
  { renewal, blockedMs = 0 }: Pick<QuotaRenewal, "renewal" | "blockedMs">,
  { isIdle, nowMs }: { readonly isIdle: boolean; readonly nowMs: number },
): void {
  const { lease, lacked, needed } = credit;
  credit.isAsking = false;
  if (lease.apply(renewal, nowMs) && renewal.ok) {
    const dry = renewal.flows.filter(({ flow, tokens }) => tokens < (lacked.get(flow) ?? 0));
    credit.dry = new Set(dry.map(({ flow }) => flow));
    const none = [...needed].filter(([flow, count]) => lease.tokens(flow, nowMs) < count);
    credit.none = new Set(none.map(([flow]) => flow));
  }
  credit.renewAtMs = isIdle ? Infinity : nowMs + renewal.renewAfterMs;
  credit.blockedUntilMs = nowMs + blockedMs;
}

/** No answer: what is lent holds until its end; after that the services' own limits do. */
export function missAnswer(credit: TenantCredit, nowMs: number): void {
  credit.isAsking = false;
  credit.renewAtMs = nowMs + RETRY_MS;
  credit.openUntilMs = nowMs + 2 * RETRY_MS;
}

/** Whether more slots of some flow are wanted than were asked for; notes the most that were. */
export function wantsSlots(credit: TenantCredit, slots: (flow: string) => number, nowMs: number): boolean {
  const { lease, asked, peaks } = credit;
  const isHeard = isJustAsked(credit, nowMs);
  let wantsMore = false;
  for (const [flow, had] of asked) {
    const want = slots(flow);
    peaks.set(flow, Math.max(want, peaks.get(flow) ?? 0));
    // That another flow is short says nothing of this one, whose class may have less than is reserved for it.
    wantsMore ||= want > had && !(isHeard && lease.slots(flow, nowMs) < had);
  }
  return wantsMore;
}

/** When it may have to be renewed by time alone; `tellAtMs`: what was used is told then. */
export function nextLookMs(credit: TenantCredit, { tellAtMs, nowMs }: { readonly tellAtMs: number; readonly nowMs: number }): number {
  if (credit.isAsking) return Infinity;
  const { askedAtMs, renewAtMs, lease, openUntilMs } = credit;
  const times = [renewAtMs, tellAtMs, askedAtMs + SHORT_SPACING_MS, lease.expiresAtMs, openUntilMs];
  return Math.min(...times.filter((atMs) => atMs > nowMs));
}
