// What a service's pool says to a tenant's quota. Plain data: it crosses RPC.
import type { Renewal, RenewalRequest } from "./lease.ts";

export interface QuotaRenewalRequest {
  readonly tenant: string;
  /** What the pool knows; a quota that knows less asks the Registry first. */
  readonly configurationVersion: number;
  /** The holder is the pool, a flow is `quotaFlowOf(service, class)`, TOTAL_REQUESTS or TOTAL_BYTES. */
  readonly lease: RenewalRequest;
  /** Since the last message that was answered. */
  readonly use?: QuotaUse;
}

/** What a tenant used at one service. */
export interface QuotaUse {
  readonly arrivals: number;
  /** Of bodies and messages of sockets, both directions. */
  readonly bytes: number;
  /** Service time, in milliseconds times the service's costWeight. */
  readonly costMs: number;
}

export interface QuotaRenewal {
  readonly renewal: Renewal;
  /** The quota's, which may be newer than the pool's. */
  readonly configurationVersion: number;
  /** For so long the tenant's service time over all services is used up; absent or 0: it is not. */
  readonly blockedMs?: number;
}

export interface QuotaFlowUsage {
  readonly flow: string;
  /** Out at pools. */
  readonly slots: number;
}

export interface QuotaUsage {
  readonly tenant: string;
  /** Over all services and classes; null: not limited. */
  readonly slotsMax: number | null;
  readonly slotsOut: number;
  /** The most slots that were out beyond `slotsMax`: 0 unless the limit casts a shadow only, or was made smaller. */
  readonly slotsOverMax: number;
  readonly flows: readonly QuotaFlowUsage[];
  readonly renewals: number;
  /** Of bodies and messages of sockets, as pools told, where it is limited or would be. Since the object's creation, on disk within so many renewals. */
  readonly bytes: number;
  readonly costMs: number;
  /** What limits in shadow would have refused or held back: requests or bytes, by limit. */
  readonly shadow: QuotaShadow;
}

/** By limit. */
export type QuotaShadow = Readonly<Record<"slots" | "rate" | "bandwidth" | "cpu", number>>;

export interface QuotaRpc {
  renew(request: QuotaRenewalRequest): Promise<QuotaRenewal> | QuotaRenewal;
  usage(tenant: string): Promise<QuotaUsage> | QuotaUsage;
}

export const quotaName = (tenant: string): string => tenant;

/** A tenant's requests over all services: tokens. */
export const TOTAL_REQUESTS = "requests";

/** A tenant's bytes over all services, in units of BYTE_UNIT. No `quotaFlowOf` is without a slash. */
export const TOTAL_BYTES = "bytes";

export const quotaFlowOf = (service: string, className: string): string => `${service}/${className}`;
