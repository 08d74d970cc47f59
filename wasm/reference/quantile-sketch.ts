// Twin of wasm/assembly/sketch/quantile.ts and quantile-blob.ts: bins in a map, no window to move.
import { BlobReader, BlobWriter, type MergeOutcome } from "./sketch-codec.ts";

const VALUE_MIN = 2 ** -30;
const VALUE_MAX = 2 ** 50;
const BINS_PER_OCTAVE = 35;
const INDEX_MIN = -30 * BINS_PER_OCTAVE;
const INDEX_MAX = 50 * BINS_PER_OCTAVE;
const COUNT_MAX = 2 ** 32 - 1;
const SPAN_MAX = 1_024;
const BLOB_BYTES_MAX = 53 + 5 * SPAN_MAX;
const FORMAT = 0x11;

const bits = new DataView(new ArrayBuffer(8));

export class QuantileSketchReference {
  readonly #binCount: number;
  #bins = new Map<number, number>();
  #zeroCount = 0;
  #count = 0;
  #sum = 0;
  #sumLost = 0;
  #min = Infinity;
  #max = 0;

  constructor({ binCount = SPAN_MAX }: { binCount?: number } = {}) {
    this.#binCount = binCount;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  get min(): number | null {
    return this.#count === 0 ? null : this.#min;
  }

  get max(): number | null {
    return this.#count === 0 ? null : this.#max;
  }

