// A flow's byte credit at one holder: units of the lease, spent in both directions by the bodies of its requests in an isolate, or by the
// messages of its sockets in a Shard object. Pure; times are the holder's.
import { BYTE_UNIT } from "./byte-flow.ts";
import type { HeldLease } from "./held-lease.ts";
import { TokenMeter } from "./token-meter.ts";

/** With less than this part of the last grant left, the next is asked for. */
const LOW_RATIO = 0.25;
/** What a flow that begins asks for before anything is known of it. */
const BEGIN_UNITS = 16;
const HUNGER_MAX = 1_000;
/** Of the ledger: durable/lease/divide.ts. */
const UNITS_MAX = 2 ** 26;

export class FlowBytes {
  /** The pool's word. */
  isUnlimited = false;
  readonly #held: HeldLease;
  readonly #byteFlow: string;
  readonly #beginUnits: number;
  #meter = new TokenMeter();
  /** Of the first unit that is held, so many bytes are gone: it counts as held until it is spent whole. */
  #used = 0;
  #units = 0;
  #granted = 0;
  #lacked = 0;
  /** Renewals that brought nothing while something waited: of a bandwidth of few units a second the longest without one is next. */
  #hunger = 0;
  #isNew = true;
  #unreported = 0;

  /** `beginUnits`: what is asked for before anything is known, if less waits. */
  constructor(held: HeldLease, byteFlow: string, beginUnits = BEGIN_UNITS) {
    this.#held = held;
    this.#byteFlow = byteFlow;
    this.#beginUnits = beginUnits;
  }

  get isIdle(): boolean {
    return this.#used === 0 && this.#lacked === 0 && this.#unreported === 0;
  }

  /** Bytes that may go now. */
  left(nowMs: number): number {
    return Math.max(0, this.#held.tokens(this.#byteFlow, nowMs) * BYTE_UNIT - this.#used);
  }

  /** Takes up to so many bytes; how many. */
  take(bytes: number, nowMs: number): number {
    if (this.isUnlimited) {
      this.count(bytes);
      return bytes;
    }
    const units = this.#held.tokens(this.#byteFlow, nowMs);
    if (units > this.#units) this.#granted = units;
    // The unit that was begun has ended with its lease.
    if (units === 0) this.#used = 0;
    const taken = Math.min(bytes, units * BYTE_UNIT - this.#used);
    const used = this.#used + taken;
    this.#units = units - this.#held.spend(this.#byteFlow, Math.floor(used / BYTE_UNIT), nowMs);
    this.#used = used % BYTE_UNIT;
    this.#meter.spend(taken / BYTE_UNIT);
    if (taken > 0) this.#hunger = 0;
    this.#unreported += taken;
    return taken;
  }

  /** Little is left: renew soon. */
  get isLow(): boolean {
    return this.#units < LOW_RATIO * this.#granted;
  }

  /** Went without credit: a limit in shadow. */
  count(bytes: number): void {
    this.#unreported += bytes;
  }

  /** So many wait for credit; each is said once a renewal. `unsaid`: of those the ones that no renewal before was told of. */
  lack(bytes: number, unsaid = bytes): void {
    this.#lacked += bytes;
    this.#meter.lack(unsaid / BYTE_UNIT);
  }

  /** Units to ask for until the renewal after the next. 0: what is held goes back, a unit that was begun as spent. */
  want(elapsedMs: number, nowMs: number): number {
    const expected = this.#isNew ? this.#beginUnits : this.#meter.want(elapsedMs);
    if (this.#lacked > 0) this.#hunger = Math.min(HUNGER_MAX, this.#hunger + 1);
    const want = Math.min(UNITS_MAX, Math.ceil(Math.max(expected, this.#lacked / BYTE_UNIT) * (1 + this.#hunger)));
    this.#isNew = false;
    this.#lacked = 0;
    if (want === 0) this.endUnit(nowMs);
    return want;
  }

  /** Nothing more comes for now: a unit that was begun is as good as spent. */
  endUnit(nowMs: number): void {
    if (this.#used > 0) this.#held.spend(this.#byteFlow, 1, nowMs);
    this.#used = 0;
  }

  /** What came before is no reason to want anything. */
  forgetDemand(): void {
    this.#meter = new TokenMeter();
    this.#isNew = false;
  }

  /** Bytes since they were handed over. */
  get unreported(): number {
    return this.#unreported;
  }

  /** Bytes since the last time, handed over. */
  takeCount(): number {
    const bytes = this.#unreported;
    this.#unreported = 0;
    return bytes;
  }
}
