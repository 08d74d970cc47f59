// Isolates that ask a pool by exchanges, over a network that loses, delays, repeats and reorders calls and answers; requests whose contexts end
// while others' calls stand in them, devices that go away, isolates that die, stall and have their clocks set, a pool that is evicted, cut off and has
// its clock set. From one seed, in virtual time, checked after every event. The parts themselves; what exchange.ts, ask-pool.ts and renewal.ts do
// with them is repeated here.
import { GAP_MS_MAX, LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { Mailboxes } from "#durable/pool/mailboxes.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { NAMED_SLOT_MS } from "#durable/pool/verdict.ts";
import type { HeldSlot } from "#gateway/lease/held-slot.ts";
import type { ExchangeCall, Heard } from "#gateway/lease/outbox.ts";
import type { PoolPlace } from "#gateway/lease/pool-place.ts";
import type { ServiceLease } from "#gateway/lease/service-lease.ts";
import type { Configuration } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ExchangeAnswer } from "#shared/protocol/exchange.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import { kernels } from "#test/support/kernels.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";
import { AskingPool } from "./asking-pool.ts";
import { EventQueue } from "./event-queue.ts";

/** What a canary replaces. */
export interface AskingParts {
  readonly leaseOf: (holder: string, place: PoolPlace, memory: () => ReturnType<typeof kernels>) => ServiceLease;
  readonly mailboxes: () => Mailboxes;
}

export interface AskingResult {
  readonly events: number;
  readonly calls: number;
  readonly words: Readonly<Record<Word, number>>;
  readonly evictions: number;
  readonly runningMax: number;
  /** From the pool's verdict to the isolate's hearing of it, in the calm. */
  readonly heardAfterMsMax: number;
  /** For which a request that waits was unknown to the pool, and nothing on its way. */
  readonly unknownMsMax: number;
}

/** `none`: no verdict came in time. */
type Word = "slot" | "late" | "refusal" | "error" | "cancelled" | "none";

/** Of one request: what waits in it never goes on once it has ended. */
interface Context {
  isAlive: boolean;
  isRunning: boolean;
}

interface Asking {
  readonly slotId: string;
  readonly flow: string;
  readonly context: Context;
  readonly askedAtMs: number;
  /** By the isolate's clock. */
  readonly waitsUntilMs: number;
  readonly waitMsMax: number;
  knownAtMs: number;
  words: number;
}

interface Running {
  readonly slot: HeldSlot;
  readonly context: Context;
}

/** A call as it is, whatever the isolate believes of it. */
interface Underway {
  readonly call: ExchangeCall;
  readonly context: Context;
}

interface Isolate {
  readonly name: string;
  readonly lease: ServiceLease;
  readonly waiting: Map<string, Asking>;
  readonly running: Set<Running>;
  readonly underway: Set<Underway>;
  /** Contexts in which a loop sees to calls. */
  readonly carrying: Set<Context>;
  /** Names in calls of which it knows that they did not arrive. */
  readonly owed: Set<string>;
  offsetMs: number;
  isAlive: boolean;
  stalledUntilMs: number;
  steppedAtMs: number;
  sentAtMs: number;
  /** Since when somebody waits and no call is on its way. */
  silentSinceMs: number | null;
}

const START_MS = 1_000_000_000;
const FLOWS = ["a/gold", "b/bronze"] as const;
const DEADLINE_MS = 5_000;
const REQUEST_MS_MAX = 6_000;
const ISOLATES_MAX = 6;
const DELAY_MS_MAX = 3_000;
const STALL_MS_MAX = 3_000;
/** One way, in the calm. */
const CALL_MS = 5;
/** Kinds of them, in the order of #fault: some storms have the first few alone. */
const FAULTS = 10;
const HOLD_LOOK_MS = 100;
const LINGER_MS = 1_000;
// As in exchange.ts and outbox.ts.
const SPACING_MS = 2;
/** Where a name that somebody waits for is free. */
const NAME_SPACING_MS = 1;
const LOOK_MS = 500;
const LATE_MS_MAX = 2_000;
const CARRY_MS_MAX = 20_000;
const FAILURES_MAX = 3;
const CALL_MS_MAX = 1_000;
/** A call that is lost is given up, somebody looks, and what that sets off may be seen to by another that never does. */
const SILENT_MS_MAX = CALL_MS_MAX + 2 * LOOK_MS + 200;
/** From the verdict to its hearing: an answer on its way that brought none, the next call, its answer. */
const HEARD_MS_MAX = 3 * CALL_MS + SPACING_MS + 10;
/** What was on its way when the calm began has arrived, and what it began is over. */
const SETTLE_MS = DELAY_MS_MAX + DEADLINE_MS + LATE_MS_MAX + 5_000;
const LOAD_MS = SETTLE_MS + 8_000;
/** The last lease ends, and what dead isolates named. */
const DRAIN_MS = LEASE_MS_MAX + REQUEST_MS_MAX + DEADLINE_MS + 10_000;

