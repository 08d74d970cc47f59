// One Wasm instance and its typed face. Its memory is fixed, so views never detach; whoever instantiates owns all
// of it: one per isolate or per object, as large as what is placed in it.
import { assert } from "#shared/assert.ts";
import { Arena } from "./arena.ts";
import type { KernelExports } from "./kernel-exports.ts";

const PAGE_BYTES = 65_536;
/** asconfig.json declares the same bounds for the memory that it imports. */
const PAGE_COUNT_MIN = 2;
const PAGE_COUNT_MAX = 1_024;
/** Up to this length a loop over ASCII beats `encodeInto` (12 characters: 19 ns to 30; from 30 characters it loses). */
const SHORT_KEY_LENGTH_MAX = 24;

export interface Kernels {
  readonly exports: KernelExports;
  readonly memory: ArrayBuffer;
  readonly arena: Arena;
  /** Where `writeKey` and `writeBytes` write. */
  readonly keyOffset: number;
  /** Encodes `text` as UTF-8 at `keyOffset` and returns its length in bytes. Throws RangeError where it does not fit. */
  writeKey(text: string): number;
  /** The same for bytes. */
  writeBytes(bytes: Uint8Array): number;
}

/** Synchronous: Workers compile at upload only, and instantiate at any time. `memoryBytes` is rounded up to pages of 64 KiB. */
export function instantiateKernels(module: WebAssembly.Module, { memoryBytes = 2 * PAGE_BYTES }: { memoryBytes?: number } = {}): Kernels {
  const pages = Math.max(PAGE_COUNT_MIN, Math.ceil(memoryBytes / PAGE_BYTES));
  if (!(pages <= PAGE_COUNT_MAX))
    throw new RangeError(`Cannot make a memory of ${memoryBytes} bytes: expected at most ${PAGE_COUNT_MAX * PAGE_BYTES}`);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
  const keyOffset = numberOf(exports.KEY_OFFSET);
  const keyView = new Uint8Array(memory.buffer, keyOffset, numberOf(exports.KEY_BYTES_MAX));
  const keyWords = new Int32Array(memory.buffer, keyOffset, SHORT_KEY_LENGTH_MAX / 4);
  const encoder = new TextEncoder();
  const tooLong = (): RangeError => new RangeError(`Cannot pass a key: it is longer than ${keyView.length} bytes, expected at most that`);
  return {
    exports,
    memory: memory.buffer,
    arena: new Arena(memory.buffer, numberOf(exports.ARENA_OFFSET)),
    keyOffset,
    writeKey(text) {
      if (text.length <= SHORT_KEY_LENGTH_MAX && writeAscii(text, keyWords)) return text.length;
      const { read, written } = encoder.encodeInto(text, keyView);
      if (read < text.length) throw tooLong();
      return written;
    },
    writeBytes(bytes) {
      if (bytes.length > keyView.length) throw tooLong();
      keyView.set(bytes);
      return bytes.length;
    },
  };
}

/** Four characters at a time, as the hash reads them; the last word's rest is 0. */
function writeAscii(text: string, words: Int32Array): boolean {
  const { length } = text;
  let units = 0;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    // An ASCII character is one UTF-16 unit; code points would cost a second look at each.
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    units |= a | b | c | d;
    words[index >> 2] = a | (b << 8) | (c << 16) | (d << 24);
  }
  if (index < length) {
    let word = 0;
    for (let shift = 0; index + (shift >> 3) < length; shift += 8) {
      const unit = text.charCodeAt(index + (shift >> 3));
      units |= unit;
      word |= unit << shift;
    }
    words[index >> 2] = word;
  }
  return units < 0x80;
}

function numberOf(global: WebAssembly.Global): number {
  const value: unknown = global.value;
  assert(typeof value === "number", "a layout constant is a 32-bit number");
  return value;
}
