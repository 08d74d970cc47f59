// Where a service's shards come from: slices of its own endpoints, or units that a provider sells. Pure but for the provider's calls.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { CapacityAnswer, CapacityOffer, CapacityProvider, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { StaticProvider } from "./capacity/static-provider.ts";
import type { PoolShard } from "./layout.ts";

export interface FleetCapacity {
  /** False: the units are slices of endpoints that are there anyway; nothing can happen to one unseen. */
  readonly isDynamic: boolean;
  readonly provider: CapacityProvider;
}

/** `sold`: slices of the endpoints that are out already; other providers remember themselves. */
export function capacityOf(service: ServiceConfig, sold: readonly CapacityUnit[]): FleetCapacity {
  return { isDynamic: false, provider: new SlicedEndpoints(service, sold) };
}

/** Slots that the plan counts as one shard. */
export function shardSlotsOf({ endpoints, shards }: ServiceConfig): number {
  return endpoints.length === 0 ? shards.sizeMax : Math.max(...endpoints.map(({ capacity }) => sliceSlots(capacity, shards)));
}

/** The shards of a configuration, as units. */
export function slicesOf({ service, endpoints }: ServiceConfig, shards: readonly PoolShard[]): CapacityUnit[] {
  return shards.map(({ shardId, endpointUrl: url, size, state }) => {
    const endpoint = endpoints.find((one) => one.url === url);
    const isReady = state === "active" && endpoint !== undefined;
    const pricePerHour = endpoint === undefined ? 0 : (endpoint.pricePerHour * size) / endpoint.capacity;
    return { unitId: shardId, offerId: url, service, state: isReady ? "ready" : "draining", url, slots: size, pricePerHour, failure: null };
  });
}

/** Slots of each slice that an endpoint is cut into: as few slices as the size allows, evenly. */
function sliceSlots(capacity: number, { sizeMin, sizeMax }: ServiceConfig["shards"]): number {
  const count = Math.max(1, Math.min(Math.ceil(capacity / sizeMax), Math.floor(capacity / sizeMin)));
  return Math.min(sizeMax, Math.ceil(capacity / count));
}

/** Offers slices of the size that the service's shards have, at their part of the endpoint's price. */
class SlicedEndpoints extends StaticProvider {
  readonly #service: ServiceConfig;
  readonly #sold: readonly CapacityUnit[];

  constructor(service: ServiceConfig, sold: readonly CapacityUnit[]) {
    super({ endpoints: service.endpoints, units: sold });
    this.#service = service;
    this.#sold = sold;
  }

  /** Slices of an endpoint that was removed drain; where one became smaller, the last ones have what is left. */
  override async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const left = new Map(this.#service.endpoints.map(({ url, capacity }) => [url, capacity]));
    const listed = await super.units(service);
    if (!listed.ok) return listed;
    const fitted = listed.value.map((unit) => {
      const slots = Math.min(unit.slots, left.get(unit.offerId) ?? 0);
      left.set(unit.offerId, (left.get(unit.offerId) ?? 0) - slots);
      return slots > 0 ? { ...unit, slots } : { ...unit, state: "draining" as const };
    });
    return { ok: true, value: fitted };
  }

  override async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const { endpoints, shards } = this.#service;
    const offers = endpoints.flatMap(({ url, capacity, region, pricePerHour }) => {
      const out = this.#sold.filter(({ offerId }) => offerId === url).reduce((sum, { slots }) => sum + slots, 0);
      const left = Math.max(0, capacity - out);
      const slotsMax = Math.min(left, sliceSlots(capacity, shards));
      // What is left of an endpoint is a shard of its own only where that is not too small for one.
      if (slotsMax === 0 || slotsMax < Math.min(capacity, shards.sizeMin)) return [];
      const availableCount = Math.floor(left / slotsMax);
      return [{ offerId: url, region: region ?? null, slotsMax, pricePerHour: (pricePerHour * slotsMax) / capacity, availableCount }];
    });
    return { ok: true, value: offers };
  }
}
