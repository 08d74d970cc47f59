import { assert } from "#shared/assert.ts";

const ALIGNMENT_BYTES = 16;

/** A piece of an instance's memory, 16-aligned, zero when it is handed out. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Who has which part of a fixed memory. Structures of one kind have one size, so what is freed is kept by size and
 * handed out again whole: nothing is split, nothing fragments beyond the largest number there ever was of a kind.
 */
export class Arena {
  readonly #memory: Uint8Array;
  readonly #end: number;
  #next: number;
  readonly #free = new Map<number, number[]>();

  constructor(memory: ArrayBuffer, offset: number) {
    this.#memory = new Uint8Array(memory);
    this.#next = offset;
    this.#end = memory.byteLength;
  }

  /** Bytes that were never handed out. */
  get bytesLeft(): number {
    return this.#end - this.#next;
  }

  /** Throws RangeError, naming `owner`, where the memory has no room. */
  allocate(bytes: number, owner: string): Region {
    assert(Number.isSafeInteger(bytes) && bytes > 0, "a region has a size");
    const size = Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const offset = this.#free.get(size)?.pop() ?? this.#take(size, owner);
    this.#memory.fill(0, offset, offset + size);
    return { offset, bytes: size };
  }

  /** Gives a region back. Its owner must not touch it afterwards. */
  release({ offset, bytes }: Region): void {
    const freed = this.#free.get(bytes);
    if (freed === undefined) this.#free.set(bytes, [offset]);
    else {
      assert(!freed.includes(offset), "a region is given back once");
      freed.push(offset);
    }
  }

  #take(bytes: number, owner: string): number {
    if (bytes > this.bytesLeft) throw new RangeError(`Cannot place ${owner}: ${bytes} bytes wanted, ${this.bytesLeft} left`);
    const offset = this.#next;
    this.#next += bytes;
    return offset;
  }
}
