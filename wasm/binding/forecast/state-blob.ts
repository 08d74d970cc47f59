// A forecaster's state as a blob and back: the envelope is the kernel's (wasm/assembly/forecast/envelope.ts).
import { assert } from "#shared/assert.ts";
import type { Kernels } from "../kernels.ts";

const EXTRA_BYTES = 32;

/** By the kernel's numbers; "other-model" is other settings of any kind. */
const REASONS = ["truncated", "unknown-format", "other-version", "other-model", "corrupt"] as const;

/** Why a blob was refused. Nothing was changed. */
export type ForecastBlobRefusal = (typeof REASONS)[number];

export type RestoreOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: ForecastBlobRefusal };

/** What `write` writes of a state of `bytes`, as a copy. */
export function writeState(kernels: Kernels, bytes: number, write: (into: number) => number): Uint8Array {
  return withBlob(kernels, bytes, (into) => new Uint8Array(kernels.memory).slice(into, into + write(into)));
}

/** What `read` makes of the blob of a state of `bytes`. */
export function readState(
  kernels: Kernels,
  { blob, bytes }: { readonly blob: Uint8Array; readonly bytes: number },
  read: (from: number, blobBytes: number) => number,
): RestoreOutcome {
  // One byte more than is right is enough to be refused for.
  const held = blob.subarray(0, bytes + EXTRA_BYTES + 1);
  const code = withBlob(kernels, bytes, (from) => {
    new Uint8Array(kernels.memory, from, held.length).set(held);
    return read(from, held.length);
  });
  if (code === 0) return { ok: true };
  const reason = REASONS[code - 1];
  assert(reason !== undefined, "a kernel refuses with a reason that has a name");
  return { ok: false, reason };
}

function withBlob<T>(kernels: Kernels, bytes: number, use: (offset: number) => T): T {
  const region = kernels.arena.allocate(bytes + EXTRA_BYTES + 1, "a forecaster's blob");
  try {
    return use(region.offset);
  } finally {
    kernels.arena.release(region);
  }
}
