// Twin of wasm/assembly/sketch/count-min.ts.
import { BlobReader, BlobWriter, type MergeOutcome } from "./sketch-codec.ts";
import { xxh64Reference } from "./xxh64.ts";

const ROWS = [0, 1, 2, 3] as const;
const COUNT_MAX = 2 ** 32 - 1;
const TOTAL_MAX = 2n ** 64n - 1n;
const FORMAT = 0x21;

export class CountMinReference {
  readonly #columnCount: number;
  readonly #isConservative: boolean;
  readonly #encoder = new TextEncoder();
  #counters: number[];
  #total = 0n;

  constructor({ columnCount = 1_024, conservative = false }: { columnCount?: number; conservative?: boolean } = {}) {
    this.#columnCount = columnCount;
    this.#isConservative = conservative;
    this.#counters = this.#zeros();
  }

  get total(): number {
    return Number(this.#total);
  }

  add(key: string, amount = 1): number {
    if (!(Number.isInteger(amount) && amount >= 1 && amount <= COUNT_MAX)) throw new RangeError(`Cannot count ${amount}`);
    const places = this.#placesOf(key);
    const estimate = Math.min(COUNT_MAX, this.#estimateAt(places) + amount);
    for (const place of places) {
      const before = this.#at(place);
      this.#counters[place] = this.#isConservative ? Math.max(before, estimate) : Math.min(COUNT_MAX, before + amount);
    }
    this.#addToTotal(BigInt(amount));
    return estimate;
  }

  estimate(key: string): number {
    return this.#estimateAt(this.#placesOf(key));
  }

  merge(other: CountMinReference): MergeOutcome {
    return this.mergeBytes(other.toBytes());
  }

  mergeBytes(blob: Uint8Array): MergeOutcome {
    if (blob.length > 16 + 20 * this.#columnCount) return { ok: false, reason: "malformed" };
    const reader = new BlobReader(blob, FORMAT);
    if (reader.u32() !== this.#columnCount) reader.refuse("other-shape");
    const total = reader.u64();
    const counters = this.#zeros();
    let wasGap = false;
    for (let place = 0; reader.isReadable && place < counters.length;) {
      const counter = reader.u32();
      if (counter > 0) {
        if (BigInt(counter) > total) reader.refuse("inconsistent");
        counters[place] = counter;
        place += 1;
        wasGap = false;
        continue;
      }
      const gap = reader.u32();
      if (wasGap || gap === 0 || gap > counters.length - place) reader.refuse("malformed");
      place += gap;
      wasGap = true;
    }
    const outcome = reader.close();
    if (!outcome.ok) return outcome;
    this.#counters = this.#counters.map((counter, place) => Math.min(COUNT_MAX, counter + (counters[place] ?? 0)));
    this.#addToTotal(total);
    return outcome;
  }

  toBytes(): Uint8Array {
    const writer = new BlobWriter(FORMAT);
    writer.integer(this.#columnCount);
    writer.integer(this.#total);
    writer.counts(this.#counters);
    return writer.finish();
  }

  clear(): void {
    this.#counters = this.#zeros();
    this.#total = 0n;
  }

  #zeros(): number[] {
    return Array.from({ length: ROWS.length * this.#columnCount }, () => 0);
  }

  #placesOf(key: string): number[] {
    const hash = xxh64Reference(this.#encoder.encode(key), 0n);
    return ROWS.map((row) => row * this.#columnCount + (Number((hash >> BigInt(16 * row)) & 0xffffn) % this.#columnCount));
  }

  #at(place: number): number {
    return this.#counters[place] ?? 0;
  }

  #estimateAt(places: readonly number[]): number {
    return Math.min(...places.map((place) => this.#at(place)));
  }

  #addToTotal(amount: bigint): void {
    const total = this.#total + amount;
    this.#total = total > TOTAL_MAX ? TOTAL_MAX : total;
  }
}
