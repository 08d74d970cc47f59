// The messages of one flow's sockets at one Shard object, as its bandwidth and its service time let them go. Pure; times are the object's.
//
// Promise: what leaves is paid for, to the byte, and what is paid for and has not left is less than one message. A lane's messages leave in
// order. Of lanes that wait the one that had least goes first, counted in bytes, so that one elephant among the sockets takes its turn:
// self-clocked fair queueing (S. J. Golestani, INFOCOM 1994). A message is not split: the first collects what its bytes cost over
// several renewals, and what one with less to pay takes of that meanwhile is the flow's all the same.
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import type { FlowLeft } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { Lane, type Parcel, type Side } from "./lane.ts";
import { LaneHeap } from "./lane-heap.ts";

/** Who keeps the flows of an object. */
export interface FlowKeeper {
  /** Something of it waits, is held, or is to be told. */
  wake(flow: PacedFlow, nowMs: number): void;
  /** What it is by now is another: what waits has changed. */
  touch(flow: PacedFlow): void;
  /** Then the lane is to `end`; Infinity: it is not. */
  endAt(lane: Lane, atMs: number): void;
}

export class PacedFlow {
  readonly flow: string;
  readonly credit: FlowBytes;
  readonly #keeper: FlowKeeper;
  #pace: FlowPace;
  readonly #lanes: Readonly<Record<Side, LaneHeap>> = { device: new LaneHeap(), endpoint: new LaneHeap() };
  readonly #held: Record<Side, number> = { device: 0, endpoint: 0 };
  #heldCount = 0;
  /** The tag of what left last. */
  #tag = 0;
  /** Paid for the first that waits. */
  #aside = 0;
  /** That began to wait since the last renewal. */
  #unsaid = 0;
  /** Told before they went, with the renewal that asked for them. */
  #ahead = 0;
  #messagesMs = 0;
  #blockedUntilMs = -Infinity;
  #isPumping = false;
  /** The last that was to leave could not be paid for. */
  #isShort = false;
  #isLow = false;

  constructor(pace: FlowPace, held: HeldLease, keeper: FlowKeeper) {
    this.flow = pace.flow;
    this.#pace = pace;
    this.credit = new FlowBytes(held, byteFlowOf(pace.flow), 0);
    this.#keeper = keeper;
  }

  get pace(): FlowPace {
    return this.#pace;
  }

  /** Another configuration's. What the pool said of an older one's limits says nothing of these. */
  change(pace: FlowPace): void {
    this.#pace = pace;
    this.credit.isUnlimited = false;
    if (!pace.isTimed) this.#blockedUntilMs = -Infinity;
    this.#keeper.touch(this);
  }

  /** The clock was set back by so long. */
  setBack(ms: number): void {
    this.#blockedUntilMs -= ms;
    this.#keeper.touch(this);
  }

  lane(side: Side): Lane {
    return new Lane(this, side);
  }

  /** Something waits for credit. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** Little credit is left: it is asked for before it is used up. */
  get isLow(): boolean {
    return this.#isLow;
  }

  /** Something waits, for whatever. */
  get isWaiting(): boolean {
    return this.#heldCount > 0;
  }

  /** Put aside for what waits first. */
  get asideBytes(): number {
    return this.#aside;
  }

  /** Until when service time holds back what waits for the endpoint; null: it does not. */
  blockedUntilMs(nowMs: number): number | null {
    return nowMs < this.#blockedUntilMs && this.#lanes.endpoint.first !== undefined ? this.#blockedUntilMs : null;
  }

  /** What its bytes or its time are held to has to be asked. */
  get isAsked(): boolean {
    return this.pace.bytes === "held" || this.pace.isTimed;
  }

  /** There is nothing to be told, and nothing waits. */
  get isIdle(): boolean {
    return this.credit.isIdle && this.#messagesMs === 0 && !this.isWaiting;
  }

  /** A lane's. */
  send(lane: Lane, parcel: Parcel, nowMs: number): void {
    if (this.pace.bytes !== null || this.isAsked) this.#keeper.wake(this, nowMs);
    const mayPass = lane.isEmpty && !this.#isPumping && !this.#isShort && !this.#isBlocked(lane.side, nowMs);
    if (mayPass && this.#lanes[lane.side].first === undefined && this.#pay(parcel.bytes, nowMs)) return parcel.run();
    this.#queue(lane, parcel);
    this.pump(nowMs);
  }

  /** A lane's. */
  finish(lane: Lane, run: () => void, nowMs: number): void {
    this.#keeper.wake(this, nowMs);
    this.#queue(lane, { bytes: 0, isEnd: true, run });
  }

  /** A lane's: it is to end then; Infinity: it is not. */
  endAt(lane: Lane, atMs: number): void {
    this.#keeper.endAt(lane, atMs);
  }

  /** A lane's: so much more waits, or less. */
  held(side: Side, bytes: number, count: number): void {
    this.#held[side] += bytes;
    this.#heldCount += count;
    if (this.#held.device + this.#held.endpoint === 0) this.#isShort = false;
    this.#keeper.touch(this);
  }

  /** A request of a socket's messages has ended. */
  spend(ms: number, nowMs: number): void {
    if (!this.pace.isTimed || ms <= 0) return;
    this.#messagesMs += ms;
    this.#keeper.wake(this, nowMs);
  }

  /** What may go goes. */
  pump(nowMs: number): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      this.#isShort = !this.#letGo(nowMs);
    } finally {
      this.#isPumping = false;
    }
  }