export class AskingSimulation {
  readonly #random: SeededRandom;
  readonly #parts: AskingParts;
  readonly #queue = new EventQueue(START_MS);
  readonly #configured: Configuration;
  readonly #pool: AskingPool;
  readonly #capacity: number;
  /** In some storms no message is lost or late: else what one fault leaves behind another one sweeps away. */
  readonly #isLossy: boolean;
  readonly #faultsMax: number;
  readonly #isBusyInCalm: boolean;
  readonly #laneSlots: ReadonlyMap<string, number>;
  readonly #memory = kernels({ memoryBytes: 64 * 2 ** 20 });
  #isolates: Isolate[] = [];
  #count = 0;
  #poolOffsetMs = 0;
  #poolSteppedAtMs = -Infinity;
  #downUntilMs = 0;
  #calmAtMs = Infinity;
  #hasLoad = true;
  /** By slot: in how many messages it is on its way, as an asking or as a verdict. */
  readonly #messages = new Map<string, number>();
  /** By slot: since when a verdict on it lies at the pool. */
  #inMailbox = new Map<string, number>();
  readonly #decidedAtMs = new Map<string, number>();
  #events = 0;
  #calls = 0;
  #evictions = 0;
  #runningMax = 0;
  #heardAfterMsMax = 0;
  #unknownMsMax = 0;
  readonly #words: Record<Word, number> = { slot: 0, late: 0, refusal: 0, error: 0, cancelled: 0, none: 0 };
  readonly #history: string[] = [];

