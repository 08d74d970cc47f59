// What tenants are limited in over all services, or would be, as the pool of one service is configured. Pure: each configuration has its own.
import type { SharedTokens } from "#durable/lease/shared-tokens.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { TOTAL_BYTES, TOTAL_REQUESTS } from "#shared/protocol/quota-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";

/** What was used is told after so long, where nothing else is to be asked: service time, which is paid for afterwards, … */
const TELL_COST_MS = SECOND_MS;
/** … and bytes, which are paid already, or cast a shadow. */
const TELL_BYTES_MS = 5 * SECOND_MS;

export type TotalTokens = typeof TOTAL_REQUESTS | typeof TOTAL_BYTES;

export type LimitedPool = Pick<PoolConfiguration, "tenantsWithTotal" | "totals"> & {
  readonly service: { readonly costWeight: number } | null;
  readonly classes: readonly { readonly className: string; readonly weight: number }[];
};

/** A tenant's tokens of one kind, and which flows here they are for. */
export interface TotalShare {
  readonly tenant: string;
  readonly name: TotalTokens;
  readonly flows: SharedTokens["flows"];
}

export class TotalLimits {
  /** Some tenant is limited, or would be. */
  readonly areAny: boolean;
  /** What a millisecond of this service's time counts. */
  readonly costWeight: number;
  /** Of what is enforced in tokens. */
  readonly shares: readonly TotalShare[];
  readonly #slotTenants: ReadonlySet<string>;
  readonly #totals: Readonly<Record<string, TotalConfig>>;

  constructor({ tenantsWithTotal, totals = {}, service, classes }: LimitedPool) {
    this.areAny = tenantsWithTotal.length + Object.keys(totals).length > 0;
    this.costWeight = service?.costWeight ?? 1;
    this.#slotTenants = new Set(tenantsWithTotal);
    this.#totals = totals;
    this.shares = Object.entries(totals).flatMap(([tenant, { ratePerSecond, bandwidthBytesPerSecond, mode }]) => {
      if (mode === "shadow") return [];
      const flows = classes.map(({ className, weight }) => ({ flow: `${tenant}/${className}`, weight }));
      const shares: TotalShare[] = [];
      if (ratePerSecond !== undefined) shares.push({ tenant, name: TOTAL_REQUESTS, flows });
      if (bandwidthBytesPerSecond !== undefined)
        shares.push({ tenant, name: TOTAL_BYTES, flows: flows.map(({ flow, weight }) => ({ flow: byteFlowOf(flow), weight })) });
      return shares;
    });
  }

  /** Undefined: the tenant has none. */
  of(tenant: string): TotalConfig | undefined {
    return Object.hasOwn(this.#totals, tenant) ? this.#totals[tenant] : undefined;
  }

  /** Whether the tenant's slots are enforced. */
  holdsSlots(tenant: string): boolean {
    return this.#slotTenants.has(tenant);
  }

  has(tenant: string): boolean {
    return this.holdsSlots(tenant) || this.of(tenant) !== undefined;
  }

  /** After how long what the tenant has used is told, where nothing else is to be asked; Infinity: it is not told. */
  tellMsOf(tenant: string): number {
    const total = this.of(tenant);
    if (total?.cpuSecondsPerSecond !== undefined) return TELL_COST_MS;
    const isShadowRate = total?.ratePerSecond !== undefined && total.mode === "shadow";
    return total?.bandwidthBytesPerSecond === undefined && !isShadowRate ? Infinity : TELL_BYTES_MS;
  }
}
