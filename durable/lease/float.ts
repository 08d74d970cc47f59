const FLOAT_DIVISOR = 16;

/** Slots that leases leave in the pool, for those who ask it: an isolate that just began, or whose lease is too small. */
export function floatOf(capacity: number): number {
  return Math.floor(capacity / FLOAT_DIVISOR);
}
