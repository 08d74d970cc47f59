// Where a service's shards come from: slices of its own endpoints, and units that agents sell, as one provider.
import { readAgentKeys } from "#shared/config/agent-keys.ts";
import { canonicalEndpoint } from "#shared/config/endpoint-url.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { CapacityAnswer, CapacityOffer, CapacityOrder, CapacityProvider, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { RetiredAgents, retiredAgent } from "./capacity/retired-agents.ts";
import { capacityOf as agentsOf } from "./capacity/service-capacity.ts";
import { StaticProvider } from "./capacity/static-provider.ts";
import type { FleetAnswer, FleetCall } from "./fleet/fleet-calls.ts";
import { FLEET } from "./fleet/fleet-settings.ts";
import { staticEndpoints, type PoolShard } from "./layout.ts";

/** `sold`: what is out already; of the slices nobody else remembers it. */
export type CapacityOf = (sold: readonly CapacityUnit[]) => CapacityProvider;

/** Whether units can fail, vanish or become dearer unseen: slices of endpoints cannot. */
export function hasAgents({ endpoints }: Pick<ServiceConfig, "endpoints">): boolean {
  return endpoints.some(({ provider }) => provider === "process");
}

/** One for as long as the configuration is: what agents told last is remembered. */
export function capacityOf(service: ServiceConfig, agentKeys: string | undefined): CapacityOf {
  const keys = readAgentKeys(agentKeys);
  const agents = agentsOf(service, keys);
  const retired = new RetiredAgents((url, units) => retiredAgent(url, keys.get(url) ?? null, units));
  const isCurrent = (offerId: string): boolean =>
    service.endpoints.some(({ provider, url }) => provider === "process" && offerId.startsWith(`${canonicalEndpoint(url)} `));
  return (sold) => {
    const isAgents = (offerId: string): boolean => offerId.includes(" ");
    const slices = new SlicedEndpoints(
      service,
      sold.filter(({ offerId }) => !isAgents(offerId)),
    );
    const ofRetired = sold.filter(({ offerId }) => isAgents(offerId) && !isCurrent(offerId));
    if (agents === null) return retired.beside(slices, ofRetired);
    agents.recall(sold);
    const offerOf = new Map(sold.map(({ unitId, offerId }) => [unitId, offerId]));
    const isSlice = (unitId: string): boolean => offerOf.has(unitId) && !isAgents(offerOf.get(unitId) ?? "");
    return retired.beside(new Both({ slices, agents, isSlice }), ofRetired);
  };
}

/** A call of a fleet's, made. */
export async function makeCall(provider: CapacityProvider, call: FleetCall): Promise<FleetAnswer> {
  if (call.verb === "reserve") return provider.reserve(call.order);
  if (call.verb === "start") return provider.start(call.unitId);
  return call.verb === "drain" ? provider.drain(call.unitId) : provider.stop(call.unitId);
}

/** Slots that the plan counts as one shard: an endpoint's slice, in the mean; with agents, the largest that is ordered. */
export function shardSlotsOf({ endpoints, shards }: ServiceConfig): number {
  const slices = staticEndpoints({ endpoints }).map(({ capacity }) => ({ capacity, slots: sliceSlots(capacity, shards) }));
  if (slices.length === 0 || hasAgents({ endpoints })) return shards.sizeMax;
  const count = slices.reduce((sum, { capacity, slots }) => sum + Math.floor(capacity / slots + FLEET.slackRatio), 0);
  const used = slices.reduce(
    (sum, { capacity, slots }) => sum + Math.min(capacity, slots * Math.floor(capacity / slots + FLEET.slackRatio)),
    0,
  );
  return Math.max(1, Math.floor(used / Math.max(1, count)));
}

