// Many holders, one ledger, a network that repeats, delays, drops and reorders, machines that die, stall and have their
// clocks set, an object that is evicted: from one seed, in virtual time, checked after every event.
import { floatOf } from "#durable/lease/float.ts";
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import { GAP_MS_MAX, LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

/** The ledger under test; a canary's is broken. */
export interface LedgerMaker {
  readonly fresh: (policy: LedgerPolicy, nowMs: number) => LeaseLedger;
  readonly fromRows: (policy: LedgerPolicy, rows: LedgerRows, nowMs: number) => LeaseLedger;
}

export interface SimulationResult {
  readonly events: number;
  readonly admitted: number;
  readonly idleMsMax: number;
  readonly residualMax: number;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

interface Holder {
  readonly lease: HeldLease;
  readonly clockMs: { offset: number };
  readonly requests: Map<number, RunningRequest>;
  readonly wants: Map<string, number>;
  /** Asked of the pool by name, and not answered yet. */
  asked: number;
  state: "alive" | "dead";
  stalledUntilMs: number;
  lastHeardMs: number;
  lastRequest: RenewalRequest | null;
}

interface RunningRequest {
  readonly flow: string;
  readonly lane: string;
  readonly slotId?: string;
}

/** Waits in the pool for a slot by name. */
interface Waiter {
  readonly holder: Holder;
  readonly slotId: string;
  readonly flow: string;
  readonly sentAtMs: number;
  readonly clockEpoch: number;
  readonly arrivedAtMs: number;
}

/** The flow whose requests each need a token. */
const RATED = "a/gold";
/** Bytes of a flow: units that bodies spend, whatever runs. 200,000 bytes a second. */
const BYTES = byteFlowOf("a/gold");
const BANDWIDTH = { tokens: 200_000, periodMs: 1_024_000, burst: 195 };
/** A burst that is large enough to be lent. */
const RATE = { tokens: 1, periodMs: 1_000, burst: 32 };
const LANES = ["e1", "e2"] as const;
const FLOWS = ["a/gold", "b/gold", "a/bronze", "b/bronze"] as const;
const REQUEST_MS_MAX = 6_000;
/** How long the ledger believes in a slot that it granted by name; its holder a gap less. */
const NAMED_MS = 3_000;
const WAITERS_MAX = 12;
/** Long enough for the last lease of the storm to end, its holds after it, and the contended leases to settle. */
const CALM_MS = LEASE_MS_MAX + REQUEST_MS_MAX + 3 * GAP_MS_MAX + NAMED_MS + 6_000;
const HOLDERS_MAX = 8;
const DELAY_MS_MAX = 6_000;
const START_MS = 1_000_000_000;

export class LeaseSimulation {
  readonly #random: SeededRandom;
  readonly #maker: LedgerMaker;
  readonly #policyOfTruth: LedgerPolicy;
  #policy: LedgerPolicy;
  #ledger: LeaseLedger;
  #rows: LedgerRows;
  readonly #queue: Event[] = [];
  #order = 0;
  #nowMs = START_MS;
  #poolOffsetMs = 0;
  #lastPoolStepMs = 0;
  #holders: Holder[] = [];
  #holderCount = 0;
  #requestCount = 0;
  #sockets = new Map<string, string>();
  #waiters: Waiter[] = [];
  #shrunkAtMs = -Infinity;
  #outBefore = 0;
  readonly #laneOutBefore = new Map<string, number>();
  #idleSinceMs: number | null = null;
  #isCalm = false;
  #calmAtMs = Infinity;
  #events = 0;
  #admitted = 0;
  #idleMsMax = 0;
  /** Tokens of RATED. */
  #spent = 0;
  /** Units of BYTES. */
  #unitsSpent = 0;
  /** Forward steps of the pool's clock, each of which the ledger counts for at most a gap. */
  #stepCount = 0;
  /** Those while nothing was out, which it takes for time: the residual. */
  readonly #trustedStepsMs: number[] = [];
  #residualMax = 0;

  constructor(seed: number, maker: LedgerMaker) {
    this.#random = seededRandom(seed);
    this.#maker = maker;
    const capacity = 4 + this.#random.below(37);
    this.#policyOfTruth = policyOf(capacity);
    this.#policy = this.#policyOfTruth;
    this.#ledger = maker.fresh(this.#policy, this.#poolNow);
    this.#rows = this.#ledger.toRows();
  }

  run({ stormMs }: { stormMs: number }): SimulationResult {
    for (let count = 0; count < 2 + this.#random.below(4); count += 1) this.#join();
    this.#every(250, () => this.#commit(() => void this.#ledger.tick(this.#poolNow)));
    this.#every(300, () => this.#fault());
    this.#until(START_MS + stormMs);
    this.#calmDown();
    this.#until(START_MS + stormMs + CALM_MS);
    this.#checkCalm();
    return { events: this.#events, admitted: this.#admitted, idleMsMax: this.#idleMsMax, residualMax: this.#residualMax };
  }

  #until(endMs: number): void {
    while (this.#queue.length > 0) {
      const event = this.#queue.at(-1);
      if (event === undefined || event.atMs > endMs) break;
      this.#queue.pop();
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.run();
      this.#events += 1;
      this.#check();
    }
    this.#nowMs = endMs;
  }

  #after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const event = { atMs: this.#nowMs + Math.round(delayMs), order: this.#order, run };
    // Latest first; the soonest is taken off the end.
    let [low, high] = [0, this.#queue.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(event, this.#queue[middle])) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, event);
  }

  #every(periodMs: number, run: () => void): void {
    this.#after(periodMs, () => {
      run();
      this.#every(periodMs, run);
    });
  }

  get #poolNow(): number {
    return this.#nowMs + this.#poolOffsetMs;
  }

  /** What the ledger did is on disk before anybody hears of it: the rows are rebuilt from the changes alone. */
  #commit<T>(action: () => T): T {
    const result = action();
    const changes = JSON.parse(JSON.stringify(this.#ledger.takeChanges())) as LedgerChanges;
    const keepHolders = this.#rows.holders.filter(
      ({ holder }) => !changes.holdersGone.includes(holder) && !changes.holders.some((row) => row.holder === holder),
    );
    const keepSlots = this.#rows.slots.filter(
      ({ slotId }) => !changes.slotsGone.includes(slotId) && !changes.slots.some((row) => row.slotId === slotId),
    );
    const keepBlocks = this.#rows.blocks.filter(
      ({ key }) => !changes.blocksGone.includes(key) && !changes.blocks.some((row) => row.key === key),
    );
    const keepBudgets = this.#rows.budgets.filter(({ flow }) => !changes.budgets.some((row) => row.flow === flow));
    this.#rows = {
      clockOffsetMs: changes.clockOffsetMs ?? this.#rows.clockOffsetMs,
      holders: [...keepHolders, ...changes.holders],
      slots: [...keepSlots, ...changes.slots],
      blocks: [...keepBlocks, ...changes.blocks],
      budgets: [...keepBudgets, ...changes.budgets],
    };
    return result;
  }

  #evict(): void {
    this.#ledger = this.#maker.fromRows(this.#policy, this.#rows, this.#poolNow);
    this.#waiters = [];
    this.#commit(() => void this.#ledger.tick(this.#poolNow));
    // Blocks of queued requests stand for more than was out.
    this.#outBefore = this.#ledger.slotsOut;
    for (const lane of LANES) this.#laneOutBefore.set(lane, this.#ledger.slotsOfLane(lane));
    const isOver =
      this.#outBefore > this.#policy.capacity || LANES.some((lane) => this.#ledger.slotsOfLane(lane) > (this.#policy.lanes.get(lane) ?? 0));
    if (isOver) this.#shrunkAtMs = this.#nowMs;
  }

  // Holders

  #join(): void {
    this.#holderCount += 1;
    const holder: Holder = {
      lease: new HeldLease(`h${this.#holderCount}`),
      clockMs: { offset: this.#random.below(100_000) },
      requests: new Map(),
      wants: new Map(),
      asked: 0,
      state: "alive",
      stalledUntilMs: 0,
      lastHeardMs: this.#nowMs,
      lastRequest: null,
    };
    this.#holders.push(holder);
    this.#wish(holder);
    this.#renewLoop(holder);
    this.#arrivalLoop(holder);
  }

  #wish(holder: Holder): void {
    for (const flow of FLOWS) holder.wants.set(flow, this.#random.below(3) === 0 ? this.#random.below(20) : 0);
  }

  #clock(holder: Holder): number {
    return this.#nowMs + holder.clockMs.offset;
  }

  /** Runs when the holder can run at all; a stalled one does it late. */
  #onHolder(holder: Holder, run: () => void): void {
    if (holder.state === "dead") return;
    if (holder.stalledUntilMs > this.#nowMs) {
      this.#after(holder.stalledUntilMs - this.#nowMs, () => this.#onHolder(holder, run));
      return;
    }
    this.#cut(holder);
    run();
  }

  #renewLoop(holder: Holder): void {
    this.#onHolder(holder, () => {
      const flows = FLOWS.filter((flow) => (holder.wants.get(flow) ?? 0) > 0 || holder.lease.running(flow) > 0).map((flow) => ({
        flow,
        want: holder.wants.get(flow) ?? 0,
        tokensWant: flow === RATED ? this.#random.below(RATE.burst) : 0,
        keepsNames: this.#random.below(2) === 0,
      }));
      const unitsWant = this.#random.below(3) === 0 ? 0 : this.#random.below(2 * BANDWIDTH.burst);
      const ofBytes = unitsWant === 0 ? [] : [{ flow: BYTES, want: 0, tokensWant: unitsWant }];
      const lanes = LANES.map((lane) => ({ lane, want: this.#random.below(12) }));
      holder.lastRequest = holder.lease.request({ flows: [...flows, ...ofBytes], lanes }, this.#clock(holder));
      this.#send(holder, holder.lastRequest);
      this.#after(this.#isCalm ? 450 : 200 + this.#random.below(900), () => this.#renewLoop(holder));
    });
  }

  #send(holder: Holder, request: RenewalRequest): void {
    if (!this.#isCalm && this.#random.below(10) === 0) return;
    const copies = !this.#isCalm && this.#random.below(8) === 0 ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#after(this.#delayMs(), () => this.#arrive(holder, request));
  }

  #arrive(holder: Holder, request: RenewalRequest): void {
    const answer = this.#commit(() => this.#ledger.renew(request, this.#poolNow));
    this.#checkShares();
    holder.lastHeardMs = this.#nowMs;
    if (!this.#isCalm && this.#random.below(10) === 0) return;
    const copies = !this.#isCalm && this.#random.below(10) === 0 ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#after(this.#delayMs(), () => this.#answer(holder, answer));
  }

  #answer(holder: Holder, answer: Renewal): void {
    this.#onHolder(holder, () => void holder.lease.apply(answer, this.#clock(holder)));
  }

  #delayMs(): number {
    if (this.#isCalm) return 5;
    return this.#random.below(12) === 0 ? this.#random.below(DELAY_MS_MAX) : 1 + this.#random.below(60);
  }

  #arrivalLoop(holder: Holder): void {
    this.#onHolder(holder, () => {
      this.#unitsSpent += holder.lease.spend(BYTES, this.#random.below(BANDWIDTH.burst), this.#clock(holder));
      for (const flow of FLOWS) {
        while (holder.requests.size < 100 && this.#admitLocally(holder, flow)) this.#admitted += 1;
        if (holder.lease.running(flow) < (holder.wants.get(flow) ?? 0) && holder.asked < 4) this.#ask(holder, flow);
      }
      this.#after(100 + this.#random.below(200), () => this.#arrivalLoop(holder));
    });
  }

  #admitLocally(holder: Holder, flow: string): boolean {
    if (holder.lease.running(flow) >= (holder.wants.get(flow) ?? 0)) return false;
    const first = this.#random.below(LANES.length);
    const tokens = flow === RATED ? 1 : 0;
    for (const lane of [LANES[first], LANES[1 - first]]) {
      if (lane === undefined || !holder.lease.admit(flow, lane, { nowMs: this.#clock(holder), tokens })) continue;
      this.#spent += tokens;
      this.#start(holder, { flow, lane });
      return true;
    }
    return false;
  }

  #start(holder: Holder, request: RunningRequest): void {
    this.#requestCount += 1;
    const id = this.#requestCount;
    holder.requests.set(id, request);
    const isLong = !this.#isCalm && this.#random.below(20) === 0;
    this.#after(isLong ? this.#random.below(REQUEST_MS_MAX) : 20 + this.#random.below(400), () => this.#finish(holder, id));
  }

  // Slots by name

  #ask(holder: Holder, flow: string): void {
    // In the calm the leases settle.
    if (this.#isCalm || this.#random.below(4) > 0) return;
    this.#requestCount += 1;
    holder.asked += 1;
    const slotId = `r${this.#requestCount}`;
    const sentAtMs = this.#clock(holder);
    const clockEpoch = holder.lease.clockEpoch(sentAtMs);
    if (flow === RATED) holder.lease.putAside(slotId, flow, { untilMs: sentAtMs + 2_000, nowMs: sentAtMs });
    this.#after(2_000, () => {
      holder.asked -= 1;
      if (this.#random.below(2) === 0) holder.lease.aside.giveBack(slotId);
    });
    if (!this.#isCalm && this.#random.below(10) === 0) return;
    this.#after(this.#delayMs(), () => {
      if (this.#waiters.length >= WAITERS_MAX) return;
      const arrivedAtMs = this.#commit(() => this.#ledger.tick(this.#poolNow));
      this.#waiters.push({ holder, slotId, flow, sentAtMs, clockEpoch, arrivedAtMs });
      this.#countWaiting();
    });
  }

  #countWaiting(): void {
    for (const flow of FLOWS) this.#ledger.setWaiting(flow, this.#waiters.filter((waiter) => waiter.flow === flow).length);
  }

  /** As the pool does after every event: whoever may have a slot gets one, in order of arrival. */
  #dispatch(): void {
    const isOpen = (flow: string): boolean =>
      this.#ledger.flows.isBelowShare(flow) || !this.#waiters.some((waiter) => this.#ledger.flows.isBelowShare(waiter.flow));
    for (const waiter of this.#waiters) {
      const { holder, slotId, flow, sentAtMs, arrivedAtMs } = waiter;
      const lane = LANES.find((name) => this.#ledger.slotsFreeIn(name) > 0);
      if (lane === undefined || this.#ledger.slotsFree === 0 || !isOpen(flow)) continue;
      const input = { slotId, owner: holder.lease.holder, flow, lane, shardId: "", lifeMs: NAMED_MS, isDurable: false };
      const slot = this.#commit(() => this.#ledger.acquire(input, this.#poolNow));
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      this.#countWaiting();
      if (slot === null) continue;
      const endsAtMs = sentAtMs + (slot.acquiredAtMs - arrivedAtMs) + NAMED_MS - GAP_MS_MAX;
      if (this.#isCalm || this.#random.below(10) > 0) this.#after(this.#delayMs(), () => this.#granted(waiter, { lane, endsAtMs }));
    }
  }

  #granted({ holder, slotId, flow, clockEpoch }: Waiter, grant: { lane: string; endsAtMs: number }): void {
    this.#onHolder(holder, () => {
      if (!holder.lease.take(slotId, { flow, ...grant, clockEpoch }, this.#clock(holder))) return;
      if (holder.lease.aside.take(slotId)) this.#spent += 1;
      this.#admitted += 1;
      this.#start(holder, { flow, lane: grant.lane, slotId });
    });
  }

  #finish(holder: Holder, id: number): void {
    const request = holder.requests.get(id);
    if (request === undefined) return;
    holder.requests.delete(id);
    if (holder.state !== "alive") return;
    const { flow, lane, slotId } = request;
    const isToldOf = holder.lease.end(flow, lane, slotId) && slotId !== undefined;
    // Half of the returns are lost: the slot's own end is what counts.
    if (isToldOf && this.#random.below(2) === 0) {
      const { holder: owner } = holder.lease;
      this.#after(this.#delayMs(), () => this.#commit(() => this.#ledger.release(slotId, owner)));
    }
  }

  #cut(holder: Holder): void {
    const nowMs = this.#clock(holder);
    for (const [id, { flow, lane }] of [...holder.requests].toReversed())
      if (holder.lease.isExcess(flow, lane, nowMs)) this.#finish(holder, id);
  }

  // Faults

  #fault(): void {
    if (this.#isCalm) return;
    const alive = this.#holders.filter(({ state }) => state === "alive");
    const victim = alive[this.#random.below(alive.length)];
    const faults: readonly (() => void)[] = [
      () => this.#evict(),
      () => this.#evict(),
      () => (alive.length < HOLDERS_MAX ? this.#join() : undefined),
      () => this.#kill(victim),
      () => (victim === undefined ? undefined : this.#wish(victim)),
      () => (victim === undefined ? undefined : this.#wish(victim)),
      () => this.#stall(victim),
      () => this.#stepHolder(victim),
      () => this.#stepPool(),
      () => this.#resize(),
      () => this.#resizeLane(),
      () => this.#openSocket(),
      () => this.#closeSocket(),
      () => this.#releaseByStranger(),
      () => this.#reconcile(),
    ];
    faults[this.#random.below(faults.length)]?.();
  }

  #kill(victim: Holder | undefined): void {
    if (victim === undefined) return;
    victim.state = "dead";
    if (this.#holders.every(({ state }) => state === "dead")) this.#join();
  }

  #stall(victim: Holder | undefined): void {
    if (victim !== undefined) victim.stalledUntilMs = this.#nowMs + this.#random.below(2 * LEASE_MS_MAX);
  }

  /** Not while it stalls: a step back hidden in a stall is a stated residual. */
  #stepHolder(victim: Holder | undefined): void {
    if (victim !== undefined && victim.stalledUntilMs <= this.#nowMs) victim.clockMs.offset += this.#random.below(7_200_000) - 3_600_000;
  }

  /** One step ahead within a lease is promised to be harmless, however long; back, any number. */
  #stepPool(): void {
    const isForward = this.#random.below(2) === 0;
    if (isForward && this.#nowMs - this.#lastPoolStepMs <= LEASE_MS_MAX + 2 * GAP_MS_MAX) return;
    const stepMs = this.#random.below(3_600_000);
    if (isForward) {
      this.#lastPoolStepMs = this.#nowMs;
      if (this.#ledger.nextChangeInMs === null) this.#trustedStepsMs.push(stepMs);
      else this.#stepCount += 1;
    }
    this.#poolOffsetMs += isForward ? stepMs : -stepMs;
    // Seen while the object is awake, as its alarm would.
    this.#commit(() => void this.#ledger.tick(this.#poolNow));
  }

  #resize(): void {
    const capacity = 4 + this.#random.below(37);
    this.#setPolicy(policyOf(capacity, this.#random.below(capacity + 1)));
  }

  /** One lane alone, as an endpoint's adaptive limit moves. */
  #resizeLane(): void {
    const [first = 0, second = 0] = LANES.map((lane) => this.#policy.lanes.get(lane));
    const size = 1 + this.#random.below(30);
    this.#setPolicy(this.#random.below(2) === 0 ? policyOf(size + second, size) : policyOf(first + size, first));
  }

  #setPolicy(policy: LedgerPolicy): void {
    const isSmaller = LANES.some((lane) => (policy.lanes.get(lane) ?? 0) < (this.#policy.lanes.get(lane) ?? 0));
    if (isSmaller || policy.capacity < this.#policy.capacity) this.#shrunkAtMs = this.#nowMs;
    // The same flows are divided anew; others are counted anew.
    this.#policy = this.#random.below(2) === 0 ? policy : { ...policy, flow: (flow) => policy.flow(flow) };
    this.#commit(() => this.#ledger.configure(this.#policy, this.#poolNow));
  }

  #openSocket(): void {
    const slotId = `socket-${this.#random.below(6)}`;
    const owner = `shard-${this.#random.below(2)}`;
    const flow = FLOWS[this.#random.below(FLOWS.length)] ?? "a/gold";
    const lane = LANES[this.#random.below(LANES.length)] ?? "e1";
    const input = { slotId, owner, flow, lane, shardId: "", lifeMs: null, isDurable: true };
    const slot = this.#commit(() => this.#ledger.acquire(input, this.#poolNow));
    if (slot !== null) this.#sockets.set(slotId, owner);
  }

  #closeSocket(): void {
    const [slotId, owner] = [...this.#sockets][0] ?? ["none", "none"];
    this.#sockets.delete(slotId);
    // Half of the releases are lost: reconciling finds them.
    if (this.#random.below(2) === 0) this.#commit(() => this.#ledger.release(slotId, owner));
  }

  #releaseByStranger(): void {
    const [slotId, owner] = [...this.#sockets][0] ?? ["none", "none"];
    this.#commit(() => this.#ledger.release(slotId, `not-${owner}`));
  }

  #reconcile(): void {
    for (const owner of ["shard-0", "shard-1"]) {
      const live = new Set([...this.#sockets].filter(([, of]) => of === owner).map(([slotId]) => slotId));
      this.#commit(() => this.#ledger.reconcile({ owner, live, askedAtMs: this.#ledger.tick(this.#poolNow) + 1 }));
    }
  }

  /** No more faults; four holders that want more than there is, the flows of a class alike. */
  #calmDown(): void {
    this.#isCalm = true;
    this.#calmAtMs = this.#nowMs;
    this.#sockets.clear();
    this.#reconcile();
    this.#setPolicy(this.#policyOfTruth);
    for (const holder of this.#holders) {
      holder.stalledUntilMs = 0;
      for (const flow of FLOWS) holder.wants.set(flow, 60);
    }
    while (this.#holders.filter(({ state }) => state === "alive").length < 2) this.#join();
    for (const { wants } of this.#holders) for (const flow of FLOWS) wants.set(flow, 60);
  }

  // Checks

  /** The shares that the ledger keeps up to date are those of a ledger that reads the same rows and divides once. */
  #checkShares(): void {
    if (this.#waiters.length > 0 || this.#random.below(8) > 0) return;
    const fresh = this.#maker.fromRows(this.#policy, this.#rows, this.#poolNow);
    // A block on disk stands for more than is out.
    if (this.#rows.blocks.length > 0) return;
    for (const flow of FLOWS)
      require(fresh.flows.isBelowShare(flow) ===
        this.#ledger.flows.isBelowShare(flow), `${flow} has another share than a restarted ledger would give it`);
  }

  #check(): void {
    this.#dispatch();
    const { capacity } = this.#policy;
    const out = this.#ledger.slotsOut;
    const named = [...this.#sockets].filter(([slotId]) => this.#rows.slots.some((row) => row.slotId === slotId)).length;
    require(named === this.#sockets.size, "a socket lost its slot to somebody else");
    // A smaller capacity is reached as leases, requests and sockets end; until then nothing grows.
    require(out <= Math.max(capacity, this.#outBefore), `the ledger has ${out} of ${capacity} out, and had ${this.#outBefore}`);
    const sockets = this.#rows.slots.length;
    const isSettled = this.#nowMs - this.#shrunkAtMs > LEASE_MS_MAX + REQUEST_MS_MAX + GAP_MS_MAX + this.#clockLagMs();
    if (isSettled) require(out <= Math.max(capacity, sockets), `the ledger still has ${out} out, capacity fell to ${capacity}`);
    this.#outBefore = out;
    for (const lane of LANES) this.#checkLane(lane, isSettled);
    let residual = 0;
    for (const holder of this.#holders) residual += this.#checkHolder(holder);
    this.#residualMax = Math.max(this.#residualMax, residual);
    this.#holders = this.#holders.filter(({ state, requests }) => state === "alive" || requests.size > 0 || !this.#isForgotten());
    this.#checkIdle();
    this.#checkRate();
  }

  /** A burst and what came in since: what lies at holders was taken from it. A step that was taken for time fills the bucket once. */
  #checkRate(): void {
    const elapsedMs = this.#nowMs - START_MS + this.#stepCount * GAP_MS_MAX;
    const mostOf = ({ burst, tokens, periodMs }: typeof RATE): number =>
      this.#trustedStepsMs.reduce(
        (most, stepMs) => most + Math.min(burst, Math.ceil((tokens * stepMs) / periodMs)),
        burst + Math.ceil((tokens * elapsedMs) / periodMs),
      );
    require(this.#spent <= mostOf(RATE), `${this.#spent} tokens were spent of ${mostOf(RATE)}`);
    require(this.#unitsSpent <= mostOf(BANDWIDTH), `${this.#unitsSpent} KiB were sent of ${mostOf(BANDWIDTH)}`);
  }

  #checkLane(lane: string, isSettled: boolean): void {
    const [out, most] = [this.#ledger.slotsOfLane(lane), this.#policy.lanes.get(lane) ?? 0];
    const before = this.#laneOutBefore.get(lane) ?? 0;
    require(out <= Math.max(most, before), `lane ${lane} has ${out} of ${most} out, and had ${before}`);
    const sockets = this.#rows.slots.filter((slot) => slot.lane === lane).length;
    if (isSettled) require(out <= Math.max(most, sockets), `lane ${lane} still has ${out} out, its capacity fell to ${most}`);
    this.#laneOutBefore.set(lane, out);
  }

  #isForgotten(): boolean {
    return this.#holders.length > 3 * HOLDERS_MAX;
  }

  /** What runs at a live holder is counted for it; one lease after its last message only what it named is. */
  #checkHolder(holder: Holder): number {
    const isRunning = holder.state === "alive" && holder.stalledUntilMs <= this.#nowMs;
    if (isRunning) this.#cut(holder);
    let residual = 0;
    for (const flow of FLOWS) {
      let running = 0;
      for (const request of holder.requests.values()) if (request.flow === flow) running += 1;
      const counted = this.#ledger.slotsOfHolder(holder.lease.holder, flow);
      // Those that a restart has left without a name may be anybody's.
      const named = this.#ledger.named.filter(
        (slot) => slot.flow === flow && (slot.owner === holder.lease.holder || slot.owner === ""),
      ).length;
      if (isRunning)
        require(running <=
          counted + named, `${holder.lease.holder} runs ${running} of ${flow}, the ledger counts ${counted} and ${named} by name`);
      else residual += Math.max(0, running - counted);
      const silentMs = this.#nowMs - holder.lastHeardMs;
      const isSilent = silentMs > LEASE_MS_MAX + GAP_MS_MAX + this.#clockLagMs();
      const reported = isSilent ? Math.max(0, ...this.#reports(holder, flow)) : 0;
      if (isSilent) require(counted <= reported, `${holder.lease.holder} is silent and has ${counted} of ${flow}, it named ${reported}`);
      if (silentMs > LEASE_MS_MAX + REQUEST_MS_MAX + GAP_MS_MAX + this.#clockLagMs())
        require(counted === 0, `${holder.lease.holder} is long dead and has ${counted} of ${flow}`);
    }
    return residual;
  }

  #reports(holder: Holder, flow: string): number[] {
    return this.#rows.holders
      .filter((row) => row.holder === holder.lease.holder)
      .flatMap((row) => (JSON.parse(row.record) as { flows: { flow: string; running: number }[] }).flows)
      .flatMap((record) => (record.flow === flow ? [record.running] : []));
  }

  /** Each step of the pool's clock may hide up to one gap of real time from the ledger. */
  #clockLagMs(): number {
    return 20 * 250;
  }

  /** Slots that nobody has while somebody asks for them, since when. */
  #checkIdle(): void {
    // What was on its way when the calm began still arrives, and asks for those who sent it.
    if (this.#nowMs - this.#calmAtMs < DELAY_MS_MAX) return;
    const wanted = this.#holders.some(
      (holder) =>
        holder.state === "alive" &&
        // A holder whose loop still waits for the end of its stall asks for nothing.
        this.#nowMs - holder.lastHeardMs < GAP_MS_MAX &&
        FLOWS.some((flow) => holder.lease.slots(flow, this.#clock(holder)) < (holder.wants.get(flow) ?? 0)),
    );
    if (this.#ledger.slotsFree <= floatOf(this.#policy) || !wanted || !this.#isCalm) this.#idleSinceMs = null;
    else {
      this.#idleSinceMs ??= this.#nowMs;
      const idleMs = this.#nowMs - this.#idleSinceMs;
      this.#idleMsMax = Math.max(this.#idleMsMax, idleMs);
      require(idleMs <= LEASE_MS_MAX + GAP_MS_MAX + 500, `a slot is idle for ${idleMs} ms while somebody wants it`);
    }
  }

  /** Contended and undisturbed for several leases: equal flows have equal shares, a reserve is whole. */
  #checkCalm(): void {
    const { capacity } = this.#policyOfTruth;
    const has = FLOWS.map((flow) => this.#ledger.slotsOfFlow(flow));
    const [aGold = 0, bGold = 0, aBronze = 0, bBronze = 0] = has;
    const out = aGold + bGold + aBronze + bBronze;
    require(out >= capacity - floatOf({ capacity }) && out <= capacity, `${has.join(" + ")} are out of ${capacity} while all want more`);
    require(Math.abs(aGold - bGold) <= 1 && Math.abs(aBronze - bBronze) <= 1, `equal flows have ${has.join(", ")}`);
    const reserve = Math.floor(capacity * 0.75) - floatOf({ capacity });
    require(aBronze + bBronze >= reserve, `bronze has ${aBronze + bBronze}, its reserve is ${reserve}`);
  }
}

/** Bronze's reserve is more than its weight gives it, so that a division without reserves shows. */
function policyOf(capacity: number, first = Math.floor(capacity / 3)): LedgerPolicy {
  return {
    capacity,
    lanes: new Map([
      ["e1", first],
      ["e2", capacity - first],
    ]),
    classes: new Map([
      ["gold", { weight: 8, reserve: 0 }],
      ["bronze", { weight: 1, reserve: Math.floor(capacity * 0.75) }],
    ]),
    flow: flowPolicyOf,
    requestDurationMsMax: REQUEST_MS_MAX,
    holdersMax: 1_000,
    flowsPerHolderMax: 100,
  };
}

function flowPolicyOf(flow: string): FlowPolicy {
  if (flow === BYTES) return { className: "gold", weight: 1, slotsMax: 0, rate: BANDWIDTH };
  return { className: flow.split("/")[1] ?? "", weight: 1, slotsMax: 1_000, rate: flow === RATED ? RATE : null };
}

function isBefore(event: Event, other: Event | undefined): boolean {
  return other === undefined || event.atMs < other.atMs || (event.atMs === other.atMs && event.order < other.order);
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
