// A fleet at work in a pool: asks the provider, lets the records decide, writes down, changes the shard table, and only then
// calls. One round at a time, behind whatever the object does; what a round learns is looked at again after every await.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { CapacityProvider } from "#shared/protocol/capacity-provider.ts";
import type { FleetStats } from "#shared/protocol/fleet-stats.ts";
import type { ShardTelemetry } from "#shared/protocol/telemetry.ts";
import { capacityOf, hasAgents, makeCall, shardSlotsOf, slicesOf, type CapacityOf } from "./fleet-capacity.ts";
import { Fleet } from "./fleet/fleet.ts";
import type { FleetCall } from "./fleet/fleet-calls.ts";
import type { FleetPolicy } from "./fleet/follow-plan.ts";
import type { FleetKeeperShell, Told } from "./fleet-keeper-shell.ts";
import { FleetRounds, REST_MS } from "./fleet-rounds.ts";
import type { PoolShard } from "./layout.ts";
import type { Demand } from "./scaled-demand.ts";

/** Calls that are made at a time, and after each other in one round: a reservation, its start. */
const CALL_COUNT_MAX = 16;
const PASS_COUNT_MAX = 3;

export class FleetKeeper {
  readonly #shell: FleetKeeperShell;
  #fleet = new Fleet();
  /** Null: none was ever acted for. */
  #service: ServiceConfig | null = null;
  #mode: FleetPolicy["mode"] | null = null;
  /** For as long as the configuration is. */
  #capacity: CapacityOf | null = null;
  /** Of the next shard, while one is ordered. */
  #nextNumber: number | null = null;
  #startMs = 0;
  #isIdle = false;
  #isShort = false;
  readonly #rounds = new FleetRounds();

  constructor(shell: FleetKeeperShell) {
    this.#shell = shell;
    shell.pool.routes.awaited = (nowMs) =>
      this.#mode === "act" ? this.#fleet.awaited({ nowMs, startMs: this.#startMs, isShort: this.#isShort }) : null;
  }

