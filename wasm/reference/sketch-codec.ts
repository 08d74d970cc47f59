// Twin of wasm/assembly/sketch/codec.ts.

export type BlobRefusal = "truncated" | "unknown-format" | "malformed" | "inconsistent" | "too-many" | "other-shape";
export type MergeOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: BlobRefusal };

const U32_MAX = 0xffff_ffffn;

/** Keeps the first thing that was wrong; reads after it give 0. */
export class BlobReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #reason: BlobRefusal | null = null;

  constructor(bytes: Uint8Array, format: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.byte() !== format) this.refuse("unknown-format");
  }

  get isReadable(): boolean {
    return this.#reason === null;
  }

  refuse(reason: BlobRefusal): void {
    this.#reason ??= reason;
  }

  close(): MergeOutcome {
    if (this.#at !== this.#bytes.length) this.refuse("malformed");
    return this.#reason === null ? { ok: true } : { ok: false, reason: this.#reason };
  }

  byte(): number {
    const [byte = 0] = this.bytes(1);
    return byte;
  }

  bytes(count: number): Uint8Array {
    if (this.#reason !== null || this.#bytes.length - this.#at < count) {
      this.refuse("truncated");
      return new Uint8Array();
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  u64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte >= 128) continue;
      if ((byte === 0 && shift > 0n) || value >> 64n > 0n) this.refuse("malformed");
      return this.isReadable ? value : 0n;
    }
    this.refuse("malformed");
    return 0n;
  }

  u32(): number {
    const value = this.u64();
    if (value <= U32_MAX) return Number(value);
    this.refuse("malformed");
    return 0;
  }

  f64(): number {
    return this.bytes(8).length === 8 ? this.#view.getFloat64(this.#at - 8, true) : 0;
  }

  positive(): number {
    const value = this.f64();
    if (value >= 0 && value < Infinity && !Object.is(value, -0)) return value;
    this.refuse("malformed");
    return 0;
  }
}

export class BlobWriter {
  readonly #bytes: number[];

  constructor(format: number) {
    this.#bytes = [format];
  }

  byte(byte: number): void {
    this.#bytes.push(byte);
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
  }

  integer(value: number | bigint): void {
    let rest = BigInt(value);
    for (; rest >= 128n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  f64(value: number): void {
    this.bytes(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** Counts, with a run of zeros as 0 and its length. */
  counts(counts: Iterable<number>): void {
    let gap = 0;
    for (const count of counts) {
      if (count === 0) {
        gap += 1;
        continue;
      }
      this.gap(gap);
      gap = 0;
      this.integer(count);
    }
    this.gap(gap);
  }

  gap(gap: number): void {
    if (gap === 0) return;
    this.byte(0);
    this.integer(gap);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
