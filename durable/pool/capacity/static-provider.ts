// Capacity that is there already: an offer per endpoint, a unit per slice of one. Nothing is started, and nothing is sold twice but what drains: what
// still runs there counts against what the endpoint has by its address, whosever slice it is.
// Pure: what was sold before is told by whoever remembers it.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type {
  CapacityAnswer,
  CapacityOffer,
  CapacityOrder,
  CapacityProvider,
  CapacityRefusalReason,
  CapacityUnit,
} from "#shared/protocol/capacity-provider.ts";

type Endpoint = Pick<ServiceConfig["endpoints"][number], "url" | "capacity" | "region" | "pricePerHour">;

export interface StaticProviderOptions {
  readonly endpoints: readonly Endpoint[];
  /** Sold before; `offerId` is the endpoint's URL. */
  readonly units: readonly CapacityUnit[];
}

export class StaticProvider implements CapacityProvider {
  readonly #endpoints: readonly Endpoint[];
  readonly #units = new Map<string, CapacityUnit>();

  constructor({ endpoints, units }: StaticProviderOptions) {
    this.#endpoints = endpoints;
    for (const unit of units) this.#units.set(unit.unitId, unit);
  }

  /** A slice costs its part of the endpoint's price; `pricePerHour` is that of the largest that is left. */
  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const offers = this.#endpoints
      .map((endpoint) => ({ endpoint, left: this.#leftOf(endpoint) }))
      .filter(({ left }) => left > 0)
      .map(({ endpoint, left }) => ({
        offerId: endpoint.url,
        region: endpoint.region ?? null,
        slotsMax: left,
        pricePerHour: priceOf(endpoint, left),
        availableCount: null,
      }));
    return { ok: true, value: offers };
  }

  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    return { ok: true, value: [...this.#units.values()].filter((unit) => unit.service === service) };
  }

  async reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    const { unitId, offerId, service, slots, pricePerHourMax } = order;
    const known = this.#units.get(unitId);
    if (known !== undefined)
      return known.offerId === offerId && known.service === service && known.slots === slots
        ? { ok: true, value: known }
        : refuse("conflict", `unit ${unitId} was ordered otherwise`);
    const endpoint = this.#endpoints.find(({ url }) => url === offerId);
    if (endpoint === undefined) return refuse("unknown-offer", `${offerId} is not an endpoint of ${service}`);
    const left = this.#leftOf(endpoint);
    if (slots > left) return refuse("out-of-capacity", `${offerId} has ${left} slots left, ${slots} were ordered`);
    const pricePerHour = priceOf(endpoint, slots);
    if (pricePerHour > pricePerHourMax)
      return refuse("too-dear", `${slots} slots of ${offerId} are ${pricePerHour} an hour, at most ${pricePerHourMax} would be paid`);
    return this.#become({ unitId, offerId, service, state: "reserved", url: null, slots, pricePerHour, failure: null });
  }

  /** It runs already. */
  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    const unit = this.#units.get(unitId);
    if (unit === undefined || unit.state === "draining") return refuse("conflict", `unit ${unitId} is not reserved`);
    return this.#become({ ...unit, state: "ready", url: unit.offerId });
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    const unit = this.#units.get(unitId);
    return unit === undefined ? refuse("conflict", `unit ${unitId} is not reserved`) : this.#become({ ...unit, state: "draining" });
  }

  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    this.#units.delete(unitId);
    return { ok: true, value: null };
  }

  #become(unit: CapacityUnit): CapacityAnswer<CapacityUnit> {
    this.#units.set(unit.unitId, unit);
    return { ok: true, value: unit };
  }

  #leftOf({ url, capacity }: Endpoint): number {
    const sold = [...this.#units.values()].filter(({ offerId, state }) => offerId === url && state !== "draining");
    return Math.max(0, capacity - sold.reduce((sum, { slots }) => sum + slots, 0));
  }
}

function priceOf({ capacity, pricePerHour }: Endpoint, slots: number): number {
  return (pricePerHour * slots) / capacity;
}

function refuse(reason: CapacityRefusalReason, detail: string): CapacityAnswer<never> {
  return { ok: false, reason, detail };
}
