// What a Shard object holds of its service's pool: byte credit for the messages of its sockets, and the word on their service time. Pure; times
// are the object's. It is a holder like an isolate, of flows without slots: docs/design/leases.md.
import { GAP_MS_MAX, LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease, type FlowDemand } from "#shared/lease/held-lease.ts";
import type { FlowReport } from "#shared/protocol/lease.ts";
import type { RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { ActiveFlows } from "./active-flows.ts";
import { PacedFlow, type FlowKeeper } from "./paced-flow.ts";

/** So long after the last message what is held goes back, and what was measured is told: its object is awake still. */
const LINGER_MS = SECOND_MS;
/** Renewals that something sets off are at least so far apart … */
const SPACING_MS_MIN = SECOND_MS / 4;
/** … and twice as far after each that brought nothing, up to that. */
const SPACING_MS_MAX = SECOND_MS;
/** Service time is told, and asked about, so often while messages pass: it holds back what comes only once it is known. */
const TELL_TIME_MS = SECOND_MS;
/** A renewal without an answer for so long is given up … */
const PATIENCE_MS_MIN = 2 * SECOND_MS;
/** … and the next after twice the time, up to the longest lease: an answer that comes later than its lease ends brings nothing. */
const PATIENCE_MS_MAX = LEASE_MS_MAX - GAP_MS_MAX;
/** A pool is given so many times what its last answer took. */
const PATIENCE_FACTOR = 2;
/** While messages pass or wait: an object in which something waits must not fall asleep, which it does after ten seconds. */
const RENEW_MS_MAX = 5 * SECOND_MS;
/** Flows of one Shard object: more than it takes sockets. Of those beyond nothing is held back. */
const FLOWS_MAX = 32_768;
/** Flows of one renewal, each named twice, beside what those of the one before give back: a pool takes no more names of one holder. */
const ASKED_MAX = 2_048;

export class ShardLease {
  readonly #held: HeldLease;
  readonly #onActive: () => void;
  readonly #flows = new Map<string, PacedFlow>();
  readonly #active = new ActiveFlows();
  readonly #keeper: FlowKeeper = {
    wake: (flow, nowMs) => this.#wake(flow, nowMs),
    touch: (flow) => this.#active.touch(flow),
    endAt: (lane, atMs) => this.#active.endAt(lane, atMs),
  };
  /** In the newest renewal. */
  #asked: ReadonlySet<PacedFlow> = new Set();
  #service = "";
  #version = 0;
  #tableVersion = 0;
  #sequence = 0;
  /** Since when something has been active, and when something last was. */
  #sinceMs = -Infinity;
  #activeAtMs = -Infinity;
  #seenMs = -Infinity;
  #sentAtMs = -Infinity;
  #renewingUntilMs = -Infinity;
  #patienceMs = PATIENCE_MS_MIN;
  #renewAfterMs = RENEW_MS_MAX;
  #spacingMs = SPACING_MS_MIN;

  /** `holder`: of one life of one object, never used again. `onActive`: there may be something to do sooner than `nextAtMs` has said. */
  constructor(holder: string, onActive: () => void) {
    this.#held = new HeldLease(holder);
    this.#onActive = onActive;
  }

  /** What a connection that opens was told of its flow by the configuration; false: nothing new. */
  note(service: string, pace: FlowPace): boolean {
    const known = this.#flows.get(pace.flow);
    // Of nothing that was ever limited nothing is kept.
    if (known === undefined && pace.bytes === null && !pace.isTimed) return false;
    this.#service = service;
    this.#version = Math.max(this.#version, pace.version);
    if (known === undefined) {
      if (this.#flows.size >= FLOWS_MAX) return false;
      this.#flows.set(pace.flow, new PacedFlow(pace, this.#held, this.#keeper));
      return true;
    }
    if (pace.version <= known.pace.version) return false;
    const isSame = pace.bytes === known.pace.bytes && pace.isTimed === known.pace.isTimed;
    known.change(pace);
    // What waits may go now, though nothing else is due.
    if (!isSame && known.isWaiting) this.#onActive();
    return !isSame;
  }

  /** Flows of which something is limited, or counted. */
  *limited(): Iterable<string> {
    for (const { flow, pace } of this.#flows.values()) if (pace.bytes !== null || pace.isTimed) yield flow;
  }

  get isEmpty(): boolean {
    return this.#flows.size === 0;
  }

  /** Undefined: nothing of it is limited, or counted. */
  find(flow: string): PacedFlow | undefined {
    return this.#flows.size === 0 ? undefined : this.#flows.get(flow);
  }

  /** When `step` has something to do, if nothing comes before; Infinity: never. */
  nextAtMs(nowMs: number): number {
    return Math.min(this.#active.dueAtMs(nowMs), nowMs < this.#renewingUntilMs ? this.#renewingUntilMs : this.#renewAtMs(nowMs));
  }

  /** Does what is due by now. Returns the renewal to send; null: none is due. */
  step(nowMs: number): RenewMessage | null {
    this.#see(nowMs);
    this.#active.step(nowMs);
    if (this.#isQuiet(nowMs)) {
      for (const flow of this.#active) flow.rest(nowMs);
      this.#forget(this.#active, nowMs);
    }
    return nowMs < this.#renewingUntilMs || nowMs < this.#renewAtMs(nowMs) ? null : this.#message(nowMs);
  }

  apply(answer: RenewAnswer, nowMs: number): void {
    this.#see(nowMs);
    const { lease, table, left, configurationVersion } = answer;
    if (table !== null) this.#tableVersion = table.version;
    this.#version = Math.max(this.#version, configurationVersion);
    if (lease.sequence === this.#sequence) {
      this.#renewingUntilMs = -Infinity;
      this.#patienceMs = patienceOf(nowMs - this.#sentAtMs);
    }
    if (!lease.ok) this.#spacingMs = Math.min(SPACING_MS_MAX, 2 * this.#spacingMs);
    if (!this.#held.apply(lease, nowMs) || !lease.ok) return;
    this.#renewAfterMs = lease.renewAfterMs;
    const leftOf = new Map(left.map((one) => [one.flow, one]));
    // Of one that has been limited since it was asked for the pool has said nothing yet.
    for (const flow of this.#asked) if (configurationVersion >= flow.pace.version) flow.apply(leftOf.get(flow.flow), nowMs);
    // What has waited leaves now: what follows it is not asked for as if all had been silent since it came.
    if (this.#active.isWaiting(nowMs)) this.#activeAtMs = nowMs;
    this.#active.stepAll(nowMs);
    let isShort = false;
    for (const flow of this.#active) {
      flow.putAside(nowMs);
      isShort ||= flow.isShort;
    }
    const isInVain = isShort && lease.flows.every(({ tokens }) => tokens === 0);
    this.#spacingMs = isInVain ? Math.min(SPACING_MS_MAX, 2 * this.#spacingMs) : SPACING_MS_MIN;
  }

  /** No answer came. */
  failed({ lease, telemetry }: RenewMessage, nowMs: number): void {
    this.#see(nowMs);
    for (const told of telemetry.flows) this.#flows.get(told.flow)?.restore(told);
    if (lease.sequence !== this.#sequence) return;
    this.#renewingUntilMs = -Infinity;
    this.#sentAtMs = nowMs;
    this.#spacingMs = Math.min(SPACING_MS_MAX, 2 * this.#spacingMs);
  }

  /** A clock that was set back: what was planned by it comes when it would have come. */
  #see(nowMs: number): void {
    const backMs = this.#seenMs - nowMs;
    this.#seenMs = nowMs;
    if (backMs <= 0) return;
    this.#sinceMs -= backMs;
    this.#activeAtMs -= backMs;
    this.#sentAtMs -= backMs;
    this.#renewingUntilMs -= backMs;
    for (const flow of this.#flows.values()) flow.setBack(backMs);
    this.#active.setBack(backMs);
  }

  #wake(flow: PacedFlow, nowMs: number): void {
    this.#see(nowMs);
    if (this.#active.size === 0) this.#sinceMs = nowMs;
    this.#active.add(flow);
    this.#activeAtMs = nowMs;
    this.#onActive();
  }

  #isQuiet(nowMs: number): boolean {
    return nowMs >= this.#activeAtMs + LINGER_MS && !this.#active.isWaiting(nowMs);
  }

  #renewAtMs(nowMs: number): number {
    if (this.#active.size === 0) return Infinity;
    if (this.#active.isHungry(nowMs)) return Math.max(nowMs, this.#sentAtMs + this.#spacingMs);
    const tellMs = this.#active.isTimed(nowMs) ? TELL_TIME_MS : Infinity;
    const atMs = Math.max(this.#sinceMs, this.#sentAtMs) + Math.min(RENEW_MS_MAX, this.#renewAfterMs, tellMs);
    const lingerMs = this.#active.isWaiting(nowMs) ? Infinity : this.#activeAtMs + LINGER_MS;
    return Math.max(this.#sentAtMs + SPACING_MS_MIN, Math.min(atMs, lingerMs));
  }

  /** Those of which nothing waits, is held, or is to be told. */
  #forget(flows: Iterable<PacedFlow>, nowMs: number): void {
    for (const flow of flows) if (flow.isIdle && this.#held.tokens(byteFlowOf(flow.flow), nowMs) === 0) this.#active.delete(flow);
  }

  /** Those whose turn it is. Where they are more than a renewal takes, the others give back what they have. */
  #turn(nowMs: number): readonly PacedFlow[] {
    const flows = [...this.#active];
    if (flows.length <= ASKED_MAX) return flows;
    for (const flow of flows.splice(ASKED_MAX)) flow.rest(nowMs);
    for (const flow of flows) this.#active.requeue(flow);
    return flows;
  }

  #message(nowMs: number): RenewMessage {
    const isQuiet = this.#isQuiet(nowMs);
    const elapsedMs = this.#sentAtMs === -Infinity ? SECOND_MS : nowMs - this.#sentAtMs;
    // Nobody has answered the last one.
    if (this.#renewingUntilMs !== -Infinity) this.#patienceMs = patienceOf(this.#patienceMs);
    this.#sentAtMs = nowMs;
    this.#renewingUntilMs = nowMs + this.#patienceMs;
    const flows = this.#turn(nowMs);
    const asked = flows.filter((flow) => flow.isAsked);
    const demands: FlowDemand[] = [];
    const told: FlowTelemetry[] = [];
    for (const flow of flows) {
      if (isQuiet) flow.credit.forgetDemand();
      const tokensWant = flow.want(elapsedMs, nowMs);
      if (tokensWant > 0) demands.push({ flow: byteFlowOf(flow.flow), want: 0, tokensWant });
      const telemetry = flow.take(nowMs);
      if (telemetry !== null) told.push(telemetry);
    }
    const request = this.#held.request({ flows: demands, lanes: [] }, nowMs);
    this.#sequence = request.sequence;
    this.#asked = new Set(asked);
    const wanting = new Set(demands.map(({ flow }) => flow));
    this.#forget(
      [...this.#active].filter(({ flow }) => !wanting.has(byteFlowOf(flow))),
      nowMs,
    );
    this.#active.learnAll(nowMs);
    return {
      service: this.#service,
      configurationVersion: this.#version,
      tableVersion: this.#tableVersion,
      // Named so that the answer says what is left of their limits.
      lease: { ...request, flows: [...request.flows, ...asked.map(({ flow }): FlowReport => ({ flow, ...NOTHING }))] },
      telemetry: { flows: told, shards: [], edge: {} },
    };
  }
}

/** After one that took so long. */
function patienceOf(tookMs: number): number {
  return Math.min(PATIENCE_MS_MAX, Math.max(PATIENCE_MS_MIN, PATIENCE_FACTOR * tookMs));
}

const NOTHING = { want: 0, running: 0, keep: 0, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 } as const;
