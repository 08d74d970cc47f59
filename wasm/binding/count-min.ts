import type { Region } from "./arena.ts";
import { checkInteger, checkPowerOfTwo } from "./check-range.ts";
import type { Kernels } from "./kernels.ts";
import { type MergeOutcome, readBlob, writeBlob } from "./sketch-blob.ts";

const COLUMN_COUNT_MIN = 64;
const COLUMN_COUNT_MAX = 4_096;
const HEADER_BYTES = 16;
const ROW_COUNT = 4;
const AMOUNT_MAX = 2 ** 32 - 1;

export interface CountMinOptions {
  /** A power of two from 64 to 4,096. */
  readonly columnCount?: number;
  /** Raise only what an estimate needs: less error, but the cells depend on the order. */
  readonly conservative?: boolean;
}

/**
 * How often each of many keys was seen (wasm/assembly/sketch/count-min.ts): never below the truth, and above it by
 * more than 2.72 × total / columnCount for fewer than 1.8 % of keys. Counts stop at 2³² - 1.
 */
export class CountMin {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;
  readonly #columnCount: number;
  readonly #isConservative: number;

  /** Takes 16 bytes and 16 per column. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, { columnCount = 1_024, conservative = false }: CountMinOptions = {}) {
    checkPowerOfTwo(columnCount, { doing: "make a count-min sketch of so many columns", min: COLUMN_COUNT_MIN, max: COLUMN_COUNT_MAX });
    this.#kernels = kernels;
    this.#columnCount = columnCount;
    this.#isConservative = conservative ? 1 : 0;
    this.#region = kernels.arena.allocate(HEADER_BYTES + 4 * ROW_COUNT * columnCount, "a count-min sketch");
    this.#base = this.#region.offset;
    this.clear();
  }

  /** Counts the key, and returns its estimate. Throws RangeError for an amount that is none, or a key of more than 8 KiB. */
  add(key: string, amount = 1): number {
    checkInteger(amount, { doing: "count a key so often", min: 1, max: AMOUNT_MAX });
    const keyBytes = this.#kernels.writeKey(key);
    return this.#kernels.exports.countMinAdd(this.#base, keyBytes, amount, this.#isConservative) >>> 0;
  }

  /** Throws RangeError for a key of more than 8 KiB. */
  estimate(key: string): number {
    return this.#kernels.exports.countMinEstimate(this.#base, this.#kernels.writeKey(key)) >>> 0;
  }

  /** Of all keys, exact up to 2⁵³. */
  get total(): number {
    return this.#kernels.exports.countMinTotal(this.#base);
  }

  /** Adds what the other holds. "other-shape": it has another number of columns. */
  merge(other: CountMin): MergeOutcome {
    if (other.#columnCount !== this.#columnCount) return { ok: false, reason: "other-shape" };
    if (other === this || other.#kernels !== this.#kernels) return this.mergeBytes(other.toBytes());
    this.#kernels.exports.countMinMerge(this.#base, other.#base);
    return { ok: true };
  }

  /** The same for what `toBytes` gave. */
  mergeBytes(blob: Uint8Array): MergeOutcome {
    const read = (from: number, bytes: number): number => this.#kernels.exports.countMinRead(this.#base, from, bytes);
    return readBlob(this.#kernels, { blob, bytesMax: this.#blobBytesMax, read });
  }

  /** About a byte per counter in use; 16 + 20 per column at most, for which the memory must have room for a moment (RangeError). */
  toBytes(): Uint8Array {
    return writeBlob(this.#kernels, this.#blobBytesMax, (into, bytesMax) =>
      this.#kernels.exports.countMinWrite(this.#base, into, bytesMax),
    );
  }

  clear(): void {
    this.#kernels.exports.countMinReset(this.#base, this.#columnCount);
  }

  /** Gives the memory back. The sketch must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }

  get #blobBytesMax(): number {
    return 16 + 5 * ROW_COUNT * this.#columnCount;
  }
}
