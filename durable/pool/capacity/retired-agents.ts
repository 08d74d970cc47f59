// Agents that left a service's configuration while units of theirs still ran: nothing is ordered there, what serves is drained, the rest is
// stopped. They need not answer: then what is known of them drains, and is forgotten when nobody has taken the stops.
import type {
  CapacityAnswer,
  CapacityOffer,
  CapacityOrder,
  CapacityProvider,
  CapacityRefusalReason,
  CapacityUnit,
} from "#shared/protocol/capacity-provider.ts";
import { HttpCapacityProvider } from "./http-provider.ts";

/** Stops of one unit that were not taken; then it is left to its agent, which ends what nobody asks for any more. */
const STOP_COUNT_MAX = 30;

/** For as long as a configuration is. */
export class RetiredAgents {
  readonly #openAgent: (url: string, units: readonly CapacityUnit[]) => CapacityProvider;
  readonly #agents = new Map<string, CapacityProvider>();
  /** Unit → stops that were not taken. */
  readonly #stops = new Map<string, number>();

  constructor(openAgent: (url: string, units: readonly CapacityUnit[]) => CapacityProvider) {
    this.#openAgent = openAgent;
  }

  /** `current` and beside it what `sold` has of agents that are gone; `sold` names each with its agent's address. */
  beside(current: CapacityProvider, sold: readonly CapacityUnit[]): CapacityProvider {
    return sold.length === 0 ? current : new WithRetired(current, sold, this);
  }

  agentAt(url: string, units: readonly CapacityUnit[]): CapacityProvider {
    const agent = this.#agents.get(url) ?? this.#openAgent(url, units);
    this.#agents.set(url, agent);
    return agent;
  }

  /** Whether the unit's stop counts as done. */
  isStopped(unitId: string, answer: CapacityAnswer<null>): boolean {
    const count = answer.ok ? STOP_COUNT_MAX : (this.#stops.get(unitId) ?? 0) + 1;
    if (count < STOP_COUNT_MAX) this.#stops.set(unitId, count);
    else this.#stops.delete(unitId);
    return count >= STOP_COUNT_MAX;
  }
}

class WithRetired implements CapacityProvider {
  readonly #current: CapacityProvider;
  readonly #retired: RetiredAgents;
  readonly #sold: ReadonlyMap<string, CapacityUnit>;

  constructor(current: CapacityProvider, sold: readonly CapacityUnit[], retired: RetiredAgents) {
    this.#current = current;
    this.#retired = retired;
    this.#sold = new Map(sold.map((unit) => [unit.unitId, unit]));
  }

  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    return this.#current.offers();
  }

  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const byAgent = Map.groupBy(this.#sold.values(), ({ offerId }) => urlOf(offerId));
    const [current, ...retired] = await Promise.all([
      this.#current.units(service),
      ...[...byAgent].map(async ([url, sold]) => this.#unitsAt(url, sold, service)),
    ]);
    return current.ok ? { ok: true, value: [...current.value, ...retired.flat()] } : current;
  }

  async reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#current.reserve(order);
  }

  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#sold.has(unitId) ? refuse("conflict", "its agent has left the configuration") : this.#current.start(unitId);
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    const agent = this.#agentOf(unitId);
    return agent === null ? this.#current.drain(unitId) : agent.drain(unitId);
  }

  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    const agent = this.#agentOf(unitId);
    if (agent === null) return this.#current.stop(unitId);
    const answer = await agent.stop(unitId);
    return this.#retired.isStopped(unitId, answer) ? { ok: true, value: null } : answer;
  }

  #agentOf(unitId: string): CapacityProvider | null {
    const unit = this.#sold.get(unitId);
    return unit === undefined ? null : this.#retired.agentAt(urlOf(unit.offerId), [unit]);
  }

  /** Only what was sold: others' units there are not this pool's business any more. */
  async #unitsAt(url: string, sold: readonly CapacityUnit[], service: string): Promise<readonly CapacityUnit[]> {
    const answer = await this.#retired.agentAt(url, sold).units(service);
    const told = answer.ok ? new Map(answer.value.map((unit) => [unit.unitId, unit])) : null;
    return sold.flatMap((known) => {
      const unit = told === null ? known : told.get(known.unitId);
      if (unit === undefined) return [];
      const serves = unit.state === "ready" || unit.state === "draining";
      const failure = unit.failure ?? "its agent has left the configuration";
      return [{ ...unit, offerId: known.offerId, ...(serves ? { state: "draining" as const } : { state: "failed" as const, failure }) }];
    });
  }
}

/** Its units' addresses were allowed when they were ordered. */
export function retiredAgent(url: string, key: string | null, units: readonly CapacityUnit[]): CapacityProvider {
  const unitHosts = units.flatMap((unit) => (unit.url !== null && URL.canParse(unit.url) ? [new URL(unit.url).hostname] : []));
  return new HttpCapacityProvider({ url, key, unitHosts, allowInsecure: true });
}

function urlOf(offerId: string): string {
  return offerId.slice(0, offerId.indexOf(" "));
}

function refuse(reason: CapacityRefusalReason, detail: string): CapacityAnswer<never> {
  return { ok: false, reason, detail };
}