  constructor(seed: number, parts: AskingParts) {
    this.#random = seededRandom(seed);
    this.#parts = parts;
    const capacities = [1 + this.#random.below(6), 1 + this.#random.below(6)];
    this.#isLossy = this.#random.below(2) === 0;
    this.#faultsMax = this.#random.below(2) === 0 ? FAULTS : 1 + this.#random.below(FAULTS);
    this.#isBusyInCalm = this.#random.below(2) === 0;
    this.#capacity = capacities.reduce((sum, slots) => sum + slots, 0);
    this.#laneSlots = new Map(capacities.map((slots, index) => [laneOf(index), slots]));
    this.#configured = configured(capacities);
    this.#pool = new AskingPool(configurationOf("svc", 1, this.#configured), {
      mailboxes: parts.mailboxes,
      nowMs: () => this.#queue.nowMs + this.#poolOffsetMs,
      after: (delayMs, run) => this.#queue.after(Math.max(0, delayMs), run),
      onVerdict: ({ slotId }) => {
        this.#inMailbox.set(slotId, this.#queue.nowMs);
        this.#decidedAtMs.set(slotId, this.#queue.nowMs);
      },
    });
  }

  run({ stormMs }: { stormMs: number }): AskingResult {
    try {
      for (let count = 0; count < 2 + this.#random.below(3); count += 1) this.#join();
      this.#queue.every(
        () => (this.#isCalm ? 500 : 200 + this.#random.below(800)),
        () => this.#pool.settle(),
      );
      this.#queue.every(
        () => 250,
        () => this.#fault(),
      );
      this.#until(START_MS + stormMs);
      this.#calmDown();
      this.#until(this.#calmAtMs + LOAD_MS);
      this.#hasLoad = false;
      // A clock that was set back keeps those in the queue whose isolates have gone: each takes a slot by name, for nobody.
      this.#until(this.#queue.nowMs + DRAIN_MS + this.#pool.pool.queueLength * NAMED_SLOT_MS);
      // Whose contexts ended while they waited are left to whoever comes next, and take a slot by name each.
      for (let left = this.#waitingCount; left > 0; left -= 1) {
        for (const isolate of this.#isolates) this.#seeToOutbox(isolate, { isAlive: true, isRunning: false });
        this.#until(this.#queue.nowMs + DEADLINE_MS);
      }
      this.#checkCalm();
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#history.slice(-60).join("\n")}`, { cause: error });
    }
    return {
      events: this.#events,
      calls: this.#calls,
      words: this.#words,
      evictions: this.#evictions,
      runningMax: this.#runningMax,
      heardAfterMsMax: this.#heardAfterMsMax,
      unknownMsMax: this.#unknownMsMax,
    };
  }

  get #isCalm(): boolean {
    return this.#calmAtMs !== Infinity;
  }

  get #waitingCount(): number {
    return this.#isolates.reduce((sum, { waiting }) => sum + waiting.size, 0);
  }

  #until(endMs: number): void {
    this.#queue.until(endMs, () => {
      this.#events += 1;
      this.#check();
    });
  }

  #note(what: string): void {
    this.#history.push(`${this.#queue.nowMs - START_MS} ${what}`);
    if (this.#history.length > 2_000) this.#history.splice(0, 1_000);
  }

  /** One in so many, in the storm alone. */
  #happens(oneIn: number): boolean {
    return !this.#isCalm && this.#isLossy && this.#random.below(oneIn) === 0;
  }

  #delayMs(): number {
    if (this.#isCalm) return CALL_MS;
    if (!this.#isLossy) return 1 + this.#random.below(10);
    return this.#random.below(15) === 0 ? this.#random.below(DELAY_MS_MAX) : 1 + this.#random.below(40);
  }

  // Isolates

  #join(): void {
    this.#count += 1;
    const name = `h${this.#count}`;
    const lease = this.#parts.leaseOf(name, { service: "svc", region: null }, () => this.#memory);
    const service = this.#configured.services["svc"];
    if (service !== undefined) lease.use(service);
    const isolate: Isolate = {
      name,
      lease,
      waiting: new Map(),
      running: new Set(),
      underway: new Set(),
      carrying: new Set(),
      owed: new Set(),
      offsetMs: this.#random.below(100_000),
      isAlive: true,
      stalledUntilMs: 0,
      steppedAtMs: -Infinity,
      sentAtMs: -Infinity,
      silentSinceMs: null,
    };
    this.#isolates.push(isolate);
    this.#arriveNext(isolate);
  }

  #nowOf({ offsetMs }: Isolate): number {
    return this.#queue.nowMs + offsetMs;
  }

  /** Runs in the request's context, if it can run at all; in an isolate that stalls it does so late. */
  #on(isolate: Isolate, context: Context, run: () => void): void {
    if (!isolate.isAlive || !context.isAlive) return;
    const leftMs = isolate.stalledUntilMs - this.#queue.nowMs;
    if (leftMs > 0) return this.#queue.after(leftMs, () => this.#on(isolate, context, run));
    run();
  }

  #later(isolate: Isolate, { context, inMs }: { context: Context; inMs: number }, run: () => void): void {
    this.#queue.after(inMs, () => this.#on(isolate, context, run));
  }

  #arriveNext(isolate: Isolate): void {
    const everyMs = !this.#isCalm || (this.#isSettledSince(this.#queue.nowMs) && this.#isBusyInCalm) ? 70 : 120;
    this.#queue.after(Math.ceil(everyMs * this.#random.exponential()), () => {
      if (!isolate.isAlive || !this.#hasLoad) return;
      const context: Context = { isAlive: true, isRunning: false };
      this.#on(isolate, context, () => this.#arrive(isolate, context));
      this.#arriveNext(isolate);
    });
  }

  #arrive(isolate: Isolate, context: Context): void {
    const { lease } = isolate;
    const flow = FLOWS[this.#random.below(FLOWS.length)] ?? FLOWS[0];
    const nowMs = this.#nowOf(isolate);
    if (lease.holdsSlots(nowMs) || lease.pace.isRenewing(nowMs)) {
      this.#admit(isolate, context, flow);
      this.#renewIfDue(isolate, context);
      return;
    }
    lease.expect(flow);
    this.#renew(isolate, context, (isRenewed) => (isRenewed ? this.#admit(isolate, context, flow) : this.#ask(isolate, context, flow)));
  }

  #admit(isolate: Isolate, context: Context, flow: string): void {
    const [key, nowMs] = [`${this.#random.below(1_000)}`, this.#nowOf(isolate)];
    const slot = isolate.lease.admit({ flow, urgency: 3, key, quota: undefined, nowMs });
    if (slot === null) this.#ask(isolate, context, flow);
    else if (!("ok" in slot)) this.#serve(isolate, context, slot);
  }

  #ask(isolate: Isolate, context: Context, flow: string): void {
    const { lease } = isolate;
    this.#count += 1;
    const slotId = `${isolate.name}-${this.#count}`;
    const nowMs = this.#nowOf(isolate);
    const { clockEpoch } = lease.ask(flow, slotId, nowMs);
    const waitMsMax = lease.waitMsMax(DEADLINE_MS);
    const waitsUntilMs = nowMs + waitMsMax;
    const askedAtMs = this.#queue.nowMs;
    const asking: Asking = { slotId, flow, context, askedAtMs, waitsUntilMs, waitMsMax, knownAtMs: askedAtMs, words: 0 };
    isolate.waiting.set(slotId, asking);
    lease.outbox.ask({
      ask: { slotId, flow, urgency: 3, affinityKey: null },
      waitsUntilMs,
      tell: (heard) => this.#hear(isolate, asking, { heard, clockEpoch }),
    });
    this.#seeToOutbox(isolate, context);
    this.#later(isolate, { context, inMs: LOOK_MS }, () => this.#look(isolate, asking));
    if (this.#random.below(8) === 0)
      this.#later(isolate, { context, inMs: this.#random.below(2_000) }, () => this.#goAway(isolate, asking, "cancelled"));
  }

  /** As in askAndHear. */
  #look(isolate: Isolate, asking: Asking): void {
    if (asking.words > 0) return;
    if (this.#nowOf(isolate) > asking.waitsUntilMs + LATE_MS_MAX) return this.#goAway(isolate, asking, "none");
    this.#later(isolate, { context: asking.context, inMs: LOOK_MS }, () => this.#look(isolate, asking));
    this.#seeToOutbox(isolate, asking.context);
  }

  #goAway(isolate: Isolate, asking: Asking, word: "cancelled" | "none"): void {
    if (asking.words > 0) return;
    const { slotId, flow, context } = asking;
    isolate.lease.outbox.cancel(slotId);
    this.#say(isolate, asking, word);
    isolate.lease.refused(flow, { slotId, nowMs: this.#nowOf(isolate) });
    this.#seeToOutbox(isolate, context);
  }

  #hear(isolate: Isolate, asking: Asking, { heard, clockEpoch }: { heard: Heard; clockEpoch: number }): void {
    const { lease } = isolate;
    const { slotId, flow, context } = asking;
    const nowMs = this.#nowOf(isolate);
    if (!context.isAlive) return this.#say(isolate, asking, "none");
    if (!("verdict" in heard)) {
      this.#say(isolate, asking, "error");
      return lease.refused(flow, { slotId, nowMs });
    }
    const { verdict } = heard;
    this.#checkHeard(asking);
    if (!verdict.ok) {
      this.#say(isolate, asking, "refusal");
      const { shed, dry } = verdict;
      return lease.refused(flow, { slotId, ...(shed && { shed }), ...(dry && { dry }), nowMs });
    }
    const slot = lease.take(flow, verdict.slot, { askedAtMs: verdict.askedAtMs, clockEpoch, nowMs });
    this.#say(isolate, asking, slot === null ? "late" : "slot");
    if (slot !== null) this.#serve(isolate, context, slot);
    else this.#settle(isolate, context);
  }

  #say(isolate: Isolate, asking: Asking, word: Word): void {
    asking.words += 1;
    this.#note(`${asking.slotId} hears ${word}`);
    require(asking.words === 1, `${asking.slotId} hears ${word}, and has heard before`);
    isolate.waiting.delete(asking.slotId);
    if (!asking.context.isAlive) return;
    this.#words[word] += 1;
    const waitedMs = this.#queue.nowMs - asking.askedAtMs;
    if (isolate.steppedAtMs < asking.askedAtMs && isolate.stalledUntilMs < asking.askedAtMs) {
      const mostMs = asking.waitMsMax + LATE_MS_MAX + LOOK_MS + 100;
      require(waitedMs <= mostMs, `${asking.slotId} hears ${word} after ${waitedMs} ms, at most ${mostMs} were expected`);
    }
    if (!this.#isSettledSince(asking.askedAtMs)) return;
    require(word !== "none" && word !== "error" && word !== "late", `${asking.slotId} hears ${word} in the calm`);
    const calmMs = asking.waitMsMax + LOOK_MS;
    require(waitedMs <= calmMs, `${asking.slotId} hears ${word} after ${waitedMs} ms in the calm, at most ${calmMs} were expected`);
  }

  #checkHeard({ slotId, askedAtMs }: Asking): void {
    const decidedAtMs = this.#decidedAtMs.get(slotId);
    this.#decidedAtMs.delete(slotId);
    if (decidedAtMs === undefined || !this.#isSettledSince(askedAtMs)) return;
    const afterMs = this.#queue.nowMs - decidedAtMs;
    this.#heardAfterMsMax = Math.max(this.#heardAfterMsMax, afterMs);
    require(afterMs <= HEARD_MS_MAX, `${slotId} hears ${afterMs} ms after the pool's word, at most ${HEARD_MS_MAX} were expected`);
  }

  #isSettledSince(atMs: number): boolean {
    return atMs > this.#calmAtMs + SETTLE_MS;
  }

  // Exchanges

  #seeToOutbox(isolate: Isolate, context: Context): void {
    const dueInMs = isolate.lease.outbox.seeToInMs(this.#nowOf(isolate));
    if (dueInMs === null) return;
    isolate.carrying.add(context);
    this.#carry(isolate, context, { dueInMs, beganAtMs: this.#nowOf(isolate), failures: 0 });
  }

  #carry(isolate: Isolate, context: Context, loop: { dueInMs: number; beganAtMs: number; failures: number }): void {
    const { outbox } = isolate.lease;
    const goOn = (failures: number): void => {
      const nowMs = this.#nowOf(isolate);
      const isOver = Math.abs(nowMs - loop.beganAtMs) > CARRY_MS_MAX || (failures >= FAILURES_MAX && !outbox.isAwaiting);
      const dueInMs = isOver ? null : outbox.seeToInMs(nowMs);
      if (dueInMs === null) isolate.carrying.delete(context);
      else this.#carry(isolate, context, { ...loop, dueInMs, failures });
    };
    const wake = (): void => {
      const call = outbox.take(this.#nowOf(isolate));
      if (call === null) return goOn(0);
      this.#send(isolate, { call, context }, (isAnswered) => goOn(isAnswered ? 0 : loop.failures + 1));
    };
    if (loop.dueInMs === 0) wake();
    else this.#later(isolate, { context, inMs: loop.dueInMs }, wake);
  }

  #send(isolate: Isolate, underway: Underway, then: (isAnswered: boolean) => void): void {
    const { call, context } = underway;
    const { outbox } = isolate.lease;
    this.#checkCall(isolate, call);
    isolate.underway.add(underway);
    // What becomes of it is the network's doing.
    for (const { slotId } of call.asks) {
      const asking = isolate.waiting.get(slotId);
      if (asking !== undefined) asking.knownAtMs = this.#queue.nowMs;
    }
    const [asked, name] = [call.asks.map(({ slotId }) => slotId), isolate.name];
    this.#note(`${name} calls: asks ${asked.join(" ")}; returns ${call.returned.join(" ")}; cancels ${call.cancelled.join(" ")}`);
    const conclude = (run: () => void): void =>
      this.#on(isolate, context, () => {
        if (!isolate.underway.delete(underway)) return;
        run();
      });
    const fail = (mayRepeat: boolean): void =>
      this.#queue.after(this.#delayMs() + repeatPauseMs(this.#random.next()), () =>
        conclude(() => {
          this.#note(`${name} hears that a call failed`);
          for (const slotId of call.returned) isolate.owed.add(slotId);
          outbox.failed(call, { error: new Error("lost"), mayRepeat });
          then(false);
        }),
      );
    const lose = (): void => {
      if (this.#random.below(2) === 0) fail(!this.#happens(4));
      else isolate.underway.delete(underway);
    };
    let copies = 1;
    const answer = (answered: Pick<ExchangeAnswer, "verdicts" | "poolLife">): void => {
      const slotIds = answered.verdicts.map(({ slotId }) => slotId);
      for (const slotId of slotIds) this.#inMailbox.delete(slotId);
      this.#note(`the pool answers ${name}: ${slotIds.join(" ")}`);
      // Of a call that was sent twice, which the platform does not, the one answer says that there is nothing, and hides that the other is lost.
      if (this.#happens(12) && copies === 1) return lose();
      this.#travel(slotIds, () => {
        // A call that was sent twice is answered twice; the first ends it.
        if (!isolate.underway.has(underway)) return this.#on(isolate, context, () => outbox.answered(call, answered));
        conclude(() => {
          outbox.answered(call, answered);
          then(true);
        });
      });
    };
    const arrive = (): void => {
      if (this.#queue.nowMs < this.#downUntilMs) return lose();
      this.#checkNames(isolate, call);
      this.#pool.exchange(name, call, { answer, broken: lose });
    };
    if (this.#happens(12)) return lose();
    if (this.#happens(15)) copies = 2;
    for (let left = copies; left > 0; left -= 1) this.#travel(asked, arrive);
  }

  /** A message that speaks of these. */
  #travel(slotIds: readonly string[], arrive: () => void): void {
    for (const slotId of slotIds) this.#messages.set(slotId, (this.#messages.get(slotId) ?? 0) + 1);
    this.#queue.after(this.#delayMs(), () => {
      for (const slotId of slotIds) {
        const left = (this.#messages.get(slotId) ?? 1) - 1;
        if (left === 0) this.#messages.delete(slotId);
        else this.#messages.set(slotId, left);
      }
      arrive();
    });
  }

  #checkCall(isolate: Isolate, call: ExchangeCall): void {
    this.#calls += 1;
    const sinceMs = this.#queue.nowMs - isolate.sentAtMs;
    if (isolate.steppedAtMs < isolate.sentAtMs)
      require(sinceMs >=
        NAME_SPACING_MS, `${isolate.name} calls ${sinceMs} ms after its last call, at least ${NAME_SPACING_MS} was expected`);
    isolate.sentAtMs = this.#queue.nowMs;
    for (const slotId of call.returned) isolate.owed.delete(slotId);
    require(isolate.owed.size === 0, `${isolate.name} forgets that ${[...isolate.owed].join(", ")} did not arrive`);
    this.#checkNames(isolate, call);
  }

  /** What runs is neither free nor gone. */
  #checkNames({ name, running, isAlive }: Isolate, { returned, cancelled }: ExchangeCall): void {
    if (!isAlive) return;
    for (const { slot } of running) {
      const { slotId = "" } = slot;
      require(!returned.includes(slotId), `${name} returns ${slotId}, which runs`);
      require(!cancelled.includes(slotId), `${name} cancels ${slotId}, which runs`);
    }
  }

  // Requests that run

  #serve(isolate: Isolate, context: Context, slot: HeldSlot): void {
    const running: Running = { slot, context };
    context.isRunning = true;
    isolate.running.add(running);
    // Its device goes away as it is granted.
    if (this.#happens(12)) return this.#end(isolate, running);
    const isLong = this.#happens(8);
    this.#later(
      isolate,
      {
        context,
        inMs: isLong ? this.#random.below(REQUEST_MS_MAX) : 20 + this.#random.below(this.#isCalm && !this.#isBusyInCalm ? 300 : 900),
      },
      () => this.#end(isolate, running),
    );
    this.#watch(isolate, running);
  }

  /** The running request's own timer. */
  #watch(isolate: Isolate, running: Running): void {
    if (!isolate.running.has(running)) return;
    this.#renewIfDue(isolate, running.context);
    const lookInMs = isolate.lease.lookAgainInMs(running.slot, this.#nowOf(isolate));
    if (lookInMs <= 0) return this.#end(isolate, running);
    this.#later(isolate, { context: running.context, inMs: Math.max(lookInMs, HOLD_LOOK_MS) }, () => this.#watch(isolate, running));
  }

  #end(isolate: Isolate, running: Running): void {
    if (!isolate.running.delete(running)) return;
    running.context.isRunning = false;
    const nowMs = this.#nowOf(isolate);
    isolate.lease.end(running.slot, { outcome: "admitted-local", latencyMs: 10, upstreamMs: 10, nowMs });
    this.#settle(isolate, running.context);
  }

  #cut(isolate: Isolate): void {
    for (const running of [...isolate.running].toReversed())
      if (isolate.lease.lookAgainInMs(running.slot, this.#nowOf(isolate)) === 0) this.#end(isolate, running);
  }

  // Renewals

  #settle(isolate: Isolate, context: Context): void {
    const { lease } = isolate;
    const nowMs = this.#nowOf(isolate);
    this.#seeToOutbox(isolate, context);
    this.#renewIfDue(isolate, context);
    const dueInMs = lease.pace.seeToInMs(nowMs);
    if (dueInMs !== null) this.#later(isolate, { context, inMs: dueInMs }, () => this.#renewIfDue(isolate, context));
    if (lease.running === 0 && lease.pace.beginLinger(nowMs, LINGER_MS)) this.#linger(isolate, context);
  }

  #linger(isolate: Isolate, context: Context): void {
    const { lease } = isolate;
    const nowMs = this.#nowOf(isolate);
    const idleMs = lease.idleMs(nowMs);
    if (idleMs >= LINGER_MS && !lease.pace.isRenewing(nowMs)) {
      lease.pace.keepLingering(0, nowMs);
      lease.fallIdle();
      if (lease.hasNews) this.#renew(isolate, context, () => undefined);
      return;
    }
    const leftMs = Math.max(HOLD_LOOK_MS, LINGER_MS - idleMs);
    lease.pace.keepLingering(2 * leftMs, nowMs);
    this.#later(isolate, { context, inMs: leftMs }, () => this.#linger(isolate, context));
  }

  #renewIfDue(isolate: Isolate, context: Context): void {
    if (isolate.lease.pace.isDue(this.#nowOf(isolate))) this.#renew(isolate, context, () => undefined);
  }

  #renew(isolate: Isolate, context: Context, then: (isRenewed: boolean) => void): void {
    const { lease } = isolate;
    const message = lease.message(1, this.#nowOf(isolate));
    const lose = (): void => {
      if (this.#random.below(2) === 0) return;
      this.#later(isolate, { context, inMs: this.#delayMs() }, () => {
        lease.failed(message, this.#nowOf(isolate));
        then(false);
      });
    };
    const arrive = (isRepeated: boolean): void => {
      if (this.#queue.nowMs < this.#downUntilMs) return lose();
      const answer = this.#pool.renew(message);
      if (isRepeated) return;
      if (this.#happens(10)) return lose();
      this.#later(isolate, { context, inMs: this.#delayMs() }, () => {
        lease.apply(answer, this.#nowOf(isolate));
        if (!answer.lease.ok && answer.lease.reason === "stale") lease.failed(message, this.#nowOf(isolate));
        then(answer.lease.ok);
      });
    };
    if (this.#happens(10)) return lose();
    if (this.#happens(10)) this.#queue.after(this.#delayMs(), () => arrive(true));
    this.#queue.after(this.#delayMs(), () => arrive(false));
  }

  // Faults

  #fault(): void {
    if (this.#isCalm) return;
    const victim = this.#isolates[this.#random.below(this.#isolates.length)];
    if (victim === undefined) return;
    // Not so often that nobody ever waits undisturbed.
    if (this.#random.below(3) === 0) return;
    const faults: readonly (() => void)[] = [
      () => this.#evict(),
      () => this.#endContext(victim),
      () => this.#endContext(victim),
      () => this.#endContext(victim),
      () => (this.#isolates.length < ISOLATES_MAX ? this.#join() : undefined),
      () => this.#kill(victim),
      () => (victim.stalledUntilMs = this.#queue.nowMs + this.#random.below(STALL_MS_MAX)),
      () => this.#stepIsolate(victim),
      () => this.#stepPool(),
      () => (this.#downUntilMs = this.#queue.nowMs + this.#random.below(1_500)),
    ];
    faults[this.#random.below(this.#faultsMax)]?.();
  }

  #evict(): void {
    this.#note("the pool is evicted");
    this.#evictions += 1;
    this.#inMailbox = new Map();
    this.#pool.evict();
  }

  /** Of a request that waits, or one that has ended and only carries calls. */
  #endContext(isolate: Isolate): void {
    const contexts = [...isolate.carrying, ...[...isolate.waiting.values()].map(({ context }) => context)];
    const context = contexts[this.#random.below(contexts.length)];
    if (context === undefined || context.isRunning) return;
    context.isAlive = false;
    isolate.carrying.delete(context);
    for (const asking of isolate.waiting.values()) if (asking.context === context) this.#note(`${asking.slotId} ends while it waits`);
  }

  #kill(victim: Isolate): void {
    if (this.#isolates.length < 2) return;
    this.#note(`${victim.name} dies`);
    victim.isAlive = false;
    this.#isolates = this.#isolates.filter((isolate) => isolate !== victim);
  }

  /** Not while it stalls: a step back hidden in a stall is a stated residual. */
  #stepIsolate(victim: Isolate): void {
    if (victim.stalledUntilMs > this.#queue.nowMs) return;
    const mostMs = this.#random.below(2) === 0 ? 2_000 : 3_600_000;
    const stepMs = this.#random.below(2 * mostMs) - mostMs;
    victim.offsetMs += stepMs;
    victim.steppedAtMs = this.#queue.nowMs;
    this.#note(`${victim.name}'s clock is set by ${stepMs} ms`);
  }

  /** One step ahead within a lease is promised to be harmless, however long; back, any number. */
  #stepPool(): void {
    const isForward = this.#random.below(2) === 0;
    if (isForward && this.#queue.nowMs - this.#poolSteppedAtMs <= LEASE_MS_MAX + 2 * GAP_MS_MAX) return;
    if (isForward) this.#poolSteppedAtMs = this.#queue.nowMs;
    const stepMs = (isForward ? 1 : -1) * this.#random.below(3_600_000);
    this.#poolOffsetMs += stepMs;
    this.#note(`the pool's clock is set by ${stepMs} ms`);
    // Seen while the object is awake, as its alarm would.
    this.#pool.settle();
  }

  #calmDown(): void {
    this.#note("calm");
    this.#calmAtMs = this.#queue.nowMs;
    this.#downUntilMs = 0;
  }

  // Checks

  #check(): void {
    const { ledger } = this.#pool.pool;
    require(ledger.slotsOut >= 0, "the ledger has less than nothing out");
    let running = 0;
    const byLane = new Map<string, number>();
    for (const isolate of this.#isolates) {
      if (isolate.stalledUntilMs > this.#queue.nowMs) continue;
      this.#cut(isolate);
      this.#checkHolder(isolate);
      this.#checkWaiting(isolate);
      running += isolate.running.size;
      for (const { slot } of isolate.running) byLane.set(slot.lane, (byLane.get(slot.lane) ?? 0) + 1);
    }
    this.#runningMax = Math.max(this.#runningMax, running);
    require(running <= this.#capacity, `${running} requests run, the endpoints have ${this.#capacity} slots`);
    for (const [lane, count] of byLane)
      require(count <= (this.#laneSlots.get(lane) ?? 0), `${count} requests run at ${lane}, which has ${this.#laneSlots.get(lane)} slots`);
  }

  /** What runs at a live isolate is counted for it. */
  #checkHolder({ name, running }: Isolate): void {
    const { ledger } = this.#pool.pool;
    for (const flow of FLOWS) {
      let count = 0;
      for (const { slot } of running) if (slot.flow === flow) count += 1;
      if (count === 0) continue;
      const counted = ledger.slotsOfHolder(name, flow);
      // Those that a restart has left without a name may be anybody's.
      const named = ledger.named.filter((slot) => slot.flow === flow && (slot.owner === name || slot.owner === "")).length;
      require(count <= counted + named, `${name} runs ${count} of ${flow}, the ledger counts ${counted} and ${named} by name`);
    }
  }

  /** Somebody who waits is known to the pool, or something is on its way, or soon will be. */
  #checkWaiting(isolate: Isolate): void {
    const nowMs = this.#queue.nowMs;
    const { outbox } = isolate.lease;
    const alive = [...isolate.waiting.values()].filter(({ context }) => context.isAlive);
    for (const underway of isolate.underway) if (!underway.context.isAlive) isolate.underway.delete(underway);
    // Looks of a stalled isolate are late, and a clock that is set back counts some time twice.
    const sinceMs = Math.max(isolate.stalledUntilMs, isolate.steppedAtMs + CALL_MS_MAX);
    if (alive.length === 0 || isolate.underway.size > 0) isolate.silentSinceMs = null;
    else isolate.silentSinceMs ??= nowMs;
    const silentMs = isolate.silentSinceMs === null ? 0 : nowMs - Math.max(isolate.silentSinceMs, sinceMs);
    require(silentMs <= SILENT_MS_MAX, `somebody waits in ${isolate.name}, and no call is on its way for ${silentMs} ms`);
    for (const asking of alive) {
      const { slotId } = asking;
      require(outbox.awaits(slotId), `${slotId} waits, and is not in the outbox`);
      const inMailboxMs = nowMs - (this.#inMailbox.get(slotId) ?? -Infinity);
      const isKnown = this.#pool.pool.place(slotId) !== null || this.#messages.has(slotId) || inMailboxMs <= SILENT_MS_MAX;
      if (isKnown) asking.knownAtMs = nowMs;
      const unknownMs = nowMs - Math.max(asking.knownAtMs, sinceMs);
      this.#unknownMsMax = Math.max(this.#unknownMsMax, unknownMs);
      require(unknownMs <= SILENT_MS_MAX, `${slotId} waits, and the pool knows nothing of it for ${unknownMs} ms`);
    }
  }

  /** Everything has come back. */
  #checkCalm(): void {
    const { pool, mailboxes } = this.#pool;
    require(pool.ledger.slotsOut === 0, `${pool.ledger.slotsOut} slots are out, nobody runs`);
    require(pool.queueLength === 0, `${pool.queueLength} wait in the queue, nobody waits in an isolate`);
    for (const { name, lease, waiting, running } of this.#isolates) {
      require(running.size === 0, `${running.size} requests run in ${name}`);
      require([...waiting.values()].every(({ context }) => !context.isAlive), `somebody waits in ${name} for ever`);
      require(!lease.outbox.isAwaiting, `the outbox of ${name} awaits somebody for ever`);
      let isAnswered = false;
      mailboxes.collect(name, { number: Infinity, answer: () => (isAnswered = true) }, this.#queue.nowMs + this.#poolOffsetMs);
      require(isAnswered, `the mailbox of ${name} awaits somebody for ever`);
    }
  }
}

function laneOf(index: number): string {
  return `https://e${index}.example`;
}

function configured(capacities: readonly number[]): Configuration {
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const endpoints = capacities.map((capacity, index) => ({ url: laneOf(index), capacity }));
  const service = { service: "svc", endpoints, deadlineMs: DEADLINE_MS, requestDurationMsMax: REQUEST_MS_MAX };
  const classes = { gold: { weight: 8 }, bronze: { weight: 1, reserve: 0.25 } };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes } },
    { file: "services/svc.yaml", document: service },
    ...FLOWS.map((flow) => {
      const [tenant = "", className = ""] = flow.split("/");
      return {
        file: `tenants/${tenant}.yaml`,
        document: { tenant, keys: { jwks: [{ ...key, kid: tenant }] }, services: { svc: { [className]: {} } } },
      };
    }),
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return validated.configuration;
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