/** The shards of a configuration, as units. */
export function slicesOf({ service, endpoints }: ServiceConfig, shards: readonly PoolShard[]): CapacityUnit[] {
  return shards.map(({ shardId, endpointUrl: url, size, state }) => {
    const endpoint = staticEndpoints({ endpoints }).find((one) => one.url === url);
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
  readonly #endpoints: ServiceConfig["endpoints"];
  readonly #shards: ServiceConfig["shards"];
  readonly #sold: readonly CapacityUnit[];

  constructor(service: ServiceConfig, sold: readonly CapacityUnit[]) {
    const endpoints = staticEndpoints(service);
    super({ endpoints, units: sold });
    this.#endpoints = endpoints;
    this.#shards = service.shards;
    this.#sold = sold;
  }

  /**
   * Slices of an endpoint that was removed drain; where one became smaller, the last ones have what is left. Those that drain come after those
   * that serve: with theirs they could do nothing, and their sockets would have nowhere to go.
   */
  override async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const left = new Map(this.#endpoints.map(({ url, capacity }) => [url, capacity]));
    const listed = await super.units(service);
    if (!listed.ok) return listed;
    const inOrder = listed.value.toSorted((a, b) => Number(a.state === "draining") - Number(b.state === "draining"));
    const fitted = inOrder.map((unit) => {
      const slots = Math.min(unit.slots, left.get(unit.offerId) ?? 0);
      left.set(unit.offerId, (left.get(unit.offerId) ?? 0) - slots);
      return slots > 0 ? { ...unit, slots } : { ...unit, state: "draining" as const };
    });
    return { ok: true, value: fitted };
  }

  override async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const offers = this.#endpoints.flatMap(({ url, capacity, region, pricePerHour }) => {
      const out = this.#sold
        .filter(({ offerId, state }) => offerId === url && state !== "draining")
        .reduce((sum, { slots }) => sum + slots, 0);
      const left = Math.max(0, capacity - out);
      const slotsMax = Math.min(left, sliceSlots(capacity, this.#shards));
      // What is left of an endpoint is a shard of its own only where that is not too small for one.
      if (slotsMax === 0 || slotsMax < Math.min(capacity, this.#shards.sizeMin)) return [];
      const availableCount = Math.floor(left / slotsMax);
      return [{ offerId: url, region: region ?? null, slotsMax, pricePerHour: (pricePerHour * slotsMax) / capacity, availableCount }];
    });
    return { ok: true, value: offers };
  }
}

/** Slices and agents' units side by side. An agent's offer has a space in its name; no address has one. */
class Both implements CapacityProvider {
  readonly #parts: { readonly slices: CapacityProvider; readonly agents: CapacityProvider; readonly isSlice: (unitId: string) => boolean };
  /** Slices since it was made. */
  readonly #reserved = new Set<string>();

  constructor(parts: { slices: CapacityProvider; agents: CapacityProvider; isSlice: (unitId: string) => boolean }) {
    this.#parts = parts;
  }

  /** What the agents have where they answer; the slices are there anyway. */
  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const [slices, agents] = await Promise.all([this.#parts.slices.offers(), this.#parts.agents.offers()]);
    const value = [slices, agents].flatMap((answer) => (answer.ok ? answer.value : []));
    return value.length === 0 && !agents.ok ? agents : { ok: true, value };
  }

  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const [slices, agents] = await Promise.all([this.#parts.slices.units(service), this.#parts.agents.units(service)]);
    if (!agents.ok || !slices.ok) return agents.ok ? slices : agents;
    return { ok: true, value: [...slices.value, ...agents.value] };
  }

  async reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    if (order.offerId.includes(" ")) return this.#parts.agents.reserve(order);
    this.#reserved.add(order.unitId);
    return this.#parts.slices.reserve(order);
  }

  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#at(unitId).start(unitId);
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#at(unitId).drain(unitId);
  }

  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    return this.#at(unitId).stop(unitId);
  }

  #at(unitId: string): CapacityProvider {
    return this.#reserved.has(unitId) || this.#parts.isSlice(unitId) ? this.#parts.slices : this.#parts.agents;
  }
}
