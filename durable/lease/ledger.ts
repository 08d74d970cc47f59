// Who holds which slot, on which shard, until when. Pure: no clock, no storage; the same calls in the same
// order give the same ledger. A shell writes every change down before it promises anything.
//
// Promises, checked by `checkLedger` after every step of the property test:
// - a shard never grants beyond its size, nor an endpoint beyond its capacity;
// - a slot has one owner; acquiring the same id again gives the same slot; a stale release frees nothing;
// - a slot with an expiry is free again once that is past.
import { assert } from "#shared/assert.ts";

export interface Slot {
  readonly slotId: string;
  readonly shardId: string;
  readonly holder: string;
  readonly flow: string;
  readonly kind: "request" | "socket";
  readonly acquiredAtMs: number;
  /** Null: kept for the life of a socket, owned by its Shard object. */
  readonly expiresAtMs: number | null;
}

/** A slice of one endpoint. A draining shard grants nothing and ends with its last slot. */
export interface LedgerShard {
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly size: number;
  readonly state: "active" | "draining";
}

export interface AcquireInput {
  readonly slotId: string;
  readonly shardId: string;
  readonly holder: string;
  readonly flow: string;
  readonly kind: Slot["kind"];
  readonly nowMs: number;
  readonly expiresAtMs: number;
}

export class SlotLedger {
  readonly #shards = new Map<string, LedgerShard>();
  #shardList: readonly LedgerShard[] = [];
  readonly #slots = new Map<string, Slot>();
  readonly #inUseByShard = new Map<string, number>();
  readonly #inUseByEndpoint = new Map<string, number>();
  #capacityByEndpoint: ReadonlyMap<string, number> = new Map();

  /** Replaces shards and capacities. Slots stay; a shard that holds some may not be left out. */
  configure(shards: readonly LedgerShard[], capacityByEndpoint: ReadonlyMap<string, number>): void {
    this.#shardList = [...shards];
    this.#shards.clear();
    for (const shard of shards) this.#shards.set(shard.shardId, shard);
    for (const [shardId, inUse] of this.#inUseByShard)
      assert(inUse === 0 || this.#shards.has(shardId), "a shard with slots in use stays until it is drained");
    this.#capacityByEndpoint = capacityByEndpoint;
  }

  /** Puts back a slot from disk. */
  restore(slot: Slot): void {
    assert(this.#shards.has(slot.shardId), "a slot on disk has its shard on disk");
    this.#put(slot);
  }

  get shards(): readonly LedgerShard[] {
    return this.#shardList;
  }

  get slots(): readonly Slot[] {
    return [...this.#slots.values()];
  }

  slot(slotId: string): Slot | undefined {
    return this.#slots.get(slotId);
  }

  inUse(shardId: string): number {
    return this.#inUseByShard.get(shardId) ?? 0;
  }

  /** Whether the shard could grant one more slot now. */
  hasRoom(shardId: string): boolean {
    const shard = this.#shards.get(shardId);
    if (shard === undefined || shard.state !== "active") return false;
    const { endpointUrl, size } = shard;
    return this.inUse(shardId) < size && (this.#inUseByEndpoint.get(endpointUrl) ?? 0) < (this.#capacityByEndpoint.get(endpointUrl) ?? 0);
  }

  /** Grants a slot on a shard with room. The caller has asked `slot(slotId)` for a repeated request first. */
  acquire(input: AcquireInput): Slot {
    assert(this.hasRoom(input.shardId), "a slot is granted only where there is room");
    assert(!this.#slots.has(input.slotId), "a slot is granted once");
    const slot: Slot = {
      slotId: input.slotId,
      shardId: input.shardId,
      holder: input.holder,
      flow: input.flow,
      kind: input.kind,
      acquiredAtMs: input.nowMs,
      expiresAtMs: input.expiresAtMs,
    };
    this.#put(slot);
    return slot;
  }

  /** Frees the holder's slot; undefined where it is not there or not the holder's: a stale release. */
  release(slotId: string, holder: string): Slot | undefined {
    const slot = this.#slots.get(slotId);
    if (slot === undefined || slot.holder !== holder) return undefined;
    this.#drop(slot);
    return slot;
  }

  /** Moves the holder's slot's expiry ahead, never back. */
  extend(slotId: string, holder: string, expiresAtMs: number): Slot | undefined {
    const slot = this.#slots.get(slotId);
    if (slot === undefined || slot.holder !== holder || slot.expiresAtMs === null) return undefined;
    const extended = { ...slot, expiresAtMs: Math.max(slot.expiresAtMs, expiresAtMs) };
    this.#slots.set(slotId, extended);
    return extended;
  }

  /** Hands a slot to the Shard object that holds its socket: from here on it does not expire. */
  keep(slotId: string, from: string, to: string): Slot | undefined {
    const slot = this.#slots.get(slotId);
    if (slot === undefined || slot.kind !== "socket") return undefined;
    // A repeated call after a lost answer is as good as the first.
    if (slot.holder === to && slot.expiresAtMs === null) return slot;
    if (slot.holder !== from) return undefined;
    const kept = { ...slot, holder: to, expiresAtMs: null };
    this.#slots.set(slotId, kept);
    return kept;
  }

  /** Frees every slot whose time is past, and says which. */
  expire(nowMs: number): readonly Slot[] {
    const expired = this.slots.filter(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs <= nowMs);
    for (const slot of expired) this.#drop(slot);
    return expired;
  }

  #put(slot: Slot): void {
    this.#slots.set(slot.slotId, slot);
    this.#count(slot, 1);
  }

  #drop(slot: Slot): void {
    this.#slots.delete(slot.slotId);
    this.#count(slot, -1);
  }

  #count({ shardId }: Slot, change: 1 | -1): void {
    const shard = this.#shards.get(shardId);
    assert(shard !== undefined, "a slot's shard exists as long as the slot");
    this.#inUseByShard.set(shardId, this.inUse(shardId) + change);
    this.#inUseByEndpoint.set(shard.endpointUrl, (this.#inUseByEndpoint.get(shard.endpointUrl) ?? 0) + change);
  }
}
