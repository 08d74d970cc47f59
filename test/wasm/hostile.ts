// What the fuzz of every binding shares: numbers that no caller should pass, refusals, and guards around a structure.
import type { Kernels } from "#wasm/binding/kernels.ts";
import { kernels } from "../support/kernels.ts";

export const HOSTILE = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-300,
  1e300,
  -1e300,
  5e-324,
  2 ** 20,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  Infinity,
  -Infinity,
  Number.NaN,
];
const GUARD_BYTES = 64;

/** Runs it; a RangeError is the binding's refusal, anything else a failure. Returns whether it was accepted. */
export function isAccepted(call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** A table between two guards that must keep their bytes. */
export function guarded<T>(
  make: (subject: Kernels) => T,
  options: { memoryBytes?: number } = {},
): {
  table: T;
  subject: Kernels;
  areGuardsWhole: () => boolean;
} {
  const subject = kernels(options);
  const guard = (): Uint8Array =>
    new Uint8Array(subject.memory, subject.arena.allocate(GUARD_BYTES, "a guard").offset, GUARD_BYTES).fill(0xa5);
  const before = guard();
  const table = make(subject);
  const after = guard();
  return { table, subject, areGuardsWhole: () => [...before, ...after].every((byte) => byte === 0xa5) };
}
