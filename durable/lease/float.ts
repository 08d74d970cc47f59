import type { LedgerPolicy } from "./lease-policy.ts";

export const FLOAT_DIVISOR = 16;

/** Slots that leases leave in the pool, for those who ask it: an isolate that just began, or whose lease is too small. Objects do not ask. */
export function floatOf({ capacity, areHoldersDurable = false }: Pick<LedgerPolicy, "capacity" | "areHoldersDurable">): number {
  return areHoldersDurable ? 0 : Math.floor(capacity / FLOAT_DIVISOR);
}