  /** What the next renewal asks for, in units of BYTE_UNIT. */
  want(elapsedMs: number, nowMs: number): number {
    // What it held goes back, and a unit that was begun ends.
    if (this.pace.bytes !== "held") {
      this.credit.forgetDemand();
      return this.credit.want(elapsedMs, nowMs);
    }
    const waiting = this.#waitingBytes(nowMs);
    if (this.#isShort && waiting > 0) this.credit.lack(Math.max(1, waiting - this.#aside), Math.min(this.#unsaid, waiting));
    this.#unsaid = 0;
    this.#isLow = false;
    return this.credit.want(elapsedMs, nowMs);
  }

  /** The pool's word, in answer to a renewal that named the flow. */
  apply(left: FlowLeft | undefined, nowMs: number): void {
    this.credit.isUnlimited = typeof left?.bytes !== "number";
    this.#blockedUntilMs = nowMs + (left?.blockedMs ?? 0);
  }

  /** The answer does not suffice: what came is put aside for what waits first. Kept in the lease it would end with it, and the bucket would not fill for it. */
  putAside(nowMs: number): void {
    if (this.#isShort) this.#aside += this.credit.take(this.credit.left(nowMs), nowMs);
  }

  /** Nothing more comes for now. */
  rest(nowMs: number): void {
    this.credit.endUnit(nowMs);
    this.credit.count(this.#takeCount());
  }

  /** What was measured since the last time, handed over, with what waits and is asked for: one call for a lone message. Null: nothing. */
  take(nowMs: number): FlowTelemetry | null {
    const count = this.#takeCount();
    const ahead = this.#isShort ? Math.max(0, this.#waitingBytes(nowMs) - this.#aside - this.#ahead) : 0;
    this.#ahead += ahead;
    const telemetry = this.#telemetryOf(count + ahead);
    this.#messagesMs = 0;
    return telemetry;
  }

  /** What was measured and is to be told. Null: nothing. */
  get untold(): FlowTelemetry | null {
    return this.#telemetryOf(Math.max(0, this.credit.unreported - this.#ahead));
  }

  /** Puts back what did not arrive. */
  restore({ bytes = 0, messagesMs = 0 }: FlowTelemetry): void {
    this.credit.count(bytes);
    this.#messagesMs += messagesMs;
  }

  /** False: what is next cannot be paid for. */
  #letGo(nowMs: number): boolean {
    for (let lane = this.#next(nowMs); lane !== undefined; lane = this.#next(nowMs)) {
      if (!this.#pay(lane.bytesFirst, nowMs)) return false;
      this.#tag = lane.tag;
      this.#lanes[lane.side].pop();
      const parcel = lane.shift();
      if (!lane.isEmpty) this.#enter(lane);
      parcel?.run();
    }
    return true;
  }

  #telemetryOf(bytes: number): FlowTelemetry | null {
    const messagesMs = this.#messagesMs;
    if (bytes + messagesMs === 0) return null;
    const nothing = { arrivals: 0, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0 };
    return { flow: this.flow, ...nothing, ...(bytes > 0 && { bytes }), ...(messagesMs > 0 && { messagesMs }) };
  }

  /** Of what went, that which was not told ahead. */
  #takeCount(): number {
    const bytes = this.credit.takeCount();
    const ahead = Math.min(bytes, this.#ahead);
    this.#ahead -= ahead;
    return bytes - ahead;
  }

  #isBlocked(side: Side, nowMs: number): boolean {
    return side === "endpoint" && nowMs < this.#blockedUntilMs;
  }

  #waitingBytes(nowMs: number): number {
    return this.#held.device + (this.#isBlocked("endpoint", nowMs) ? 0 : this.#held.endpoint);
  }

  /** The lane that is next. */
  #next(nowMs: number): Lane | undefined {
    const toDevice = this.#lanes.device.first;
    const toEndpoint = this.#isBlocked("endpoint", nowMs) ? undefined : this.#lanes.endpoint.first;
    if (toDevice === undefined || toEndpoint === undefined) return toDevice ?? toEndpoint;
    return toDevice.tag <= toEndpoint.tag ? toDevice : toEndpoint;
  }

  #queue(lane: Lane, parcel: Parcel): void {
    const wasEmpty = lane.isEmpty;
    lane.push(parcel);
    this.#unsaid += parcel.bytes;
    if (wasEmpty && !lane.isQueued) this.#enter(lane);
  }

  #enter(lane: Lane): void {
    lane.tag = Math.max(this.#tag, lane.tag) + lane.bytesFirst;
    this.#lanes[lane.side].push(lane);
  }

  #pay(bytes: number, nowMs: number): boolean {
    if (bytes === 0) return true;
    if (this.pace.bytes !== "held" || this.credit.isUnlimited) {
      if (this.pace.bytes !== null) this.credit.count(bytes);
      return true;
    }
    const aside = Math.min(this.#aside, bytes);
    if (this.credit.left(nowMs) < bytes - aside) return false;
    this.credit.take(bytes - aside, nowMs);
    this.#aside -= aside;
    this.#isLow ||= this.credit.isLow;
    return true;
  }
}
