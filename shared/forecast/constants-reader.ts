// The numbers of a learned-constants file, one after another: little-endian, in the widths that its writer chose.
export class ConstantsReader {
  at = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  /** The next `count` of them. */
  int8s(count: number): Int8Array {
    return new Int8Array(this.#view.buffer, this.#view.byteOffset + this.#take(count), count);
  }

  float32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  /** IEEE 754 binary16; what the writer never writes, subnormals and infinities, is not read right. */
  float16(): number {
    const word = this.#view.getUint16(this.#take(2), true);
    if ((word & 0x7fff) === 0) return 0;
    const sign = word & 0x8000 ? -1 : 1;
    return sign * (1 + (word & 0x3ff) / 1024) * 2 ** (((word >> 10) & 31) - 15);
  }

  #take(bytes: number): number {
    const from = this.at;
    if (from + bytes > this.#view.byteLength)
      throw new RangeError(`Cannot decode constants: they end after ${this.#view.byteLength} bytes`);
    this.at += bytes;
    return from;
  }
}
