// A home pool, two regional pools that hold leases of it, isolates that hold leases of any of the three: messages are lost, repeated and
// delayed on both layers, isolates die, each pool is evicted, cut off, and has its clock set. From one seed, in virtual time, checked after
// every event: what runs anywhere never exceeds what the endpoints have, what is spent anywhere never what the rate has earned.
import { floatOf } from "#durable/lease/float.ts";
import { LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { LedgerRows } from "#durable/lease/lease-rows.ts";
import type { HomeLease } from "#durable/pool/home-lease.ts";
import type { RegionalSockets } from "#durable/pool/regional-sockets.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";
import { EventQueue } from "./event-queue.ts";
import { SimulatedCalls } from "./region-calls.ts";
import { SimulatedEdges } from "./region-edges.ts";
import { SimulatedPool } from "./region-pool.ts";
import { SimulatedSockets, type KeepCall, type ReleaseAtHome } from "./region-sockets.ts";

/** What a canary replaces. */
export interface RegionParts {
  readonly lentPolicyOf: (whole: LedgerPolicy, home: HomeLease) => LedgerPolicy;
  /** A region's message to its home, whose clock is behind the region's by so much. */
  readonly toHome: (request: RenewalRequest, skewMs: number) => RenewalRequest;
  /** A home pool's answer to it. */
  readonly fromHome: (answer: Renewal, asked: { readonly request: RenewalRequest; readonly home: SimulatedPool }) => Renewal;
  /** A home pool's answer to a Shard object that takes a slot over. */
  readonly keepAtHome: (home: SimulatedPool, call: KeepCall, nowMs: number) => boolean;
  /** … and to whoever ends one. */
  readonly releaseAtHome: ReleaseAtHome;
  /** A region's side of sockets' slots. */
  readonly socketsOf: (...input: ConstructorParameters<typeof RegionalSockets>) => RegionalSockets;
  /** What of a pool's rows outlives its memory. */
  readonly keptRows: (rows: LedgerRows, pool: SimulatedPool) => LedgerRows;
}

export interface RegionSimulationResult {
  readonly events: number;
  readonly admitted: number;
  /** Tokens of the flow with a rate. */
  readonly spent: number;
  readonly runningMax: number;
  /** Of all slots, those in isolates' hands in the calm while everybody wants more. */
  readonly heldInCalm: number;
  readonly sockets: SimulatedSockets["counts"] & SimulatedEdges["counts"] & SimulatedCalls["counts"] & { readonly killed: number };
}

interface Isolate {
  readonly lease: HeldLease;
  readonly pool: SimulatedPool;
  readonly requests: Map<number, { readonly flow: string; readonly lane: string; readonly slotId?: string }>;
  readonly wants: Map<string, number>;
  isDead: boolean;
}

const START_MS = 1_000_000_000;
const FLOWS = ["a/gold", "b/bronze", "c/gold"] as const;
/** The flow whose requests each need a token, 20 a second. */
const RATED = "c/gold";
const RATE = { tokens: 5, periodMs: 1_000, burst: 32 };
const LANES = ["e1", "e2"] as const;
const REQUEST_MS_MAX = 6_000;
const NAMED_MS = 3_000;
/** A pool's clock is not set twice within a lease: docs/design/leases.md. */
const STEP_SPACING_MS = LEASE_MS_MAX + REQUEST_MS_MAX;
const CALM_MS = 3 * LEASE_MS_MAX + REQUEST_MS_MAX + 8_000;
const CALL_MS_MAX = 1_500;
const DOWN_MS_MAX = 3_000;
const HOLDER = { weur: "weur", enam: "enam", apac: "apac" } as const;

export class RegionSimulation {
  readonly #random: SeededRandom;
  readonly #queue = new EventQueue(START_MS);
  readonly #parts: RegionParts;
  readonly #lanes: ReadonlyMap<string, number>;
  readonly #capacity: number;
  readonly #home: SimulatedPool;
  readonly #regions: readonly SimulatedPool[];
  readonly #calls: SimulatedCalls;
  readonly #edges: SimulatedEdges;
  readonly #sockets: SimulatedSockets;
  #isolates: Isolate[] = [];
  #count = 0;
  #isCalm = false;
  #events = 0;
  #admitted = 0;
  #spent = 0;
  /** What the home pool's clock was set ahead by: it earns tokens for it. */
  #aheadMs = 0;
  #runningMax = 0;
  #killed = 0;

  constructor(seed: number, parts: RegionParts) {
    this.#random = seededRandom(seed);
    this.#parts = parts;
    this.#lanes = new Map(LANES.map((lane) => [lane, 3 + this.#random.below(25)]));
    this.#capacity = [...this.#lanes.values()].reduce((sum, slots) => sum + slots, 0);
    const poolOf = (name: string, isRegional: boolean): SimulatedPool =>
      new SimulatedPool(name, (home) => this.#policyOf(home), { isRegional, nowMs: START_MS });
    this.#home = poolOf(HOLDER.weur, false);
    this.#regions = [poolOf(HOLDER.enam, true), poolOf(HOLDER.apac, true)];
    const [random, queue, home, regions] = [this.#random, this.#queue, this.#home, this.#regions];
    const nowOf = (pool: SimulatedPool): number => this.#nowOf(pool);
    const kill = (pool: SimulatedPool): void => this.#evict(pool);
    const calls = new SimulatedCalls({ random, queue, isCalm: () => this.#isCalm });
    this.#calls = calls;
    this.#edges = new SimulatedEdges({
      calls,
      nowOf,
      kill,
      now: () => queue.nowMs,
      laneOf: ({ ledger }) => LANES.find((name) => ledger.slotsFreeIn(name) > 0) ?? "",
      ensure: async (pool, flow) => new Promise((run) => this.#ensured(pool, [{ flow, want: 1 }], { run })),
      release: async (pool, report) => this.#sockets.releaseAt(pool, report),
      open: (opened, startedAtMs) => this.#sockets.open(opened, startedAtMs),
    });
    this.#sockets = new SimulatedSockets({
      random,
      queue,
      home,
      regions,
      calls,
      nowOf,
      kill,
      keepAtHome: (pool, call) => this.#parts.keepAtHome(pool, call, nowOf(pool)),
      releaseAtHome: this.#parts.releaseAtHome,
      endAtEdge: async (opened) => this.#edges.end(opened),
    });
    for (const pool of this.#regions) {
      pool.makeSockets = () => this.#socketsOf(pool);
      pool.start();
    }
  }

  async run({ stormMs }: { stormMs: number }): Promise<RegionSimulationResult> {
    for (const pool of this.#pools) {
      for (let count = 0; count < 2; count += 1) this.#join(pool);
      this.#queue.every(
        () => 200,
        () => this.#turn(pool),
      );
    }
    this.#queue.every(
      () => 250,
      () => this.#fault(),
    );
    this.#queue.every(
      () => 150,
      () => this.#isCalm || this.#openSocket(),
    );
    this.#queue.every(
      () => 15_000,
      () => this.#sockets.look(),
    );
    await this.#until(START_MS + stormMs);
    this.#calmDown();
    await this.#until(START_MS + stormMs + CALM_MS);
    const heldInCalm = this.#checkCalm();
    this.#silence();
    await this.#until(START_MS + stormMs + 3 * CALM_MS);
    this.#checkSilence();
    await this.#end();
    const [events, admitted, spent, runningMax] = [this.#events, this.#admitted, this.#spent, this.#runningMax];
    const sockets = { ...this.#sockets.counts, ...this.#edges.counts, ...this.#calls.counts, killed: this.#killed };
    return { events, admitted, spent, runningMax, heldInCalm, sockets };
  }

  async #until(endMs: number): Promise<void> {
    while (this.#queue.step(endMs)) {
      // What was promised is done before the next event.
      await new Promise((resolve) => setImmediate(resolve));
      this.#check();
    }
  }

  get #pools(): readonly SimulatedPool[] {
    return [this.#home, ...this.#regions];
  }

  #nowOf({ offsetMs }: SimulatedPool): number {
    return this.#queue.nowMs + offsetMs;
  }

  #policyOf(home: HomeLease | null): LedgerPolicy {
    const whole: LedgerPolicy = {
      capacity: this.#capacity,
      lanes: this.#lanes,
      classes: new Map([
        ["gold", { weight: 3, reserve: 0 }],
        ["bronze", { weight: 1, reserve: Math.floor(this.#capacity / 4) }],
      ]),
      flow: (name) => ({ className: name.split("/")[1] ?? "", weight: 1, slotsMax: 1_000, rate: name === RATED ? RATE : null }),
      requestDurationMsMax: REQUEST_MS_MAX,
      lentDurationMsMax: REQUEST_MS_MAX + LEASE_MS_MAX,
      holdersMax: 100,
      flowsPerHolderMax: 10,
    };
    return home === null ? whole : this.#parts.lentPolicyOf(whole, home);
  }

  // Regional pools and their home

  #turn(pool: SimulatedPool): void {
    const { home, ledger } = pool;
    if (pool.isDown) return;
    pool.tick(this.#nowOf(pool));
    if (home !== null && pool.call === 0 && home.isDue(ledger)) this.#askHome(pool, home, []);
  }

  #askHome(pool: SimulatedPool, home: HomeLease, wants: readonly { flow: string; want: number }[]): void {
    const lender = { holder: pool.name, life: () => (pool.life += 1), ...pool.sockets?.list(this.#nowOf(pool)) };
    const request = this.#parts.toHome(home.request(pool.ledger, wants, lender), this.#nowOf(pool) - this.#nowOf(this.#home));
    this.#count += 1;
    const call = this.#count;
    pool.call = call;
    // What is given up is lent no more.
    if (request.handed !== undefined) pool.configure(this.#nowOf(pool));
    const settle = (run: () => boolean): void => {
      if (pool.call !== call || pool.home !== home) return;
      pool.call = 0;
      home.tick(this.#nowOf(pool));
      const isAnswered = run();
      pool.configure(this.#nowOf(pool));
      for (const tell of pool.waiting.splice(0)) tell(isAnswered);
      this.#turn(pool);
    };
    const arrive = (): void => {
      if (this.#isCutOff(pool) || this.#home.isDown) return;
      const answer = this.#home.commit(() => this.#home.ledger.renew(request, this.#nowOf(this.#home)));
      const lease = this.#parts.fromHome(answer, { request, home: this.#home });
      this.#onTheWay(() =>
        settle(() => {
          const isApplied = home.apply(answerOf(lease), request.flows.length === 0);
          if (isApplied) pool.commit(() => pool.sockets?.settle(request.handed ?? [], lease));
          return isApplied;
        }),
      );
    };
    this.#onTheWay(arrive);
    const fail = (): boolean => {
      home.failed();
      return false;
    };
    this.#queue.after(CALL_MS_MAX, () => settle(fail));
  }

  #socketsOf(pool: SimulatedPool): RegionalSockets {
    const { home } = pool;
    const ended = async (): Promise<boolean> => new Promise((resolve) => pool.waiting.push(resolve));
    const renew = async (): Promise<boolean> => {
      if (pool.call !== 0) await ended();
      if (pool.call === 0 && home !== null && pool.home === home) this.#askHome(pool, home, []);
      return ended();
    };
    return this.#parts.socketsOf({ ledger: () => pool.ledger, renew, home: () => this.#sockets.callsHome(pool) });
  }

  /** A device's, at the pool of its region; a third of the slots at most are sockets'. */
  #openSocket(): void {
    if (this.#sockets.inUse.length * 3 >= this.#capacity) return this.#sockets.close();
    this.#count += 1;
    const pool = this.#regions[this.#random.below(8) % 3] ?? this.#home;
    const flow = this.#random.below(2) === 0 ? "a/gold" : "b/bronze";
    void this.#edges.open(`s${this.#count}`, { pool, flow });
  }

  #isCutOff({ cutOffUntilMs }: SimulatedPool): boolean {
    return this.#queue.nowMs < cutOffUntilMs;
  }

  /** Lost, repeated or delayed, unless all is calm. */
  #onTheWay(run: () => void): void {
    const dice = this.#isCalm ? 9 : this.#random.below(10);
    const copies = dice === 0 ? 0 : dice === 1 ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const isLate = !this.#isCalm && this.#random.below(12) === 0;
      this.#queue.after(this.#isCalm ? 5 : 1 + this.#random.below(isLate ? 6_000 : 60), run);
    }
  }

  // Isolates

  #join(pool: SimulatedPool): void {
    this.#count += 1;
    const lease = new HeldLease(`h${this.#count}`);
    const isolate: Isolate = { lease, pool, requests: new Map(), wants: new Map(), isDead: false };
    this.#isolates.push(isolate);
    this.#wish(isolate);
    this.#renewLoop(isolate);
    this.#arrivalLoop(isolate);
  }

  #wish({ wants }: Isolate): void {
    for (const flow of FLOWS) wants.set(flow, this.#random.below(3) === 0 ? 0 : this.#random.below(30));
  }

  #renewLoop(isolate: Isolate): void {
    if (isolate.isDead) return;
    const { lease, wants, pool } = isolate;
    const flows = FLOWS.map((flow) => {
      const tokensWant = flow === RATED ? this.#random.below(24) : 0;
      return { flow, want: wants.get(flow) ?? 0, tokensWant, keepsNames: this.#random.below(2) === 0 };
    });
    const request = lease.request({ flows, lanes: LANES.map((lane) => ({ lane, want: this.#random.below(12) })) }, this.#queue.nowMs);
    const apply = (answer: Renewal): void => {
      if (!isolate.isDead) lease.apply(answer, this.#queue.nowMs);
    };
    this.#onTheWay(() => this.#ensured(pool, request.flows, { run: () => this.#renewAt(pool, request, apply) }));
    this.#queue.after(this.#isCalm ? 450 : 200 + this.#random.below(900), () => this.#renewLoop(isolate));
  }

  #renewAt(pool: SimulatedPool, request: RenewalRequest, apply: (answer: Renewal) => void): void {
    if (pool.isDown) return;
    const answer = pool.commit(() => pool.ledger.renew(request, this.#nowOf(pool)));
    this.#turn(pool);
    this.#onTheWay(() => apply(answer));
  }

  /** A regional pool that knows nothing asks its home first, and looks again a little later. */
  #ensured(
    pool: SimulatedPool,
    wants: readonly { flow: string; want: number }[],
    { run, turns = 20 }: { readonly run: () => void; readonly turns?: number },
  ): void {
    this.#turn(pool);
    const { home } = pool;
    if (home === null || turns === 0 || pool.isDown || !home.isUnknown(wants)) return run();
    if (pool.call === 0) this.#askHome(pool, home, wants);
    this.#queue.after(100, () => this.#ensured(pool, wants, { run, turns: turns - 1 }));
  }

  #arrivalLoop(isolate: Isolate): void {
    if (isolate.isDead) return;
    const { lease, wants } = isolate;
    this.#cut(isolate);
    for (const flow of FLOWS) {
      const first = this.#random.below(LANES.length);
      for (const lane of [LANES[first] ?? "", LANES[1 - first] ?? ""])
        while (
          lease.running(flow) < (wants.get(flow) ?? 0) &&
          lease.admit(flow, lane, { nowMs: this.#queue.nowMs, tokens: tokensOf(flow) })
        )
          this.#start(isolate, { flow, lane });
      if (!this.#isCalm && lease.running(flow) < (wants.get(flow) ?? 0) && this.#random.below(4) === 0) this.#acquire(isolate, flow);
    }
    this.#queue.after(100 + this.#random.below(200), () => this.#arrivalLoop(isolate));
  }

  /** A slot by name, where there is one. */
  #acquire(isolate: Isolate, flow: string): void {
    const { lease, pool } = isolate;
    this.#count += 1;
    const slotId = `r${this.#count}`;
    const sentAtMs = this.#queue.nowMs;
    const clockEpoch = lease.clockEpoch(sentAtMs);
    let isAnswered = false;
    this.#onTheWay(() => {
      if (pool.isDown) return;
      pool.tick(this.#nowOf(pool));
      const free = LANES.find((name) => pool.ledger.slotsFreeIn(name) > 0) ?? "";
      if (flow === RATED && pool.commit(() => pool.ledger.takeToken(flow, this.#nowOf(pool))) > 0) return;
      const input = { slotId, owner: lease.holder, flow, lane: free, shardId: "", lifeMs: NAMED_MS, isDurable: false };
      // A call that comes twice is answered with the slot that it has, wherever one is free now.
      const lane = pool.commit(() => pool.ledger.acquire(input, this.#nowOf(pool)))?.lane;
      if (lane === undefined) return;
      this.#onTheWay(() => {
        const taken = { flow, lane, endsAtMs: sentAtMs + NAMED_MS - 1_000, clockEpoch };
        // One call has one answer, however often it was asked.
        if (isAnswered) return;
        isAnswered = true;
        if (!isolate.isDead && lease.take(slotId, taken, this.#queue.nowMs)) this.#start(isolate, { flow, lane, slotId });
      });
    });
  }

  #start(isolate: Isolate, request: { flow: string; lane: string; slotId?: string }): void {
    this.#count += 1;
    this.#admitted += 1;
    this.#spent += tokensOf(request.flow);
    const id = this.#count;
    isolate.requests.set(id, request);
    const isLong = !this.#isCalm && this.#random.below(20) === 0;
    this.#queue.after(isLong ? this.#random.below(REQUEST_MS_MAX) : 20 + this.#random.below(400), () => this.#finish(isolate, id));
  }

  #finish(isolate: Isolate, id: number): void {
    const request = isolate.requests.get(id);
    if (request === undefined) return;
    isolate.requests.delete(id);
    const { flow, lane, slotId } = request;
    if (isolate.isDead || !isolate.lease.end(flow, lane, slotId) || slotId === undefined) return;
    const { pool, lease } = isolate;
    this.#onTheWay(() => void (pool.isDown || pool.commit(() => pool.ledger.release(slotId, lease.holder))));
  }

  /** What the ledger no longer counts ends. */
  #cut(isolate: Isolate): void {
    for (const [id, { flow, lane }] of isolate.requests)
      if (isolate.lease.isExcess(flow, lane, this.#queue.nowMs)) this.#finish(isolate, id);
  }

  // Faults

  #fault(): void {
    if (this.#isCalm) return;
    const alive = this.#isolates.filter(({ isDead }) => !isDead);
    const isolate = alive[this.#random.below(alive.length)];
    const pool = this.#pools[this.#random.below(3)] ?? this.#home;
    const faults: readonly (() => void)[] = [
      () => isolate && this.#wish(isolate),
      () => isolate && this.#wish(isolate),
      () => isolate && this.#kill(isolate),
      () => alive.length < 12 && this.#join(pool),
      () => this.#evict(pool),
      () => this.#restart(pool),
      () => (pool.cutOffUntilMs = this.#queue.nowMs + this.#random.below(this.#random.below(5) === 0 ? 4 * LEASE_MS_MAX : 1_000)),
      () => this.#step(pool),
      () => this.#sockets.die(),
      () => void this.#sockets.move(),
      () => this.#sockets.close(),
    ];
    faults[this.#random.below(faults.length)]?.();
  }

  #evict(pool: SimulatedPool): void {
    this.#killed += 1;
    pool.evict(this.#nowOf(pool), (rows) => this.#parts.keptRows(rows, pool));
  }

  /** It is away for a while, for whoever calls it. */
  #restart(pool: SimulatedPool): void {
    this.#evict(pool);
    pool.isDown = true;
    this.#queue.after(this.#random.below(DOWN_MS_MAX), () => pool.isDown && this.#evict(pool));
  }

  #kill(isolate: Isolate): void {
    isolate.isDead = true;
    isolate.requests.clear();
    this.#isolates = this.#isolates.filter((other) => other !== isolate);
  }

  #step(pool: SimulatedPool): void {
    if (this.#queue.nowMs < pool.steppedAtMs + STEP_SPACING_MS) return;
    pool.steppedAtMs = this.#queue.nowMs;
    // Back as far as one likes; ahead not while it is away, for that is the time that it was away (docs/design/leases.md, clocks).
    const stepMs = this.#random.below(4) === 0 || pool.isDown ? -this.#random.below(60_000) : this.#random.below(3_000) - 1_500;
    pool.offsetMs += stepMs;
    if (pool === this.#home) this.#aheadMs += Math.max(0, stepMs);
    if (!pool.isDown) pool.tick(this.#nowOf(pool));
  }

  // What must hold

  #check(): void {
    this.#events += 1;
    for (const isolate of this.#isolates) this.#cut(isolate);
    const { ledger } = this.#home;
    // After a restart places of lost names count beside: too much for a moment.
    const slotsOut = ledger.slotsOut - ledger.named.filter(({ owner }) => owner === "").length;
    require(slotsOut <= this.#capacity, `${slotsOut} of ${this.#capacity} are out`);
    this.#sockets.check();
    const ofIsolates = this.#isolates.flatMap(({ requests }) => [...requests.values()]);
    const running = [...ofIsolates, ...this.#sockets.inUse];
    this.#runningMax = Math.max(this.#runningMax, running.length);
    require(running.length <= this.#capacity, `${running.length} run, the endpoints have ${this.#capacity}`);
    for (const [lane, slots] of this.#lanes) {
      const count = running.filter((of) => of.lane === lane).length;
      require(count <= slots, `${count} run in ${lane}, which has ${slots}`);
    }
    const earned = RATE.burst + ((this.#queue.nowMs - START_MS + this.#aheadMs) * RATE.tokens) / RATE.periodMs;
    require(this.#spent <= earned, `${this.#spent} tokens are spent, ${earned} were there`);
    for (const { name } of this.#regions)
      for (const flow of FLOWS) {
        const inRegion = this.#isolates.filter(({ pool }) => pool.name === name).flatMap(({ requests }) => [...requests.values()]);
        const opening = this.#sockets.openingIn(name);
        const count = [...inRegion, ...opening].filter((of) => of.flow === flow).length;
        const known = ledger.slotsOfHolder(name, flow);
        require(count <= known, `${count} of ${flow} run in ${name}, its home counts ${known}`);
      }
  }

  #calmDown(): void {
    this.#isCalm = true;
    for (const isolate of this.#isolates) this.#kill(isolate);
    for (const pool of this.#pools) {
      pool.cutOffUntilMs = 0;
      if (pool.isDown) this.#evict(pool);
      this.#join(pool);
      this.#join(pool);
    }
    for (const { wants } of this.#isolates) for (const flow of FLOWS) wants.set(flow, 100);
  }

  /** Everybody wants more than there is: all but the floats is in isolates' hands, and no region has much more than another. */
  #checkCalm(): number {
    const heldBy = this.#pools.map((pool) => this.#heldAt(pool));
    const held = heldBy.reduce((sum, count) => sum + count, this.#sockets.livingCount);
    const floats = this.#pools.reduce((sum, { home }) => sum + floatOf(this.#policyOf(home)), 0);
    require(held >= this.#capacity - floats - 1, `${held} of ${this.#capacity} are held at ${heldBy.join(", ")} while all want more`);
    return held / this.#capacity;
  }

  #heldAt(pool: SimulatedPool): number {
    const own = this.#isolates.filter((isolate) => isolate.pool === pool);
    return own.reduce((sum, { lease }) => sum + FLOWS.reduce((of, flow) => of + lease.slots(flow, this.#queue.nowMs), 0), 0);
  }

  /** One region goes silent with all of its isolates; the others want no more. */
  #silence(): void {
    const [lost, left] = this.#regions;
    if (lost === undefined || left === undefined) return;
    lost.cutOffUntilMs = Infinity;
    for (const isolate of this.#isolates.filter(({ pool }) => pool === lost)) this.#kill(isolate);
    for (const { wants } of this.#isolates) for (const flow of FLOWS) wants.set(flow, 0);
  }

  #checkSilence(): void {
    for (const { name, ledger } of this.#pools) {
      const named = ledger.named.filter(({ isDurable }) => isDurable).length;
      require(ledger.slotsOut <= named, `${ledger.slotsOut} slots of ${name} never came back, and ${named} are sockets'`);
    }
    this.#sockets.checkLeaks();
  }

  /** The silent region is back, and its sockets end, by way of it or not. */
  async #end(): Promise<void> {
    for (const pool of this.#pools) pool.cutOffUntilMs = 0;
    this.#sockets.close(true);
    await this.#until(this.#queue.nowMs + CALM_MS);
    this.#sockets.checkLeaks();
    const left = this.#sockets.debtCount;
    require(left === 0, `${left} slots are owed for ever`);
    for (const { name, ledger } of this.#pools) require(ledger.slotsOut === 0, `${ledger.slotsOut} slots of ${name} never came back`);
  }
}

function tokensOf(flow: string): number {
  return flow === RATED ? 1 : 0;
}

function answerOf(lease: Renewal) {
  return { lease, table: null, sheds: [], left: [], isContended: false, configurationVersion: 1 };
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
