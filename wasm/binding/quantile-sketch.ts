import type { Region } from "./arena.ts";
import { checkNumber, checkPowerOfTwo } from "./check-range.ts";
import type { Kernels } from "./kernels.ts";
import { type MergeOutcome, readBlob, writeBlob } from "./sketch-blob.ts";

const BIN_COUNT_MIN = 64;
const BIN_COUNT_MAX = 1_024;
const HEADER_BYTES = 48;
/** 2⁵⁰: in milliseconds 35,000 years. */
const VALUE_MAX = 2 ** 50;
/** Of the largest sketch, so that any size reads any other's. */
const BLOB_BYTES_MAX = 53 + 5 * BIN_COUNT_MAX;

/**
 * Quantiles of positive values within 1 %, mergeable (wasm/assembly/sketch/quantile.ts). The bins cover a ratio of
 * 2^(binCount / 35) below the largest value: 1,024 bins 6 × 10⁸, 512 bins 25,000. Below that, values collapse into
 * the lowest bin: bound what you add, since one absurd value costs resolution at the bottom (never at the top).
 */
export class QuantileSketch {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;
  readonly #binCount: number;

  /** Takes 48 bytes and 4 per bin, a power of two from 64 to 1,024. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, { binCount = BIN_COUNT_MAX }: { binCount?: number } = {}) {
    checkPowerOfTwo(binCount, { doing: "make a quantile sketch of so many bins", min: BIN_COUNT_MIN, max: BIN_COUNT_MAX });
    this.#kernels = kernels;
    this.#binCount = binCount;
    this.#region = kernels.arena.allocate(HEADER_BYTES + 4 * binCount, "a quantile sketch");
    this.#base = this.#region.offset;
    this.clear();
  }

  /** False where 2³² - 1 values are in it already. Throws RangeError for a value below 0, above 2⁵⁰, or that is none. */
  add(value: number): boolean {
    checkNumber(value, { doing: "add a value to a quantile sketch", min: 0, max: VALUE_MAX });
    return this.#kernels.exports.quantileAdd(this.#base, value) === 1;
  }

  /** The value of rank ⌊q × (count - 1)⌋ within 1 %; null where the sketch is empty. Throws RangeError for q outside [0, 1]. */
  quantile(q: number): number | null {
    checkNumber(q, { doing: "read a quantile", min: 0, max: 1 });
    return this.count === 0 ? null : this.#kernels.exports.quantileValue(this.#base, q);
  }

  get count(): number {
    return this.#kernels.exports.quantileCount(this.#base) >>> 0;
  }

  /** Relative error below 2⁻⁵². */
  get sum(): number {
    return this.#kernels.exports.quantileSum(this.#base);
  }

  /** Exact; null where the sketch is empty. */
  get min(): number | null {
    return this.count === 0 ? null : this.#kernels.exports.quantileMin(this.#base);
  }

  /** Exact; null where the sketch is empty. */
  get max(): number | null {
    return this.count === 0 ? null : this.#kernels.exports.quantileMax(this.#base);
  }

  /** Adds what the other holds. "too-many": there would be more than 2³² - 1 values. */
  merge(other: QuantileSketch): MergeOutcome {
    if (other === this || other.#kernels !== this.#kernels) return this.mergeBytes(other.toBytes());
    const ok = this.#kernels.exports.quantileMerge(this.#base, other.#base) === 1;
    return ok ? { ok } : { ok, reason: "too-many" };
  }

  /** The same for what `toBytes` gave, from a sketch of any size. */
  mergeBytes(blob: Uint8Array): MergeOutcome {
    const read = (from: number, bytes: number): number => this.#kernels.exports.quantileRead(this.#base, from, bytes);
    return readBlob(this.#kernels, { blob, bytesMax: BLOB_BYTES_MAX, read });
  }

  /** About 200 bytes for a second of latencies, 5,173 at most. */
  toBytes(): Uint8Array {
    return writeBlob(this.#kernels, BLOB_BYTES_MAX, (into, bytesMax) => this.#kernels.exports.quantileWrite(this.#base, into, bytesMax));
  }

  clear(): void {
    this.#kernels.exports.quantileReset(this.#base, this.#binCount);
  }

  /** Gives the memory back. The sketch must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}
