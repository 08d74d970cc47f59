// One tenant's limits over all its services, as the ledger reads them. What a service and class may use by itself is the
// service's pool's to keep, whose ledger every region hangs on; here is what one pool cannot know: the sum.
import { byteRateOf } from "#durable/lease/byte-rate.ts";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { RatePolicy } from "#durable/lease/rate-budget.ts";
import { LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import { totalBandwidthOf, totalRateOf } from "#shared/config/quota-policies.ts";
import type { ClassesFile, Configuration, QuotaConfig, TotalConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import { quotaFlowOf, TOTAL_BYTES, TOTAL_REQUESTS } from "#shared/protocol/quota-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

/** What the quota remembers of a configuration: it serves by it after an eviction without asking. */
export interface QuotaConfiguration {
  readonly version: number;
  /** Empty until the first call told it. */
  readonly tenant: string;
  /** Null: the tenant has none, or there is no such tenant. */
  readonly total: TotalConfig | null;
  readonly classes: ClassesFile["classes"];
  readonly flows: Readonly<Record<string, Pick<QuotaConfig, "weight" | "slots" | "mode"> & { readonly className: string }>>;
  /** Of the services that the tenant may use, the longest. */
  readonly requestDurationMsMax: number;
}

export const NO_CONFIGURATION: QuotaConfiguration = {
  version: 0,
  tenant: "",
  total: null,
  classes: {},
  flows: {},
  requestDurationMsMax: 0,
};

/** Endpoints are the pools' business. */
const NO_LANES: ReadonlyMap<string, number> = new Map();
/** Regions of a service hang on its home pool, so a pool for each service is all there is. */
const HOLDER_COUNT_MAX = LIMITS.serviceCountMax;

export function quotaConfigurationOf({ classes, services, tenants }: Configuration, tenant: string, version: number): QuotaConfiguration {
  const config = Object.hasOwn(tenants, tenant) ? tenants[tenant] : undefined;
  const flows = Object.entries(config?.services ?? {}).flatMap(([service, quotas]) =>
    Object.entries(quotas).map(([className, { weight, slots, mode }]) => {
      const limit = slots === undefined ? {} : { slots };
      return [quotaFlowOf(service, className), { className, weight, mode, ...limit }] as const;
    }),
  );
  const durations = Object.keys(config?.services ?? {}).map((service) => services[service]?.requestDurationMsMax ?? 0);
  return {
    version,
    tenant,
    total: config?.total ?? null,
    classes,
    flows: Object.fromEntries(flows),
    requestDurationMsMax: Math.max(0, ...durations),
  };
}

/** Slots over all services that are enforced; null: as many as are wanted. */
function slotsMaxOf({ total }: QuotaConfiguration): number | null {
  return total === null || total.mode === "shadow" ? null : (total.slots ?? null);
}

/** As many as are wanted. */
const UNLIMITED: RatePolicy = { tokens: UNITS_MAX, periodMs: 1, burst: UNITS_MAX };

/** What is lent in tokens. Who asks for those of a limit that is gone, or casts a shadow, has not heard so yet, and is not made to wait for it. */
function tokensOf({ total, flows }: QuotaConfiguration): ReadonlyMap<string, RatePolicy> {
  const none = Object.keys(flows).length === 0 ? [] : [UNLIMITED];
  const limits = total === null || total.mode === "shadow" ? {} : total;
  const [rate, bytes] = [totalRateOf(limits), byteRateOf(totalBandwidthOf(limits))];
  const requests = rate && { tokens: rate.ratePerSecond, periodMs: SECOND_MS, burst: rate.burst };
  return new Map([
    ...(requests === null ? none : [requests]).map((policy) => [TOTAL_REQUESTS, policy] as const),
    ...(bytes === null ? none : [bytes]).map((policy) => [TOTAL_BYTES, policy] as const),
  ]);
}

export function quotaPolicyOf(configuration: QuotaConfiguration): LedgerPolicy {
  const { classes, flows, requestDurationMsMax } = configuration;
  const capacity = slotsMaxOf(configuration) ?? UNITS_MAX;
  const tokens = tokensOf(configuration);
  return {
    capacity,
    lanes: NO_LANES,
    classes: new Map(
      Object.entries(classes).map(([name, { weight, reserve }]) => [name, { weight, reserve: Math.floor(reserve * capacity) }]),
    ),
    flow(name) {
      const ofTokens = tokens.get(name);
      if (ofTokens !== undefined) return { className: "", weight: 1, slotsMax: 0, rate: ofTokens };
      const { className = "", weight = 1, slots, mode = "enforce" } = flows[name] ?? {};
      // Of a flow that nobody configured, nothing: a pool may know a version that this one does not, or the other way round.
      const slotsMax = Object.hasOwn(flows, name) ? (mode === "enforce" ? (slots ?? capacity) : capacity) : 0;
      return { className, weight, slotsMax, rate: null };
    },
    requestDurationMsMax: requestDurationMsMax + LEASE_MS_MAX,
    areHoldersDurable: true,
    holdersMax: HOLDER_COUNT_MAX,
    flowsPerHolderMax: LIMITS.classCountMax + 2,
  };
}
