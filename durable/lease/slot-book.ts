// What is out, in flows and in lanes: leased and held by holders, named by sockets and queued requests. It keeps the sums
// and when the next of them ends by time alone; what may be promised is the ledger's business.
import { assert } from "#shared/assert.ts";
import { DueTimes } from "./due-times.ts";
import { FlowTotals } from "./flow-totals.ts";
import { nextChangeMs, slotsBy, type HolderRecord } from "./holder-record.ts";
import { LaneTotals } from "./lane-totals.ts";
import type { LedgerPolicy } from "./lease-policy.ts";
import type { ChangedKeys } from "./lease-rows.ts";
import { NamedSlots, type NamedSlot, type SlotBlock } from "./named-slots.ts";
import { holderContributions, holderKey, queueKey, slotContribution, slotKey } from "./sources.ts";

export interface SlotCounts {
  readonly holders: number;
  /** Of sockets. */
  readonly durable: number;
  /** Given to requests that waited, and out. */
  readonly queued: number;
  /** Used by requests and sockets, as last heard. */
  readonly inUse: number;
}

interface Expiring {
  readonly endsAtMs: (record: HolderRecord) => number;
  /** What the holder counts for is about to change. */
  readonly changing: (record: HolderRecord) => void;
}

export class SlotBook {
  readonly holders = new Map<string, HolderRecord>();
  readonly slots = new NamedSlots();
  readonly totals: FlowTotals;
  readonly lanes = new LaneTotals();
  /** By slot, the one that is in its place. */
  readonly #successors = new Map<string, string>();
  readonly #waiting = new Map<string, number>();
  #waitingCount = 0;
  readonly #changed: ChangedKeys;
  #policy: LedgerPolicy;
  /** When each counts for less, or ends, by time alone. */
  readonly #holderTimes = new DueTimes();
  readonly #slotTimes = new DueTimes();
  readonly #blockTimes = new DueTimes();

  constructor(policy: LedgerPolicy, changed: ChangedKeys) {
    this.#policy = policy;
    this.#changed = changed;
    this.totals = new FlowTotals(policy);
  }

