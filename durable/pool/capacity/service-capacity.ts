// All agents of a service as one provider: what they offer, within what the operator allows of each. An offer is known by its
// agent's address and its own id; a unit by its name alone, so every answer that names one says where it is.
import { canonicalEndpoint } from "#shared/config/endpoint-url.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import type {
  CapacityAnswer,
  CapacityOffer,
  CapacityOrder,
  CapacityProvider,
  CapacityRefusalReason,
  CapacityUnit,
} from "#shared/protocol/capacity-provider.ts";
import { HttpCapacityProvider } from "./http-provider.ts";

export interface Agent {
  /** Before the ids of its offers. */
  readonly url: string;
  readonly provider: CapacityProvider;
  /** Of all its units together. */
  readonly capacity: number;
  /** Of all its capacity; a unit may cost its part. */
  readonly pricePerHour: number;
  readonly region: string | null;
}

export class ServiceCapacity implements CapacityProvider {
  readonly #agents: readonly Agent[];
  readonly #slotsMax: number;
  readonly #agentOf = new Map<string, Agent>();
  /** As each agent last told, for the service that was asked for. */
  readonly #told = new Map<Agent, readonly CapacityUnit[]>();

  #recalled: readonly CapacityUnit[] = [];

  /** `slotsMax`: no unit is ordered larger. */
  constructor(agents: readonly Agent[], slotsMax: number) {
    this.#agents = agents;
    this.#slotsMax = slotsMax;
  }

  /** Of the agents that answer; a refusal where none has anything to offer, with the first one's reason. */
  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const answers = await Promise.all(this.#agents.map(async (agent) => this.#offersOf(agent)));
    const offers = answers.flatMap((answer) => (answer.ok ? answer.value : []));
    const refusal = answers.find((answer) => !answer.ok);
    return offers.length === 0 && refusal !== undefined ? refusal : { ok: true, value: offers };
  }

  /** What is known of units before their agents have told anything: each named as here. For the next `units`. */
  recall(units: readonly CapacityUnit[]): void {
    this.#recalled = units;
  }

