// What a pool's configuration says of one flow, and what its tenant's quota has lent of that now. A renewal asks for each of its flows ten
// times: so one object for each flow, which is asked for what it is, instead of one an answer.
import type { FlowPolicy } from "#durable/lease/lease-policy.ts";
import type { RatePolicy } from "#durable/lease/rate-budget.ts";
import type { SharedTokens } from "#durable/lease/shared-tokens.ts";
import { TOTAL_BYTES, TOTAL_REQUESTS } from "#shared/protocol/quota-rpc.ts";
import type { TenantCredits } from "./tenant-credits.ts";

interface FixedPolicy {
  readonly className: string;
  readonly weight: number;
  readonly slotsMax: number;
  readonly rate: RatePolicy | null;
  readonly tenant: string;
  /** The tenant's quota's name of it. */
  readonly limit: string;
  readonly isOfBytes: boolean;
}

export class LiveFlowPolicy implements FlowPolicy {
  readonly className: string;
  readonly weight: number;
  readonly rate: RatePolicy | null;
  readonly #fixed: FixedPolicy;
  readonly #credits: Pick<TenantCredits, "slotsMaxOf" | "sharedOf">;

  constructor(fixed: FixedPolicy, credits: Pick<TenantCredits, "slotsMaxOf" | "sharedOf">) {
    this.className = fixed.className;
    this.weight = fixed.weight;
    this.rate = fixed.rate;
    this.#fixed = fixed;
    this.#credits = credits;
  }

  get slotsMax(): number {
    const { isOfBytes, slotsMax, tenant, limit } = this.#fixed;
    return isOfBytes ? 0 : Math.min(slotsMax, this.#credits.slotsMaxOf(tenant, limit));
  }

  get shared(): SharedTokens | undefined {
    const { isOfBytes, tenant } = this.#fixed;
    return this.#credits.sharedOf(tenant, isOfBytes ? TOTAL_BYTES : TOTAL_REQUESTS);
  }
}
