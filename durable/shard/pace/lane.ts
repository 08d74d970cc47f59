import { payloadBytes, type Payload } from "#shared/resume/frames.ts";
import type { PacedFlow } from "./paced-flow.ts";

/** To whom. */
export type Side = "device" | "endpoint";

/** What waits for its turn. */
export interface Parcel {
  readonly bytes: number;
  /** It is no message: it comes after those before it, or when they are waited for no more. */
  readonly isEnd?: boolean;
  /** Of a message that has a number. */
  readonly sequence?: number;
  /** It leaves. Must not throw. */
  readonly run: () => void;
}

/** One direction of one socket, in order. */
export class Lane {
  readonly side: Side;
  /** When its first parcel would have left if all lanes of the flow took turns byte by byte: in bytes of each. */
  tag = 0;
  /** It is among those of its flow that wait. */
  isQueued = false;
  /** Told of each change in how many bytes wait. */
  onHeld: ((change: number) => void) | null = null;
  readonly #flow: PacedFlow;
  #parcels: Parcel[] = [];
  #bytes = 0;
  #endsAtMs = Infinity;

  constructor(flow: PacedFlow, side: Side) {
    this.#flow = flow;
    this.side = side;
  }

  get isEmpty(): boolean {
    return this.#parcels.length === 0;
  }

  get count(): number {
    return this.#parcels.length;
  }

  /** That wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of the first parcel. */
  get bytesFirst(): number {
    return this.#parcels[0]?.bytes ?? 0;
  }

  /** What waits here waits for its flow's service time. */
  isBlocked(nowMs: number): boolean {
    return this.side === "endpoint" && this.#flow.blockedUntilMs(nowMs) !== null;
  }

  /** Now, if nothing waits that goes first and it is paid for; else in its turn. */
  send(parcel: Parcel, nowMs: number): void {
    this.#flow.send(this, parcel, nowMs);
  }

  /** After all that waits, or in so long without what waits still. */
  finish(run: () => void, { nowMs, withinMs }: { readonly nowMs: number; readonly withinMs: number }): void {
    if (this.isEmpty) return run();
    this.#flow.finish(this, run, nowMs);
    this.#setEnd(Math.min(this.#endsAtMs, nowMs + withinMs));
  }

  /** What waits still is waited for no more: it is dropped, and what was to come after it comes. */
  end(): void {
    const ends = this.#parcels.filter(({ isEnd }) => isEnd === true);
    this.clear();
    for (const { run } of ends) run();
  }

  /** The clock was set back by so long. */
  setBack(ms: number): void {
    this.#setEnd(this.#endsAtMs - ms);
  }

  /** What waits is dropped. */
  clear(): void {
    const count = this.#parcels.length;
    this.#parcels = [];
    this.#setEnd(Infinity);
    this.#hold(-this.#bytes, -count);
  }

  /** Messages up to this number need not be sent. */
  dropThrough(sequence: number): void {
    const dropped = this.#parcels.filter((parcel) => (parcel.sequence ?? Infinity) <= sequence);
    if (dropped.length === 0) return;
    this.#parcels = this.#parcels.filter((parcel) => (parcel.sequence ?? Infinity) > sequence);
    this.#hold(-dropped.reduce((sum, { bytes }) => sum + bytes, 0), -dropped.length);
  }

  /** Its flow's. */
  push(parcel: Parcel): void {
    this.#parcels.push(parcel);
    this.#hold(parcel.bytes, 1);
  }

  /** Its flow's: the first one leaves. */
  shift(): Parcel | undefined {
    const parcel = this.#parcels.shift();
    if (this.isEmpty) this.#setEnd(Infinity);
    if (parcel !== undefined) this.#hold(-parcel.bytes, -1);
    return parcel;
  }

  #setEnd(atMs: number): void {
    if (atMs === this.#endsAtMs) return;
    this.#endsAtMs = atMs;
    this.#flow.endAt(this, atMs);
  }

  #hold(bytes: number, count: number): void {
    if (count === 0) return;
    this.#bytes += bytes;
    this.#flow.held(this.side, bytes, count);
    if (bytes !== 0) this.onHeld?.(bytes);
  }
}

/** What a message costs: its payload, and an empty one something, since whatever waits has to be seen. */
export function costOf(payload: Payload): number {
  return Math.max(1, payloadBytes(payload));
}