  add(value: number): boolean {
    if (!(value >= 0 && value <= VALUE_MAX)) throw new RangeError(`Cannot add ${value}`);
    if (this.#count === COUNT_MAX) return false;
    const positive = Math.abs(value);
    if (positive < VALUE_MIN) this.#addZeros(1);
    else this.#addToBin(indexOf(positive), 1);
    this.#summarize({ min: positive, max: positive });
    this.#addToSum(positive);
    return true;
  }

  quantile(q: number): number | null {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`Cannot read quantile ${q}`);
    if (this.#count === 0) return null;
    const rank = Math.floor(q * (this.#count - 1));
    let before = this.#zeroCount;
    if (rank === 0 || rank < before) return this.#min;
    if (rank === this.#count - 1) return this.#max;
    for (const [index, amount] of this.#sortedBins()) {
      before += amount;
      if (before > rank) return Math.min(Math.max(middleOf(index), this.#min), this.#max);
    }
    throw new Error("Every rank lies in a bin");
  }

  merge(other: QuantileSketchReference): MergeOutcome {
    return this.mergeBytes(other.toBytes());
  }

  mergeBytes(blob: Uint8Array): MergeOutcome {
    if (blob.length > BLOB_BYTES_MAX) return { ok: false, reason: "malformed" };
    const reader = new BlobReader(blob, FORMAT);
    const zeroCount = reader.u32();
    const span = reader.u32();
    const zigzag = span > 0 ? reader.u32() : 0;
    const lowest = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    const highest = lowest + span - 1;
    if (span > SPAN_MAX || (span > 0 && (lowest < INDEX_MIN || highest > INDEX_MAX))) reader.refuse("malformed");
    const bins = readBins(reader, lowest, span);
    const total = bins.reduce((sum, [, amount]) => sum + amount, zeroCount);
    const summary = { min: 0, max: 0, sum: 0, lost: 0 };
    if (reader.isReadable && total > 0) {
      summary.min = reader.positive();
      summary.max = reader.positive();
      summary.sum = reader.positive();
      summary.lost = reader.f64();
      if (reader.isReadable && !isConsistent({ zeroCount, span, lowest, highest, total, ...summary })) reader.refuse("inconsistent");
      if (total + this.#count > COUNT_MAX) reader.refuse("too-many");
    }
    const outcome = reader.close();
    if (!outcome.ok || total === 0) return outcome;
    for (const [index, amount] of bins) this.#addToBin(index, amount);
    this.#addZeros(zeroCount);
    this.#summarize(summary);
    this.#addToSum(summary.sum);
    this.#addToSum(summary.lost);
    return outcome;
  }

  toBytes(): Uint8Array {
    const writer = new BlobWriter(FORMAT);
    writer.integer(this.#zeroCount);
    const bins = this.#sortedBins();
    const [lowest, highest] = [bins.at(0)?.[0] ?? 0, bins.at(-1)?.[0] ?? -1];
    writer.integer(highest - lowest + 1);
    if (bins.length > 0) {
      writer.integer(lowest >= 0 ? 2 * lowest : -2 * lowest - 1);
      writer.counts(Array.from({ length: highest - lowest + 1 }, (_, i) => this.#bins.get(lowest + i) ?? 0));
    }
    if (this.#count > 0) for (const value of [this.#min, this.#max, this.#sum, this.#sumLost]) writer.f64(value);
    return writer.finish();
  }

  clear(): void {
    this.#bins = new Map();
    [this.#zeroCount, this.#count, this.#sum, this.#sumLost, this.#min, this.#max] = [0, 0, 0, 0, Infinity, 0];
  }

  #sortedBins(): [number, number][] {
    return [...this.#bins].toSorted(([a], [b]) => a - b);
  }

  #addZeros(amount: number): void {
    this.#zeroCount += amount;
    this.#count += amount;
  }

  #addToBin(index: number, amount: number): void {
    this.#bins.set(index, (this.#bins.get(index) ?? 0) + amount);
    this.#count += amount;
    const lowest = Math.max(...this.#bins.keys()) - this.#binCount + 1;
    for (const [low, collapsed] of this.#bins) {
      if (low >= lowest) continue;
      this.#bins.delete(low);
      this.#bins.set(lowest, (this.#bins.get(lowest) ?? 0) + collapsed);
    }
  }

  #summarize({ min, max }: { min: number; max: number }): void {
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
  }

  #addToSum(value: number): void {
    const rounded = this.#sum + value;
    const taken = rounded - this.#sum;
    const lost = this.#sum - (rounded - taken) + (value - taken) + this.#sumLost;
    this.#sum = rounded + lost;
    this.#sumLost = lost - (this.#sum - rounded);
  }
}

function readBins(reader: BlobReader, lowest: number, span: number): [number, number][] {
  const bins: [number, number][] = [];
  let wasGap = true;
  for (let i = 0; i < span && reader.isReadable;) {
    const amount = reader.u32();
    if (amount > 0) {
      bins.push([lowest + i, amount]);
      i += 1;
      wasGap = false;
      continue;
    }
    const gap = reader.u32();
    if (wasGap || gap === 0 || gap >= span - i) reader.refuse("malformed");
    i += gap;
    wasGap = true;
  }
  return bins;
}

interface Summary {
  readonly zeroCount: number;
  readonly span: number;
  readonly lowest: number;
  readonly highest: number;
  readonly total: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly lost: number;
}

function isConsistent({ zeroCount, span, lowest, highest, total, min, max, sum, lost }: Summary): boolean {
  if (min > max || max > VALUE_MAX || min < VALUE_MIN !== zeroCount > 0) return false;
  if (span === 0 ? max >= VALUE_MIN : max < VALUE_MIN || indexOf(max) !== highest) return false;
  if (zeroCount === 0 && indexOf(min) > lowest) return false;
  return sum >= min * total * 0.999999 && sum <= max * total * 1.000001 && sum + lost === sum;
}

function indexOf(value: number): number {
  bits.setFloat64(0, value);
  const exponent = (bits.getUint32(0) >>> 20) - 1023;
  bits.setUint32(0, (bits.getUint32(0) & 0x000f_ffff) | 0x3ff0_0000);
  const s = bits.getFloat64(0) - 1;
  return exponent * BINS_PER_OCTAVE + Math.trunc(((6 * s - 21) * s + 50) * s);
}

function middleOf(index: number): number {
  const octave = Math.floor(index / BINS_PER_OCTAVE);
  const step = index - octave * BINS_PER_OCTAVE;
  const low = 1 + startOf(step);
  const high = 1 + startOf(step + 1);
  return 2 ** octave * ((2 * low * high) / (low + high));
}

function startOf(step: number): number {
  let s = step / BINS_PER_OCTAVE;
  for (let i = 0; i < 5; i += 1) s -= (((6 * s - 21) * s + 50) * s - step) / ((18 * s - 42) * s + 50);
  return s;
}