  get nextChangeMs(): number {
    return Math.min(this.#holderTimes.nextMs, this.#slotTimes.nextMs, this.#blockTimes.nextMs);
  }

  get counts(): SlotCounts {
    const { holders, slots, totals } = this;
    return { holders: holders.size, durable: slots.durableCount, queued: slots.queuedCount, inUse: totals.running };
  }

  get slotsFree(): number {
    return Math.max(0, this.#policy.capacity - this.totals.slots);
  }

  slotsFreeIn(lane: string): number {
    return Math.max(0, (this.#policy.lanes.get(lane) ?? 0) - this.lanes.slotsOf(lane));
  }

  /** How far the flow is from its own limit. */
  roomOf(flow: string): number {
    return Math.max(0, this.#policy.flow(flow).slotsMax - this.totals.slotsOf(flow));
  }

  /** Whether the flow's class has less than is reserved for it: of those who wait, such go first of all. */
  isBelowReserve(flow: string): boolean {
    return this.totals.isBelowReserve(flow) && this.roomOf(flow) > 0;
  }

  /** Whether the flow has fewer slots than its share: such go next. */
  isBelowShare(flow: string): boolean {
    return this.totals.slotsLackOf(flow) > 0 && this.roomOf(flow) > 0;
  }

  /** How many slots it has less than its share. */
  roomInShare(flow: string): number {
    return Math.min(this.totals.slotsLackOf(flow), this.roomOf(flow));
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  hasWaiting(flow: string): boolean {
    return this.#waiting.has(flow);
  }

  setWaiting(flow: string, count: number): void {
    const before = this.#waiting.get(flow) ?? 0;
    if (before === count) return;
    this.#waitingCount += count - before;
    if (count === 0) this.#waiting.delete(flow);
    else this.#waiting.set(flow, count);
    const waiting = { flow, slots: 0, running: 0, want: count, pinned: 0, tokensWant: 0, tokensOut: 0 };
    this.totals.replace(queueKey(flow), count === 0 ? [] : [waiting]);
  }

  configure(policy: LedgerPolicy, nowMs: number): void {
    const isSameEnd =
      policy.requestDurationMsMax === this.#policy.requestDurationMsMax && policy.lentDurationMsMax === this.#policy.lentDurationMsMax;
    this.#policy = policy;
    this.totals.configure(policy);
    if (!isSameEnd) for (const record of this.holders.values()) this.#watchHolder(record, nowMs);
  }

  putHolder(record: HolderRecord, nowMs: number): void {
    const at = { nowMs, policy: this.#policy };
    const slotsOf = slotsBy(record, at);
    const source = holderKey(record.holder);
    this.holders.set(record.holder, record);
    this.totals.replace(source, holderContributions(record, at));
    this.lanes.replace(
      source,
      record.lanes.map((lane) => ({ lane: lane.lane, slots: slotsOf(lane), running: lane.running })),
    );
    this.#watchHolder(record, nowMs);
  }

  dropHolder(holder: string): void {
    this.holders.delete(holder);
    this.#holderTimes.delete(holder);
    this.totals.replace(holderKey(holder), []);
    this.lanes.replace(holderKey(holder), []);
    this.#changed.holder(holder);
  }

  putSlot(slot: NamedSlot, nowMs: number): void {
    const block = this.slots.put(slot, nowMs);
    if (block !== null) {
      this.#changed.block(block);
      this.#blockTimes.put(block, this.slots.blocks.get(block)?.untilMs ?? Infinity);
    }
    if (slot.isDurable) this.#changed.slot(slot.slotId);
    if (slot.inPlaceOf !== undefined) this.#successors.set(slot.inPlaceOf, slot.slotId);
    this.#countSlot(slot);
    // From disk the two come in any order.
    const successor = this.slots.get(this.#successors.get(slot.slotId) ?? "");
    if (successor !== undefined) this.#countSlot(successor);
  }

  /** Whether a slot may be put in a socket's place: in the same flow and lane, which has not more than it may. Then nothing grows. */
  mayTakePlace({ inPlaceOf = "", flow, lane, device }: Pick<NamedSlot, "inPlaceOf" | "flow" | "lane" | "device">): boolean {
    const before = this.slots.get(inPlaceOf);
    if (before === undefined || !before.isDurable || before.expiresAtMs !== null) return false;
    if (before.flow !== flow || before.lane !== lane || before.device !== device) return false;
    const isOver = this.lanes.slotsOf(lane) > (this.#policy.lanes.get(lane) ?? 0) || this.totals.slots > this.#policy.capacity;
    return !isOver && before.inPlaceOf === undefined && !this.#successors.has(inPlaceOf);
  }

  restoreBlock(key: string, block: SlotBlock): void {
    for (const slot of this.slots.restoreBlock(block)) this.#countSlot(slot);
    this.#blockTimes.put(key, block.untilMs);
  }

  dropSlot(slotId: string): void {
    const slot = this.slots.drop(slotId);
    assert(slot !== undefined, "a slot is freed once");
    this.#slotTimes.delete(slotId);
    this.totals.replace(slotKey(slotId), []);
    this.lanes.replace(slotKey(slotId), []);
    this.slots.sockets.memory.drop(slotId);
    if (slot.isDurable) this.#changed.slot(slotId);
    if (slot.inPlaceOf !== undefined && this.#successors.get(slot.inPlaceOf) === slotId) this.#successors.delete(slot.inPlaceOf);
    const successor = this.slots.get(this.#successors.get(slotId) ?? "");
    this.#successors.delete(slotId);
    if (successor === undefined) return;
    // In the same step, so that what this one had is nobody's meanwhile.
    this.#countSlot(this.slots.takePlace(successor));
    this.#changed.slot(successor.slotId);
  }

  /** Forgets what ended by `nowMs`, and counts anew what counts for less. How many slots came back so. */
  expire(nowMs: number, expiring: Expiring): number {
    const slotCount = this.#expireSlots(nowMs);
    for (const key of this.#blockTimes.take(nowMs)) if (this.slots.endBlock(key)) this.#changed.block(key);
    return slotCount + this.#expireHolders(nowMs, expiring);
  }

  #expireSlots(nowMs: number): number {
    let count = 0;
    for (const slotId of this.#slotTimes.take(nowMs)) {
      const slot = this.slots.get(slotId);
      // Handed over meanwhile, to somebody who has no end.
      if (slot === undefined || slot.expiresAtMs === null) continue;
      // Without an owner it only stood for names that a restart has lost.
      if (slot.owner !== "") count += 1;
      this.dropSlot(slotId);
    }
    return count;
  }

  #expireHolders(nowMs: number, { endsAtMs, changing }: Expiring): number {
    let count = 0;
    for (const holder of this.#holderTimes.take(nowMs)) {
      const record = this.holders.get(holder);
      if (record === undefined) continue;
      changing(record);
      if (endsAtMs(record) > nowMs) this.putHolder(record, nowMs);
      else {
        for (const { running } of record.flows) count += running;
        this.dropHolder(record.holder);
      }
    }
    return count;
  }

  #countSlot(slot: NamedSlot): void {
    const isOneWithAnother = slot.inPlaceOf !== undefined && this.slots.get(slot.inPlaceOf) !== undefined;
    const lane = { lane: slot.lane, slots: 1, running: slot.owner === "" ? 0 : 1 };
    this.totals.replace(slotKey(slot.slotId), isOneWithAnother ? [] : [slotContribution(slot)]);
    this.lanes.replace(slotKey(slot.slotId), isOneWithAnother ? [] : [lane]);
    this.slots.sockets.memory.put(slot, isOneWithAnother);
    this.#slotTimes.put(slot.slotId, slot.expiresAtMs ?? Infinity);
  }

  /** Where all of it is over, it is looked at once more, and forgotten. */
  #watchHolder(record: HolderRecord, nowMs: number): void {
    const changesAtMs = nextChangeMs(record, this.#policy, nowMs);
    this.#holderTimes.put(record.holder, changesAtMs === Infinity ? nowMs : changesAtMs);
  }
}