  /**
   * Those of an agent that does not answer as it last told them, or as they are recalled; a refusal where none answers. What one agent sold
   * no other knows anything of: a copy of its host lists its units, too.
   */
  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const answers = await Promise.all(this.#agents.map(async (agent) => ({ agent, answer: await agent.provider.units(service) })));
    const refusal = answers.find(({ answer }) => !answer.ok)?.answer;
    if (refusal?.ok === false && answers.every(({ answer }) => !answer.ok)) return refusal;
    const offerOf = new Map(this.#recalled.map(({ unitId, offerId }) => [unitId, offerId]));
    const units: CapacityUnit[] = [];
    for (const { agent, answer } of answers) {
      // One that is down since this object woke: what runs there may be more, but it keeps no other agent from being used.
      if (answer.ok) this.#told.set(agent, answer.value);
      const told = this.#told.get(agent) ?? this.#recalledAt(agent);
      for (const unit of told) if (offerOf.get(unit.unitId)?.startsWith(`${agent.url} `) !== false) units.push(this.#named(agent, unit));
    }
    return { ok: true, value: units };
  }

  async reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    const { unitId, offerId } = order;
    const agent = this.#agents.find(({ url }) => offerId.startsWith(`${url} `));
    if (agent === undefined) return refuse("unknown-offer", `offer ${offerId} is of no agent of ${order.service}`);
    const over = this.#overCapacity(agent, order);
    if (over !== null) return over;
    const pricePerHourMax = Math.min(order.pricePerHourMax, priceMaxOf(agent, order.slots));
    const answer = await agent.provider.reserve({ ...order, offerId: offerId.slice(agent.url.length + 1), pricePerHourMax });
    if (!answer.ok) return answer;
    const others = (this.#told.get(agent) ?? []).filter((unit) => unit.unitId !== unitId);
    this.#told.set(agent, [...others, answer.value]);
    return { ok: true, value: this.#named(agent, answer.value) };
  }

  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#at(unitId, async ({ provider }) => provider.start(unitId));
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#at(unitId, async ({ provider }) => provider.drain(unitId));
  }

  /** Where nobody knows whose it is, everybody's: stopping what one does not have is no fault. */
  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    const known = this.#agentOf.get(unitId);
    const answers = await Promise.all((known === undefined ? this.#agents : [known]).map(async ({ provider }) => provider.stop(unitId)));
    const refusal = answers.find((answer) => !answer.ok);
    if (refusal !== undefined) return refusal;
    if (known !== undefined)
      this.#told.set(
        known,
        (this.#told.get(known) ?? []).filter((unit) => unit.unitId !== unitId),
      );
    this.#agentOf.delete(unitId);
    return { ok: true, value: null };
  }

  async #offersOf(agent: Agent): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    const answer = await agent.provider.offers();
    if (!answer.ok) return answer;
    const left = agent.capacity - this.#slotsOf(agent);
    const offers = answer.value.map((offer) => {
      const slotsMax = Math.min(offer.slotsMax, this.#slotsMax);
      const fitting = Math.max(0, Math.floor(left / slotsMax));
      const availableCount = Math.min(offer.availableCount ?? Infinity, fitting);
      return { ...offer, offerId: `${agent.url} ${offer.offerId}`, region: offer.region ?? agent.region, slotsMax, availableCount };
    });
    const fair = offers.filter(({ pricePerHour, slotsMax }) => pricePerHour <= priceMaxOf(agent, slotsMax));
    const [dear] = offers;
    if (fair.length > 0 || dear === undefined) return { ok: true, value: fair };
    const { offerId, pricePerHour, slotsMax } = dear;
    const allowed = `${priceMaxOf(agent, slotsMax)} for ${slotsMax} slots by the endpoint's pricePerHour`;
    return refuse("too-dear", `${offerId} is ${pricePerHour} an hour, expected at most ${allowed}`);
  }

  #recalledAt({ url }: Agent): readonly CapacityUnit[] {
    const prefix = `${url} `;
    return this.#recalled.flatMap((unit) =>
      unit.offerId.startsWith(prefix) ? [{ ...unit, offerId: unit.offerId.slice(prefix.length) }] : [],
    );
  }

  #overCapacity(agent: Agent, { unitId, slots }: CapacityOrder): CapacityAnswer<never> | null {
    const taken = this.#slotsOf(agent, unitId);
    if (taken + slots <= agent.capacity) return null;
    return refuse("out-of-capacity", `${taken} of ${agent.capacity} slots at ${agent.url} are taken, ${slots} were ordered`);
  }

  #slotsOf(agent: Agent, except = ""): number {
    const held = (this.#told.get(agent) ?? []).filter(({ unitId }) => unitId !== except);
    return held.reduce((sum, { slots }) => sum + slots, 0);
  }

  async #at(unitId: string, ask: (agent: Agent) => Promise<CapacityAnswer<CapacityUnit>>): Promise<CapacityAnswer<CapacityUnit>> {
    const agent = this.#agentOf.get(unitId) ?? (this.#agents.length === 1 ? this.#agents[0] : undefined);
    if (agent === undefined) return refuse("unavailable", `nobody has said yet which agent has unit ${unitId}`);
    const answer = await ask(agent);
    return answer.ok ? { ok: true, value: this.#named(agent, answer.value) } : answer;
  }

  #named(agent: Agent, unit: CapacityUnit): CapacityUnit {
    this.#agentOf.set(unit.unitId, agent);
    return { ...unit, offerId: `${agent.url} ${unit.offerId}` };
  }
}

/** Null: the service has no agent. */
export function capacityOf(
  { endpoints, shards }: Pick<ServiceConfig, "endpoints" | "shards">,
  keys: ReadonlyMap<string, string>,
): ServiceCapacity | null {
  const agents = endpoints
    .filter(({ provider }) => provider === "process")
    .map(({ url, capacity, pricePerHour, region, unitHosts, allowInsecure }): Agent => {
      const base = canonicalEndpoint(url);
      const provider = new HttpCapacityProvider({ url: base, key: keys.get(base) ?? null, unitHosts: unitHosts ?? [], allowInsecure });
      return { url: base, provider, capacity, pricePerHour, region: region ?? null };
    });
  return agents.length === 0 ? null : new ServiceCapacity(agents, shards.sizeMax);
}

function priceMaxOf({ pricePerHour, capacity }: Agent, slots: number): number {
  return (pricePerHour * slots) / capacity;
}

function refuse(reason: CapacityRefusalReason, detail: string): CapacityAnswer<never> {
  return { ok: false, reason, detail };
}
