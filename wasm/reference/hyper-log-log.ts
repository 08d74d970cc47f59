// Twin of wasm/assembly/sketch/hyper-log-log.ts and hyper-log-log-blob.ts.
import { BlobReader, BlobWriter, type MergeOutcome } from "./sketch-codec.ts";
import { xxh64Reference } from "./xxh64.ts";

const FORMAT = 0x31;
const SPARSE = 0;
const DENSE = 1;
const NIBBLE_MAX = 15;
const ALPHA = 1 / (2 * Math.LN2);

export class HyperLogLogReference {
  readonly #precision: number;
  readonly #encoder = new TextEncoder();
  #ranks: number[];

  constructor({ precision = 10 }: { precision?: number } = {}) {
    this.#precision = precision;
    this.#ranks = this.#zeros();
  }

  add(key: string): void {
    const hash = xxh64Reference(this.#encoder.encode(key), 0n);
    const bits = hash.toString(2).padStart(64, "0");
    const run = bits.slice(this.#precision).indexOf("1");
    this.#raise(Number.parseInt(bits.slice(0, this.#precision), 2), run < 0 ? this.#rankMax : run + 1);
  }

  get estimate(): number {
    const registers = this.#ranks.length;
    const histogram = Array.from({ length: this.#rankMax + 1 }, () => 0);
    for (const rank of this.#ranks) histogram[rank] = (histogram[rank] ?? 0) + 1;
    let z = registers * tau(1 - (histogram.at(-1) ?? 0) / registers);
    for (const count of histogram.slice(1, -1).toReversed()) z = 0.5 * (z + count);
    z += registers * sigma((histogram[0] ?? 0) / registers);
    return Math.min((ALPHA * registers * registers) / z, 2 ** 64);
  }

  merge(other: HyperLogLogReference): MergeOutcome {
    return this.mergeBytes(other.toBytes());
  }

  mergeBytes(blob: Uint8Array): MergeOutcome {
    if (blob.length > 8 + 1.5 * this.#ranks.length) return { ok: false, reason: "malformed" };
    const reader = new BlobReader(blob, FORMAT);
    if (reader.byte() !== this.#precision) reader.refuse("other-shape");
    const form = reader.byte();
    let ranks: number[] = [];
    if (form === SPARSE) ranks = this.#readSparse(reader);
    else if (form === DENSE) ranks = this.#readDense(reader);
    else reader.refuse("malformed");
    const outcome = reader.close();
    if (outcome.ok) for (const [index, rank] of ranks.entries()) this.#raise(index, rank);
    return outcome;
  }

  toBytes(): Uint8Array {
    const writer = new BlobWriter(FORMAT);
    writer.byte(this.#precision);
    const used = this.#ranks.filter((rank) => rank > 0).length;
    if (used * 4 <= this.#ranks.length) this.#writeSparse(writer, used);
    else this.#writeDense(writer);
    return writer.finish();
  }

  clear(): void {
    this.#ranks = this.#zeros();
  }

  get #rankMax(): number {
    return 65 - this.#precision;
  }

  #zeros(): number[] {
    return Array.from({ length: 2 ** this.#precision }, () => 0);
  }

  #raise(index: number, rank: number): void {
    this.#ranks[index] = Math.max(this.#ranks[index] ?? 0, rank);
  }

  #writeSparse(writer: BlobWriter, used: number): void {
    writer.byte(SPARSE);
    writer.integer(used);
    let next = 0;
    for (const [index, rank] of this.#ranks.entries()) {
      if (rank === 0) continue;
      writer.integer(index - next);
      writer.byte(rank);
      next = index + 1;
    }
  }

  #writeDense(writer: BlobWriter): void {
    const smallest = Math.min(...this.#ranks);
    const nibbles = this.#ranks.map((rank) => Math.min(rank - smallest, NIBBLE_MAX));
    writer.byte(DENSE);
    writer.byte(smallest);
    for (let i = 0; i < nibbles.length; i += 2) writer.byte((nibbles[i] ?? 0) | ((nibbles[i + 1] ?? 0) << 4));
    for (const [index, rank] of this.#ranks.entries()) if (nibbles[index] === NIBBLE_MAX) writer.byte(rank);
  }

  #readSparse(reader: BlobReader): number[] {
    const ranks = this.#zeros();
    const used = reader.u32();
    if (used > ranks.length) reader.refuse("malformed");
    let next = 0;
    for (let i = 0; reader.isReadable && i < used; i += 1) {
      const [distance, rank] = [reader.u32(), reader.byte()];
      if (distance >= ranks.length - next || rank === 0 || rank > this.#rankMax) reader.refuse("malformed");
      ranks[next + distance] = rank;
      next += distance + 1;
    }
    return ranks;
  }

  #readDense(reader: BlobReader): number[] {
    const smallest = reader.byte();
    if (smallest > this.#rankMax) reader.refuse("malformed");
    const pairs = [...reader.bytes(this.#ranks.length / 2)];
    const ranks = pairs.flatMap((pair) => [pair & NIBBLE_MAX, pair >> 4]);
    for (const [index, nibble] of ranks.entries()) {
      const rank = nibble === NIBBLE_MAX ? reader.byte() : smallest + nibble;
      if (rank < smallest + nibble || rank > this.#rankMax) reader.refuse("malformed");
      ranks[index] = rank;
    }
    return ranks;
  }
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let [power, weight, z] = [x, 1, x];
  for (let k = 0; k < 64; k += 1) {
    power *= power;
    const before = z;
    z += power * weight;
    weight += weight;
    if (z === before) break;
  }
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let [root, weight, z] = [x, 1, 1 - x];
  for (let k = 0; k < 64; k += 1) {
    root = Math.sqrt(root);
    const before = z;
    weight *= 0.5;
    z -= (1 - root) * (1 - root) * weight;
    if (z === before) break;
  }
  return z / 3;
}
