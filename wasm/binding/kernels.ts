// One Wasm instance and its typed face. The instance's memory is fixed, so the views never detach; whoever
// instantiates owns all of it: one per isolate or per object.
import { assert } from "#shared/assert.ts";

/** The raw exports: unsigned 64-bit results arrive signed here, so nobody but a binding touches them. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly KEY_OFFSET: WebAssembly.Global;
  readonly KEY_BYTES_MAX: WebAssembly.Global;
  readonly SEED_LOW_OFFSET: WebAssembly.Global;
  readonly SEED_HIGH_OFFSET: WebAssembly.Global;
  readonly INVERSE_WEIGHT_OFFSET: WebAssembly.Global;
  readonly SHARD_COUNT_MAX: WebAssembly.Global;
  xxh64(offset: number, bytes: number, seed: bigint): bigint;
  rendezvousChoose(keyHash: bigint, count: number): number;
  rendezvousChooseKey(keyBytes: number, count: number): number;
}

export interface Kernels {
  readonly exports: KernelExports;
  /** Encodes `text` as UTF-8 at KEY_OFFSET and returns its length in bytes. Throws RangeError where it does not fit. */
  writeKey(text: string): number;
}

/** Synchronous: Workers may compile at upload only, and instantiate at any time. */
export function instantiateKernels(module: WebAssembly.Module): Kernels {
  const exports = new WebAssembly.Instance(module, {}).exports as unknown as KernelExports;
  const keyView = new Uint8Array(exports.memory.buffer, numberOf(exports.KEY_OFFSET), numberOf(exports.KEY_BYTES_MAX));
  const encoder = new TextEncoder();
  return {
    exports,
    writeKey(text) {
      const { read, written } = encoder.encodeInto(text, keyView);
      if (read < text.length) throw new RangeError(`Cannot hash text: it is longer than ${keyView.length} bytes, expected at most that`);
      return written;
    },
  };
}

export function numberOf(global: WebAssembly.Global): number {
  const value: unknown = global.value;
  assert(typeof value === "number", "a layout constant is a 32-bit number");
  return value;
}
