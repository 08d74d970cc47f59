// The few shapes an account is made of: bytes, whole numbers of any length (LEB128), ASCII.

export class ByteWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  byte(value: number): void {
    this.#bytes.push(value & 0xff);
  }

  /** Big-endian. */
  fixed(value: number, byteCount: number): void {
    for (let shift = byteCount - 1; shift >= 0; shift -= 1) this.byte(Math.floor(value / 2 ** (8 * shift)));
  }

  /** Seven bits a byte, rounded and clamped to what so many bytes hold. */
  count(value: number, byteCountMax: number): void {
    let rest = Math.min(Math.max(0, Math.round(value) || 0), 2 ** (7 * byteCountMax) - 1);
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte(0x80 | (rest % 0x80));
    this.byte(rest);
  }

  ascii(text: string): void {
    for (let index = 0; index < text.length; index += 1) this.byte(text.charCodeAt(index));
  }

  take(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }
}

/** Throws RangeError where the bytes end too early. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #place = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#place === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#place];
    if (value === undefined) throw new RangeError("the bytes end too early");
    this.#place += 1;
    return value;
  }

  fixed(byteCount: number): number {
    let value = 0;
    for (let index = 0; index < byteCount; index += 1) value = value * 0x100 + this.byte();
    return value;
  }

  count(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number does not end");
  }

  ascii(length: number): string {
    let text = "";
    for (let index = 0; index < length; index += 1) text += String.fromCharCode(this.byte());
    return text;
  }
}
