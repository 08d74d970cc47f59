// Slots that have a name of their own: a socket's, for its life, and a queued request's, until its holder's renewal
// names it or the holder returns it. A socket's is a row. A queued request's is not: of those a block is on disk, per
// flow and lane, never smaller than what is out, so that a write serves many. After a restart a block stands for
// requests whose names are lost, until it ends: too much for a moment, never too little.
import { assert } from "#shared/assert.ts";
import { SocketCounts } from "./socket-counts.ts";

export interface NamedSlot {
  readonly slotId: string;
  readonly owner: string;
  readonly flow: string;
  readonly lane: string;
  /** Of a socket's, where its Shard object is found; else empty. */
  readonly shardId: string;
  readonly acquiredAtMs: number;
  /** Null: a socket's, kept until its Shard object says that it is gone. */
  readonly expiresAtMs: number | null;
  /** A row of its own; else it lies in a block. */
  readonly isDurable: boolean;
  /** A socket's. */
  readonly device?: string | undefined;
  /** A socket's that moves: as long as that slot is there, the two are one, and this one counts for nothing. */
  readonly inPlaceOf?: string | undefined;
  /** A socket's: what of its flow's memory its messages may take, while it has the slot. Undefined: not counted. */
  readonly memoryBytes?: number | undefined;
}

export interface AcquireInput extends Omit<NamedSlot, "acquiredAtMs" | "expiresAtMs"> {
  /** From now on; null: until it is released. */
  readonly lifeMs: number | null;
}

/** So many slots of a flow in a lane may be out until then. */
export interface SlotBlock {
  readonly flow: string;
  readonly lane: string;
  readonly count: number;
  readonly untilMs: number;
  /** Absent: by an earlier version. */
  readonly writtenAtMs?: number;
}

/** A block is written larger than needed now, so that the next grants need no write … */
const BLOCK_GROWTH = 1.5;
const BLOCK_SPARE = 4;
/** … and longer. */
const BLOCK_SPARE_MS = 4_000;

export class NamedSlots {
  readonly #slots = new Map<string, NamedSlot>();
  #durableCount = 0;
  readonly sockets = new SocketCounts();
  readonly #blocks = new Map<string, SlotBlock>();
  /** Per block, how many lie in it. */
  readonly #out = new Map<string, number>();
  /** Per block, the places of lost names. */
  readonly #nameless = new Map<string, Set<string>>();

  get values(): IterableIterator<NamedSlot> {
    return this.#slots.values();
  }

  /** Sockets'. */
  get durableCount(): number {
    return this.#durableCount;
  }

  /** Queued requests', and places of lost names. */
  get queuedCount(): number {
    return this.#slots.size - this.#durableCount;
  }

  get blocks(): ReadonlyMap<string, SlotBlock> {
    return this.#blocks;
  }

  get(slotId: string): NamedSlot | undefined {
    return this.#slots.get(slotId);
  }

  /** Returns the key of the block that has to be written first, or null. */
  put(slot: NamedSlot, nowMs: number): string | null {
    assert(!this.#slots.has(slot.slotId), "a name is given once");
    this.#slots.set(slot.slotId, slot);
    if (slot.isDurable) this.#countSocket(slot, 1);
    if (slot.isDurable || slot.expiresAtMs === null) return null;
    const key = blockKey(slot);
    const count = (this.#out.get(key) ?? 0) + 1;
    this.#out.set(key, count);
    const block = this.#blocks.get(key);
    if (block !== undefined && block.count >= count && block.untilMs >= slot.expiresAtMs) return null;
    const { flow, lane } = slot;
    const spared = Math.ceil(count * BLOCK_GROWTH) + BLOCK_SPARE;
    const isCurrent = block !== undefined && block.untilMs > nowMs;
    this.#blocks.set(key, {
      flow,
      lane,
      count: isCurrent ? Math.max(block.count, spared) : spared,
      untilMs: slot.expiresAtMs + BLOCK_SPARE_MS,
      writtenAtMs: nowMs,
    });
    return key;
  }

  /** Gives a socket's slot to its Shard object, without an end; null: it is not the owner's. */
  handOver(slotId: string, from: string, to: string): NamedSlot | null {
    const slot = this.#slots.get(slotId);
    if (slot === undefined || !slot.isDurable) return null;
    // A repeated call after a lost answer is as good as the first.
    if (slot.owner === to && slot.expiresAtMs === null) return slot;
    if (slot.owner !== from) return null;
    const kept = { ...slot, owner: to, expiresAtMs: null };
    this.#slots.set(slotId, kept);
    return kept;
  }

  /** The slot in whose place it is has gone. */
  takePlace(slot: NamedSlot): NamedSlot {
    const { inPlaceOf: _, ...own } = slot;
    this.#slots.set(slot.slotId, own);
    return own;
  }

  /** Those of the owner, older than the question, that it does not know. */
  unknownTo(owner: string, live: ReadonlySet<string>, askedAtMs: number): readonly string[] {
    return [...this.#slots.values()]
      .filter((slot) => slot.owner === owner && !live.has(slot.slotId) && slot.acquiredAtMs < askedAtMs)
      .map(({ slotId }) => slotId);
  }

  drop(slotId: string): NamedSlot | undefined {
    const slot = this.#slots.get(slotId);
    if (slot === undefined) return undefined;
    this.#slots.delete(slotId);
    if (slot.isDurable) {
      this.#countSocket(slot, -1);
      return slot;
    }
    const key = blockKey(slot);
    this.#out.set(key, (this.#out.get(key) ?? 1) - 1);
    this.#nameless.get(key)?.delete(slotId);
    return slot;
  }

  #countSocket(slot: NamedSlot, change: number): void {
    this.#durableCount += change;
    this.sockets.count(slot, change);
  }

  /** The slot of this name, or one whose name a restart has lost. */
  adoptable(slotId: string, at: { flow: string; lane: string }): NamedSlot | undefined {
    const [nameless] = this.#nameless.get(blockKey(at)) ?? [];
    return this.#slots.get(slotId) ?? (nameless === undefined ? undefined : this.#slots.get(nameless));
  }

  /** What a block on disk stands for, after a restart. */
  restoreBlock(block: SlotBlock): readonly NamedSlot[] {
    const key = blockKey(block);
    const { flow, lane, untilMs } = block;
    const slots = Array.from({ length: block.count }, (_, place): NamedSlot => {
      const slotId = `${key} ${place}`;
      return { slotId, owner: "", flow, lane, shardId: "", acquiredAtMs: 0, expiresAtMs: untilMs, isDurable: false };
    });
    this.#blocks.set(key, block);
    this.#out.set(key, slots.length);
    this.#nameless.set(key, new Set(slots.map(({ slotId }) => slotId)));
    for (const slot of slots) this.#slots.set(slot.slotId, slot);
    return slots;
  }

  /** Forgets a block that ended; false: there is none. */
  endBlock(key: string): boolean {
    if ((this.#out.get(key) ?? 0) === 0) this.#out.delete(key);
    this.#nameless.delete(key);
    return this.#blocks.delete(key);
  }
}

function blockKey({ flow, lane }: { flow: string; lane: string }): string {
  return `${flow} ${lane}`;
}