  /** Once, when the disk may be read. */
  open(service: ServiceConfig | null, nowMs: number): void {
    this.#fleet = new Fleet(this.#shell.load());
    this.#follow(service);
    if (this.isActing && !(this.#fleet.isSettled && this.#fleet.isEmpty)) this.#rounds.dueBy(nowMs);
  }

  /** Whether the shard table is the fleet's, and not the configuration's. */
  isActingFor(service: ServiceConfig | null): boolean {
    if (service?.provisioning.mode === "act") return true;
    const known = service ?? this.#service ?? this.#shell.loadService();
    return known !== null && hasAgents(known) && !this.#fleet.isEmpty;
  }

  get isActing(): boolean {
    return this.#mode !== null;
  }

  /** Before the pool follows the same configuration; whether the shard table is the fleet's. */
  configure(service: ServiceConfig | null, nowMs: number): boolean {
    const [wasActing, before] = [this.isActing, this.planned];
    this.#follow(service);
    if (before !== null && this.planned !== null) this.#fleet.resize(before.shardSlots, this.planned.shardSlots);
    if (wasActing && !this.isActing) this.#fleet.disband(nowMs);
    // What is in service stays there: from here on it is the plan's.
    if (!wasActing && this.isActing && service !== null) this.#fleet.adopt(slicesOf(service, this.#shell.pool.shards), nowMs);
    this.#save(null, this.isActing ? service : null);
    if (this.isActing) this.#rounds.dueBy(nowMs);
    return this.isActing;
  }

  /** What the plan says, or the forecast of a service that sleeps. */
  want(demand: Pick<Demand, "wantedAt" | "isAsleep">, nowMs: number): void {
    this.#isIdle = demand.isAsleep;
    const wanted = this.isActing ? demand.wantedAt(nowMs) : null;
    if (wanted === null) return;
    this.#startMs = wanted.startMs ?? this.#startMs;
    if (this.#fleet.want(wanted)) this.#rounds.dueBy(nowMs);
  }

  measure(shards: readonly ShardTelemetry[], nowMs: number): void {
    if (this.#shell.pool.routes.refusals.take(shards, nowMs)) this.#lookSoon(nowMs);
    if (!this.isActing) return;
    const proven = new Set(this.#fleet.activeIds);
    for (const shard of shards) this.#shell.meters.add(shard, proven.has(shard.shardId));
    // A unit that fails may be gone: its provider knows.
    if (shards.some(({ failures }) => failures > 0)) this.#rounds.lookAt(nowMs + REST_MS.busy);
  }

  /** An endpoint refused a holder's connection: nobody listens there, and its provider may know why. */
  refused(lane: string, nowMs: number): void {
    this.#shell.pool.routes.refusals.note(lane, nowMs);
    this.#lookSoon(nowMs);
  }

  #lookSoon(nowMs: number): void {
    const service = this.#service;
    if (!this.isActing || service === null) return;
    this.#rounds.lookSoon(nowMs);
    // A provider that hangs holds nobody up who has to be sent elsewhere.
    if (this.#fleet.isRefusing((url) => this.#refusingMsAt(url))) this.#decide(service, null);
  }

  /** Of an endpoint that is configured, and no agent. */
  #isSliced(url: string): boolean {
    return this.#service?.endpoints.some((endpoint) => endpoint.provider !== "process" && endpoint.url === url) === true;
  }

  /** A slice of an endpoint that is there may come back, and another slice of it would be no better. */
  #refusingMsAt(url: string): number {
    return this.#isSliced(url) ? 0 : this.#shell.pool.routes.refusals.refusingMs(url);
  }

  /** The operator's word: takes a shard out of use; false: it is not in use. What takes its place is the plan's business. */
  drain(shardId: string, nowMs: number): boolean {
    if (!this.#fleet.drain(shardId, nowMs)) return false;
    this.#rounds.dueBy(nowMs);
    this.#commit(nowMs);
    return true;
  }

  /** Takes it back, while it may come back; false: it may not. */
  restore(shardId: string, nowMs: number): boolean {
    if (!this.#fleet.restore(shardId, { isSlice: (url) => this.#isSliced(url), nowMs })) return false;
    this.#rounds.dueBy(nowMs);
    this.#commit(nowMs);
    return true;
  }

  /** When `tick` has something to do; null: nothing, until something comes. */
  get wakesAtMs(): number | null {
    return this.isActing && this.#rounds.dueAtMs < Infinity ? this.#rounds.dueAtMs : null;
  }

  /** After every event of the pool: begins a round where one is due. Returns at once. */
  tick(nowMs: number): void {
    this.#shell.pool.routes.refusals.tick(nowMs);
    if (!this.isActing || this.#rounds.isRunning) return;
    const isWaitedFor = this.#shell.pool.routes.choice.isEmpty && this.#shell.pool.queueLength > 0 && !this.#isShort;
    if (isWaitedFor && this.#fleet.isSettled) this.#rounds.dueBy(nowMs);
    if (!this.#rounds.begin(nowMs)) return;
    void this.#round().then(
      (hasCalled) => this.#ended(Date.now(), hasCalled),
      (error: unknown) => this.#failed(error),
    );
  }

  /** What a plan is made for and held against; null: the plan is shown and not done. */
  get planned() {
    const service = this.#service;
    if (this.#mode !== "act" || service === null) return null;
    const shardSlots = shardSlotsOf(service);
    return {
      shardSlots,
      pricePerHour: this.#fleet.pricePerSlot === null ? null : this.#fleet.pricePerSlot * shardSlots,
      counts: () => this.#fleet.countsFor(shardSlots),
      takeStarts: () => this.#fleet.takeStarts(),
    };
  }

  /** Null: the service's shards are its configuration's. */
  stats(nowMs: number): FleetStats | null {
    return this.isActing ? this.#fleet.stats(nowMs) : null;
  }

  #follow(service: ServiceConfig | null): void {
    const isActing = this.isActingFor(service);
    this.#service = service ?? this.#shell.loadService();
    this.#capacity = null;
    if (!isActing) this.#mode = null;
    else if (service === null) this.#mode = "end";
    else this.#mode = service.provisioning.mode === "act" ? "act" : "hold";
    this.#shell.pool.routes.choice.mayWait = this.#mode === "act" && service !== null && hasAgents(service);
  }

  /** Whether anything was called: what the answers make of the records is followed by the next round. */
  async #round(): Promise<boolean> {
    const service = this.#service;
    if (service === null) return false;
    const capacity = this.#capacity ?? capacityOf(service, this.#shell.agentKeys);
    this.#capacity = capacity;
    const provider = capacity(this.#fleet.unitsOf(service.service));
    const [offered, listed] = await Promise.all([provider.offers(), provider.units(service.service)]);
    // Another configuration meanwhile: the next round follows it.
    if (service !== this.#service || this.#mode === null) return false;
    this.#decide(service, { offered, listed });
    for (let pass = 0; pass < PASS_COUNT_MAX; pass += 1) {
      const calls = this.#fleet.calls.slice(0, CALL_COUNT_MAX);
      if (calls.length === 0) return pass > 0;
      await Promise.all(calls.map(async (call) => this.#call(provider, call)));
    }
    return true;
  }

  /** Null: without asking the provider. */
  #decide(service: ServiceConfig, told: Told | null): void {
    const { pool, meters } = this.#shell;
    const nowMs = Date.now();
    const [offered, listed] = [told?.offered, told?.listed];
    if (listed?.ok === true) this.#fleet.observe(listed.value, nowMs);
    else if (listed !== undefined)
      this.#shell.warn("capacity-unknown", { service: service.service, reason: listed.reason, detail: listed.detail });
    this.#fleet.measure(meters.take());
    this.#isShort = this.#fleet.follow({
      nowMs,
      policy: this.#policyOf(service),
      offers: listed?.ok === true && offered?.ok === true ? offered.value : null,
      waitingCount: pool.queueLength,
      refusingMs: (url) => this.#refusingMsAt(url),
      slotsOut: (url) => pool.ledger.slotsOfLane(url),
      socketsOn: pool.socketsOn,
      nextShardId: () => `${service.service}-${this.#takeNumber()}`,
    });
    this.#commit(nowMs);
  }

  #takeNumber(): number {
    const number = this.#nextNumber ?? this.#shell.loadNextNumber();
    this.#nextNumber = number + 1;
    return number;
  }

  async #call(provider: CapacityProvider, call: FleetCall): Promise<void> {
    const answer = await makeCall(provider, call);
    const nowMs = Date.now();
    this.#fleet.takeAnswer(call, answer, nowMs);
    this.#commit(nowMs);
  }

  /** On disk, with the table that follows from it; then known to those who wait. */
  #commit(nowMs: number): void {
    const { pool } = this.#shell;
    const isNewTable = this.isActing && pool.routes.adopt(this.#fleet.table);
    if (isNewTable) pool.policyChanged(nowMs);
    this.#save(isNewTable ? pool.shards : null);
    if (isNewTable) this.#shell.onChanged(nowMs);
  }

  #save(table: readonly PoolShard[] | null, service: ServiceConfig | null = null): void {
    const changes = this.#fleet.takeChanges();
    const isNothing = changes.facts === null && changes.shards.length === 0 && changes.shardsGone.length === 0;
    if (isNothing && table === null && service === null) return;
    this.#shell.save(changes, { nextNumber: this.#nextNumber, table, service });
    this.#nextNumber = null;
  }

  #ended(nowMs: number, hasCalled: boolean): void {
    this.#rounds.end(nowMs, hasCalled ? REST_MS.busy : this.#restMs);
    this.#shell.onChanged(nowMs);
  }

  #failed(error: unknown): void {
    this.#shell.warn("fleet-failed", { service: this.#service?.service, error: String(error).slice(0, 500) });
    this.#rounds.fail(Date.now());
    this.#shell.onChanged(Date.now());
  }

  get #restMs(): number {
    if (!this.#fleet.isSettled) return REST_MS.busy;
    if (this.#isShort) return REST_MS.short;
    const mayChange = this.#service !== null && hasAgents(this.#service) && !this.#fleet.isEmpty;
    if (!mayChange) return REST_MS.still;
    return this.#isIdle ? REST_MS.asleep : REST_MS.settled;
  }

  #policyOf({ service, shards, provisioning }: ServiceConfig): FleetPolicy {
    return {
      service,
      shardSlots: this.planned?.shardSlots ?? shards.sizeMax,
      sizeMin: shards.sizeMin,
      sizeMax: shards.sizeMax,
      countMax: shards.countMax,
      countLeast: this.#isIdle || !this.#fleet.isPlanned ? shards.countMin : 0,
      stepMax: provisioning.stepMax,
      costPerHourMax: provisioning.costPerHourMax,
      startMs: Math.max(this.#startMs, provisioning.startMsPrior),
      mode: this.#mode ?? "hold",
    };
  }
}
