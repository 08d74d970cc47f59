import type { Kernels } from "./kernels.ts";

/**
 * XXH64 of the text's UTF-8 bytes, as an unsigned 64-bit integer. `seed` is taken modulo 2⁶⁴.
 * Throws RangeError for text of more than 8 KiB. Source: wasm/assembly/hash/xxh64.ts.
 */
export function xxh64({ exports, keyOffset, writeKey }: Kernels, text: string, seed = 0n): bigint {
  return BigInt.asUintN(64, exports.xxh64(keyOffset, writeKey(text), seed));
}

/**
 * XXH3-64 of the text's UTF-8 bytes, as an unsigned 64-bit integer. `seed` is taken modulo 2⁶⁴.
 * Throws RangeError for text of more than 8 KiB. Source: wasm/assembly/hash/xxh3.ts.
 */
export function xxh3({ exports, keyOffset, writeKey }: Kernels, text: string, seed = 0n): bigint {
  return BigInt.asUintN(64, exports.xxh3(keyOffset, writeKey(text), seed));
}
