// What a pool knows of one tenant's credit with its quota.
import type { CreditLease } from "#durable/lease/credit-lease.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import type { QuotaUse } from "#shared/protocol/quota-rpc.ts";

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
    none: new Set(),
    needed: new Map(),
    dry: new Set(),
    told: { arrivals: 0, bytes: 0, costMs: 0 },
    blockedUntilMs: -Infinity,
  };
}
