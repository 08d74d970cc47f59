// One fleet, a provider with every fault, an object that is evicted between any two steps of a transition: from one seed, in
// virtual time, checked after every event.
import type { Fleet } from "#durable/pool/fleet/fleet.ts";
import type { FleetAnswer, FleetCall } from "#durable/pool/fleet/fleet-calls.ts";
import { NO_FLEET_FACTS, type FleetRows } from "#durable/pool/fleet/fleet-state.ts";
import type { FleetPolicy } from "#durable/pool/fleet/follow-plan.ts";
import type { CapacityOffer, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { FaultyProvider, type CapacityFaults } from "#test/support/faulty-provider.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";
import { FleetChecks } from "./fleet-checks.ts";

/** The fleet under test; a canary's is broken. */
export interface FleetMaker {
  readonly make: (rows: FleetRows) => Fleet;
  /** Begins its shards' names anew with every life. */
  readonly forgetsNames?: boolean;
  /** Makes a round's calls before it writes down what they follow from, and what came of them. */
  readonly callsFirst?: boolean;
}

export interface FleetResult {
  readonly started: number;
  readonly evictions: number;
  readonly rolledBack: number;
  readonly transitions: Readonly<Record<string, number>>;
}

const ROUND_MS = SECOND_MS;
const PLAN_MS = 10 * SECOND_MS;
/** Long enough for the longest rest, a start and a trial. */
const CALM_MS = 12 * MINUTE_MS;
/** Long enough for all to end. */
const END_MS = 3 * MINUTE_MS;
const PASSES_MAX = 3;
const OFFERS = [
  { offerId: "large", region: null, slotsMax: 50, pricePerHour: 1 },
  { offerId: "small", region: null, slotsMax: 20, pricePerHour: 0.5 },
];
const POLICY: FleetPolicy = {
  service: "svc",
  shardSlots: 50,
  sizeMin: 10,
  sizeMax: 50,
  countMax: 8,
  countLeast: 0,
  stepMax: 3,
  costPerHourMax: 6,
  startMs: 20 * SECOND_MS,
  mode: "act",
};

export class FleetSimulation {
  readonly #random: SeededRandom;
  readonly #clock = new EventClock(1_000_000_000);
  readonly #provider: FaultyProvider;
  readonly #maker: FleetMaker;
  readonly #checks: FleetChecks;
  /** Every shard that was ever on disk. */
  readonly #written = new Set<string>();
  readonly #out = new Map<string, number>();
  /** Since when connections are refused there, as the pool has heard. */
  readonly #refusing = new Map<string, number>();
  readonly #answers = new Map<string, { requests: number; failures: number; slow: number }>();
  #fleet: Fleet;
  #rows: FleetRows = { facts: NO_FLEET_FACTS, shards: [] };
  #nextNumber = 1;
  #life = 0;
  #evictions = 0;
  #isCalm = false;
  #wanted = { count: 2, warmCount: 1 };
  #told: { count: number; warmCount: number } | null = null;

  constructor(seed: number, maker: FleetMaker) {
    this.#random = seededRandom(seed);
    this.#maker = maker;
    const unitCountMax = 6 + this.#random.below(10);
    this.#provider = new FaultyProvider({
      seed: seed + 1,
      clock: this.#clock,
      offers: OFFERS,
      unitCountMax,
      startMs: (2 + this.#random.below(40)) * SECOND_MS,
      faults: this.#storm(),
    });
    this.#fleet = maker.make(this.#rows);
    const { running, startsByUnit } = this.#provider;
    const hasRoom = (): boolean => running.size < unitCountMax;
    this.#checks = new FleetChecks(
      {
        running,
        startsByUnit,
        answers: (url) => this.#provider.answers(url),
        get cheapestPerHour() {
          return hasRoom() ? Math.min(...OFFERS.map(({ pricePerHour }) => pricePerHour)) : null;
        },
      },
      POLICY,
    );
  }

  run({ stormMs }: { stormMs: number }): FleetResult {
    this.#round(this.#life);
    this.#every(ROUND_MS, () => this.#serve());
    this.#every(PLAN_MS, () => this.#plan());
    this.#evictLoop();
    this.#clock.until(this.#clock.nowMs + stormMs);
    this.#isCalm = true;
    this.#provider.setFaults({ delayMsMax: 50 });
    this.#wanted = { count: 3, warmCount: 1 };
    this.#clock.until(this.#clock.nowMs + CALM_MS);
    this.#checks.settled(this.#fleet, this.#wanted, this.#clock.wallMs);
    this.#wanted = { count: 0, warmCount: 0 };
    this.#clock.until(this.#clock.nowMs + END_MS);
    this.#checks.ended(this.#fleet);
    const { transitions } = this.#fleet.stats(this.#clock.wallMs);
    const rolledBack = (transitions["draining errors"] ?? 0) + (transitions["draining latency"] ?? 0);
    return { started: this.#provider.startsByUnit.size, evictions: this.#evictions, rolledBack, transitions };
  }

  #storm(): Partial<CapacityFaults> {
    const some = (most: number): number => (this.#random.below(2) === 0 ? 0 : most * this.#random.next());
    return {
      delayMsMax: 1 + this.#random.below(2_000),
      lostCalls: some(0.2),
      lostAnswers: some(0.2),
      lateCalls: some(0.2),
      repeatedCalls: some(0.3),
      refusedCalls: some(0.2),
      outOfCapacity: some(0.5),
      dearReservations: some(0.5),
      repricedUnits: some(0.3),
      shrunkUnits: some(0.3),
      failedStarts: some(0.4),
      slowStarts: some(0.4),
      lyingUnits: some(0.4),
      crashingUnits: some(0.5),
      lifeMsMean: 60 * SECOND_MS,
    };
  }

  #every(periodMs: number, run: () => void): void {
    this.#clock.after(periodMs, () => {
      run();
      this.#every(periodMs, run);
    });
  }

  get #nowMs(): number {
    return this.#clock.wallMs;
  }

  /** Rows are rebuilt from the changes alone, and read back as JSON. */
  #commit(): void {
    const changes = JSON.parse(JSON.stringify(this.#fleet.takeChanges())) as ReturnType<Fleet["takeChanges"]>;
    const ids = new Set([...changes.shards.map(({ shardId }) => shardId), ...changes.shardsGone]);
    const kept = this.#rows.shards.filter(({ shardId }) => !ids.has(shardId));
    this.#rows = { facts: changes.facts ?? this.#rows.facts, shards: [...kept, ...changes.shards] };
    for (const { shardId } of changes.shards) this.#written.add(shardId);
    this.#checks.afterEvent(this.#fleet, this.#written, this.#nowMs);
  }

  #evictLoop(): void {
    this.#clock.after(this.#random.exponential() * 8 * SECOND_MS, () => {
      if (!this.#isCalm) this.#evict();
      this.#evictLoop();
    });
  }

  #evict(): void {
    this.#evictions += 1;
    this.#life += 1;
    this.#fleet = this.#maker.make(this.#rows);
    if (this.#maker.forgetsNames === true) this.#nextNumber = 1;
    this.#answers.clear();
    this.#refusing.clear();
    const life = this.#life;
    this.#clock.after(this.#random.below(2_000), () => this.#round(life));
  }

  #round(life: number): void {
    if (life !== this.#life) return;
    this.#provider.callOffers((offered) => {
      if (life !== this.#life) return;
      const askedAtMs = this.#clock.nowMs;
      this.#provider.callUnits(POLICY.service, (listed) => {
        if (life === this.#life)
          this.#follow({ life, askedAtMs, offers: offered.ok ? offered.value : null, units: listed.ok ? listed.value : null });
      });
    });
  }

  #follow({
    life,
    askedAtMs,
    offers,
    units,
  }: {
    life: number;
    askedAtMs: number;
    offers: readonly CapacityOffer[] | null;
    units: readonly CapacityUnit[] | null;
  }): void {
    if (units !== null) {
      this.#checks.orderedOnly(this.#written, units);
      this.#fleet.observe(units, this.#nowMs);
      this.#checks.afterList(this.#fleet, units, { askedAtMs, nowMs: this.#clock.nowMs });
    }
    this.#fleet.measure((shardId) => this.#take(shardId));
    const before = this.#checks.orderedIn(this.#fleet, this.#nowMs);
    this.#fleet.follow({
      nowMs: this.#nowMs,
      policy: POLICY,
      offers: units === null ? null : offers,
      waitingCount: 0,
      refusingMs: (url) => this.#refusingMs(url),
      slotsOut: (url) => this.#out.get(url) ?? 0,
      socketsOn: () => 0,
      nextShardId: () => `svc-${this.#nextNumber++}`,
    });
    this.#checks.afterFollow(this.#fleet, { before, wanted: this.#told, refusingMs: (url) => this.#refusingMs(url), nowMs: this.#nowMs });
    if (this.#maker.callsFirst !== true) this.#commit();
    this.#call(life, PASSES_MAX);
  }

  #call(life: number, passes: number): void {
    const calls = life === this.#life ? this.#fleet.calls : [];
    let open = calls.length;
    const next = (): void => {
      if (life !== this.#life) return;
      if (passes > 1 && calls.length > 0) this.#call(life, passes - 1);
      else this.#endRound(life);
    };
    if (open === 0) return next();
    for (const call of calls) {
      this.#send(call, (answer) => {
        if (life !== this.#life) return;
        this.#fleet.takeAnswer(call, answer, this.#nowMs);
        if (this.#maker.callsFirst !== true) this.#commit();
        open -= 1;
        if (open === 0) next();
      });
    }
  }

  #endRound(life: number): void {
    this.#commit();
    this.#clock.after(ROUND_MS, () => this.#round(life));
  }

  #send(call: FleetCall, answer: (answer: FleetAnswer) => void): void {
    if (call.verb === "reserve") this.#provider.callReserve(call.order, answer);
    else if (call.verb === "start") this.#provider.callStart(call.unitId, answer);
    else if (call.verb === "drain") this.#provider.callDrain(call.unitId, answer);
    else this.#provider.callStop(call.unitId, answer);
  }

  #plan(): void {
    if (!this.#isCalm && this.#random.below(3) === 0) this.#wanted = { count: this.#random.below(6), warmCount: this.#random.below(3) };
    this.#fleet.want(this.#wanted);
    this.#told = this.#wanted;
    this.#commit();
  }

  /** A second of traffic: every shard of the table has as much to do as it has slots. */
  #serve(): void {
    const table = this.#fleet.table;
    for (const { shardId, endpointUrl, size, state } of table) {
      if (state !== "active") continue;
      const isAlive = this.#provider.answers(endpointUrl);
      // Others hang.
      const refuses = !isAlive && Number(new URL(endpointUrl).port) % 2 === 0;
      if (refuses) this.#refusing.set(endpointUrl, this.#refusing.get(endpointUrl) ?? this.#nowMs);
      else this.#refusing.delete(endpointUrl);
      const failures = isAlive ? (this.#random.below(20) === 0 ? 1 : 0) : size;
      const { requests, failures: failed } = this.#answers.get(shardId) ?? { requests: 0, failures: 0 };
      this.#answers.set(shardId, { requests: requests + size, failures: failed + failures, slow: 0 });
      this.#out.set(endpointUrl, this.#random.below(size + 1));
    }
    const inUse = new Set(table.filter(({ state }) => state === "active").map(({ endpointUrl }) => endpointUrl));
    for (const [url, out] of this.#out) {
      if (inUse.has(url)) continue;
      if (out <= 1 || !this.#provider.answers(url)) this.#out.delete(url);
      else this.#out.set(url, this.#random.below(out));
    }
  }

  #refusingMs(url: string): number {
    const sinceMs = this.#refusing.get(url);
    return sinceMs === undefined ? 0 : this.#nowMs - sinceMs;
  }

  #take(shardId: string): { requests: number; failures: number; slow: number } {
    const answers = this.#answers.get(shardId) ?? { requests: 0, failures: 0, slow: 0 };
    this.#answers.delete(shardId);
    return answers;
  }
}
