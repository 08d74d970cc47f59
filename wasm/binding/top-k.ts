import type { Region } from "./arena.ts";
import { checkInteger } from "./check-range.ts";
import type { Kernels } from "./kernels.ts";
import { type MergeOutcome, readBlob, writeBlob } from "./sketch-blob.ts";

const CAPACITY_MIN = 4;
const CAPACITY_MAX = 256;
const KEY_BYTES_MAX = 128;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 148;
const AMOUNT_MAX = 2 ** 32 - 1;

export interface HeavyKey {
  readonly key: string;
  /** At most this often, */
  readonly count: number;
  /** and at least this often. */
  readonly countMin: number;
}

/**
 * The most frequent keys of a stream (wasm/assembly/sketch/top-k.ts). Every key seen more than total / capacity times
 * is there, its count too high by total / capacity at most. Counts stop at 2³² - 1.
 */
export class TopK {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;
  readonly #capacity: number;

  /** Takes 16 bytes and 148 per entry, 4 to 256 entries. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, { capacity = 64 }: { capacity?: number } = {}) {
    checkInteger(capacity, { doing: "make a top-k table of so many entries", min: CAPACITY_MIN, max: CAPACITY_MAX });
    this.#kernels = kernels;
    this.#capacity = capacity;
    this.#region = kernels.arena.allocate(this.#bytes, "a top-k table");
    this.#base = this.#region.offset;
    this.clear();
  }

  /** Throws RangeError for an amount that is none, or a key of more than 128 bytes. */
  add(key: string, amount = 1): void {
    checkInteger(amount, { doing: "count a key so often", min: 1, max: AMOUNT_MAX });
    const keyBytes = this.#kernels.writeKey(key);
    if (keyBytes > KEY_BYTES_MAX) throw new RangeError(`Cannot count a key: it has ${keyBytes} bytes, expected at most ${KEY_BYTES_MAX}`);
    this.#kernels.exports.topKAdd(this.#base, keyBytes, amount);
  }

  /** Every key that has an entry, the most frequent first; among equals the one that was there first. */
  entries(): HeavyKey[] {
    const { exports, memory } = this.#kernels;
    const used = exports.topKUsed(this.#base);
    const counts = new Uint32Array(memory, this.#base + HEADER_BYTES + 8 * this.#capacity, 3 * this.#capacity);
    const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
    const keys = this.#base + HEADER_BYTES + 20 * this.#capacity;
    return Array.from({ length: used }, (_, entry): HeavyKey => {
      const [count = 0, error = 0, keyBytes = 0] = [counts[entry], counts[this.#capacity + entry], counts[2 * this.#capacity + entry]];
      const key = decoder.decode(new Uint8Array(memory, keys + KEY_BYTES_MAX * entry, keyBytes));
      return { key, count, countMin: count - error };
    }).toSorted((a, b) => b.count - a.count);
  }

  /** Of all keys, exact up to 2⁵³. */
  get total(): number {
    return this.#kernels.exports.topKTotal(this.#base);
  }

  /** The most that a key which is not among the entries can have been seen. */
  get missedCountMax(): number {
    return this.#kernels.exports.topKFloor(this.#base) >>> 0;
  }

  /** Adds what the other holds. "other-shape": it has another capacity. */
  merge(other: TopK): MergeOutcome {
    if (other.#capacity !== this.#capacity) return { ok: false, reason: "other-shape" };
    if (other === this || other.#kernels !== this.#kernels) return this.mergeBytes(other.toBytes());
    this.#kernels.exports.topKMerge(this.#base, other.#base);
    return { ok: true };
  }

  /** The same for what `toBytes` gave. "other-shape": it has another capacity. */
  mergeBytes(blob: Uint8Array): MergeOutcome {
    const { arena, exports } = this.#kernels;
    const table = arena.allocate(this.#bytes, "a top-k table that is merged");
    try {
      exports.topKReset(table.offset, this.#capacity);
      const read = (from: number, bytes: number): number => exports.topKRead(table.offset, from, bytes);
      const outcome = readBlob(this.#kernels, { blob, bytesMax: this.#blobBytesMax, read });
      if (outcome.ok) exports.topKMerge(this.#base, table.offset);
      return outcome;
    } finally {
      arena.release(table);
    }
  }

  /** The keys and about five bytes each; 16 + 140 per entry at most, for which the memory must have room for a moment (RangeError). */
  toBytes(): Uint8Array {
    return writeBlob(this.#kernels, this.#blobBytesMax, (into, bytesMax) => this.#kernels.exports.topKWrite(this.#base, into, bytesMax));
  }

  clear(): void {
    this.#kernels.exports.topKReset(this.#base, this.#capacity);
  }

  /** Gives the memory back. The table must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }

  get #bytes(): number {
    return HEADER_BYTES + ENTRY_BYTES * this.#capacity;
  }

  get #blobBytesMax(): number {
    return 16 + 140 * this.#capacity;
  }
}
