// What a service's pool says to a tenant's quota. Plain data: it crosses RPC.
import type { Renewal, RenewalRequest } from "./lease.ts";

export interface QuotaRenewalRequest {
  readonly tenant: string;
  /** What the pool knows; a quota that knows less asks the Registry first. */
  readonly configurationVersion: number;
  /** The holder is the pool, a flow is `quotaFlowOf(service, class)`. */
  readonly lease: RenewalRequest;
}

export interface QuotaRenewal {
  readonly renewal: Renewal;
  /** Newer than the pool's: it asks the Registry. */
  readonly configurationVersion: number;
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
}

export interface QuotaRpc {
  renew(request: QuotaRenewalRequest): Promise<QuotaRenewal> | QuotaRenewal;
  usage(tenant: string): Promise<QuotaUsage> | QuotaUsage;
}

export const quotaName = (tenant: string): string => tenant;

export const quotaFlowOf = (service: string, className: string): string => `${service}/${className}`;
