// Twin of wasm/assembly/sketch/top-k.ts and top-k-blob.ts.
import { BlobReader, BlobWriter, type MergeOutcome } from "./sketch-codec.ts";

const COUNT_MAX = 2 ** 32 - 1;
const TOTAL_MAX = 2n ** 64n - 1n;
const KEY_BYTES_MAX = 128;
const FORMAT = 0x41;

interface Entry {
  readonly bytes: Uint8Array;
  count: number;
  error: number;
}

interface Table {
  total: bigint;
  readonly entries: Entry[];
}

export class TopKReference {
  readonly #capacity: number;
  #table: Table = { total: 0n, entries: [] };

  constructor({ capacity = 64 }: { capacity?: number } = {}) {
    this.#capacity = capacity;
  }

  get total(): number {
    return Number(this.#table.total);
  }

  get missedCountMax(): number {
    return this.#floorOf(this.#table);
  }

  add(key: string, amount = 1): void {
    const bytes = new TextEncoder().encode(key);
    if (!(Number.isInteger(amount) && amount >= 1 && amount <= COUNT_MAX)) throw new RangeError(`Cannot count ${amount}`);
    if (bytes.length > KEY_BYTES_MAX) throw new RangeError(`Cannot count a key of ${bytes.length} bytes`);
    this.#addToTotal(BigInt(amount));
    const entry = findIn(this.#table, bytes);
    if (entry !== undefined) {
      entry.count = saturate(entry.count + amount);
      return;
    }
    const error = this.missedCountMax;
    this.#put({ bytes, count: saturate(error + amount), error });
  }

  entries(): { key: string; count: number; countMin: number }[] {
    const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
    return this.#table.entries
      .map(({ bytes, count, error }) => ({ key: decoder.decode(bytes), count, countMin: count - error }))
      .toSorted((a, b) => b.count - a.count);
  }

  merge(other: TopKReference): MergeOutcome {
    return this.mergeBytes(other.toBytes());
  }

  mergeBytes(blob: Uint8Array): MergeOutcome {
    if (blob.length > 16 + 140 * this.#capacity) return { ok: false, reason: "malformed" };
    const other = this.#read(blob);
    if ("ok" in other) return other;
    const [floorHere, floorThere] = [this.missedCountMax, this.#floorOf(other)];
    const onlyThere = other.entries.filter(({ bytes }) => findIn(this.#table, bytes) === undefined);
    this.#addToTotal(other.total);
    for (const entry of this.#table.entries) {
      const same = findIn(other, entry.bytes);
      entry.count = saturate(entry.count + (same?.count ?? floorThere));
      entry.error = saturate(entry.error + (same?.error ?? floorThere));
    }
    for (const { bytes, count, error } of onlyThere) {
      const offered = { bytes, count: saturate(count + floorHere), error: saturate(error + floorHere) };
      const { entries } = this.#table;
      if (entries.length < this.#capacity || offered.count > this.#floorOf(this.#table)) this.#put(offered);
    }
    return { ok: true };
  }

  toBytes(): Uint8Array {
    const writer = new BlobWriter(FORMAT);
    for (const value of [this.#capacity, this.#table.total, this.#table.entries.length]) writer.integer(value);
    for (const { bytes, count, error } of this.#table.entries) {
      for (const value of [count, error, bytes.length]) writer.integer(value);
      writer.bytes(bytes);
    }
    return writer.finish();
  }

  clear(): void {
    this.#table = { total: 0n, entries: [] };
  }

  #floorOf({ entries }: Table): number {
    return entries.length < this.#capacity ? 0 : Math.min(...entries.map(({ count }) => count));
  }

  /** In a free place, or in that of the first of the smallest. */
  #put(entry: Entry): void {
    const { entries } = this.#table;
    const smallest = entries.findIndex(({ count }) => count === this.#floorOf(this.#table));
    if (entries.length < this.#capacity) entries.push(entry);
    else entries[smallest] = entry;
  }

  #addToTotal(amount: bigint): void {
    const total = this.#table.total + amount;
    this.#table.total = total > TOTAL_MAX ? TOTAL_MAX : total;
  }

  #read(blob: Uint8Array): Table | (MergeOutcome & { ok: false }) {
    const reader = new BlobReader(blob, FORMAT);
    if (reader.u32() !== this.#capacity) reader.refuse("other-shape");
    const table: Table = { total: reader.u64(), entries: [] };
    const used = reader.u32();
    if (used > this.#capacity) reader.refuse("malformed");
    let sum = 0n;
    for (let i = 0; reader.isReadable && i < used; i += 1) {
      const [count, error, length] = [reader.u32(), reader.u32(), reader.u32()];
      if (length > KEY_BYTES_MAX) reader.refuse("malformed");
      if (count === 0 || error > count) reader.refuse("inconsistent");
      const bytes = reader.bytes(length).slice();
      if (reader.isReadable && findIn(table, bytes) !== undefined) reader.refuse("inconsistent");
      table.entries.push({ bytes, count, error });
      if (reader.isReadable) sum += BigInt(count);
    }
    if (sum > table.total) reader.refuse("inconsistent");
    const outcome = reader.close();
    return outcome.ok ? table : outcome;
  }
}

function findIn({ entries }: Table, key: Uint8Array): Entry | undefined {
  return entries.find(({ bytes }) => bytes.length === key.length && bytes.every((byte, i) => byte === key[i]));
}

function saturate(count: number): number {
  return Math.min(COUNT_MAX, count);
}
