// The ledger's own time: never goes back, and no step of the machine's clock moves it ahead by more than
// `gapMsMax`. An error in the other direction only lengthens leases, which is safe.

export interface LeaseClock {
  readonly seenMs: number;
  readonly ledgerMs: number;
}

/** `isGapTrusted`: nothing is out, or the object has just started, so any time may have passed unseen. */
/** Before its first reading. */
export const UNSEEN: LeaseClock = { seenMs: 0, ledgerMs: 0 };
/** Of a holder: whatever lies ahead has passed, so that a lease ends rather early than late. */
export const FORWARD = { gapMsMax: Infinity, isGapTrusted: true };

export function advanceClock(
  clock: LeaseClock,
  nowMs: number,
  { gapMsMax, isGapTrusted }: { gapMsMax: number; isGapTrusted: boolean },
): LeaseClock {
  const elapsedMs = Math.max(0, nowMs - clock.seenMs);
  const countedMs = isGapTrusted ? elapsedMs : Math.min(elapsedMs, gapMsMax);
  return { seenMs: nowMs, ledgerMs: clock.ledgerMs + countedMs };
}
