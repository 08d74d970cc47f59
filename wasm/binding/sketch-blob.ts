import { assert } from "#shared/assert.ts";
import type { Offset } from "./kernel-exports.ts";
import type { Kernels } from "./kernels.ts";

/** By the kernels' numbers (wasm/assembly/sketch/codec.ts). */
const REASONS = ["truncated", "unknown-format", "malformed", "inconsistent", "too-many", "other-shape"] as const;

export type BlobRefusal = (typeof REASONS)[number];

/** A blob that is refused changes nothing. */
export type MergeOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: BlobRefusal };

/** Lends `bytes` of memory to `use`: the key area where they fit, a piece of the arena where not. */
function withScratch<T>(kernels: Kernels, bytes: number, use: (offset: Offset) => T): T {
  if (bytes <= Number(kernels.exports.KEY_BYTES_MAX.value)) return use(kernels.keyOffset);
  const region = kernels.arena.allocate(bytes, "a sketch's blob");
  try {
    return use(region.offset);
  } finally {
    kernels.arena.release(region);
  }
}

/** What `write` writes into at most `bytesMax` bytes, as a copy. */
export function writeBlob(kernels: Kernels, bytesMax: number, write: (into: Offset, bytesMax: number) => number): Uint8Array {
  return withScratch(kernels, bytesMax, (into) => new Uint8Array(kernels.memory).slice(into, into + write(into, bytesMax)));
}

export interface BlobReading {
  readonly blob: Uint8Array;
  /** No blob of this kind is longer. */
  readonly bytesMax: number;
  /** Returns the kernel's number: 0 or why not. */
  readonly read: (from: Offset, bytes: number) => number;
}

export function readBlob(kernels: Kernels, { blob, bytesMax, read }: BlobReading): MergeOutcome {
  if (blob.length > bytesMax) return { ok: false, reason: "malformed" };
  const code = withScratch(kernels, bytesMax, (from) => {
    new Uint8Array(kernels.memory, from, blob.length).set(blob);
    return read(from, blob.length);
  });
  if (code === 0) return { ok: true };
  const reason = REASONS[code - 1];
  assert(reason !== undefined, "a kernel refuses with a reason that has a name");
  return { ok: false, reason };
}
