// The ledger's own time: never goes back, and no step of the machine's clock moves it ahead by more than
// `gapMsMax`. An error in the other direction only lengthens leases, which is safe.

export interface LeaseClock {
  readonly seenMs: number;
  readonly ledgerMs: number;
}

/** Before its first reading. */
export const UNSEEN: LeaseClock = { seenMs: 0, ledgerMs: 0 };
/** Of a holder: whatever lies ahead has passed, so that a lease ends rather early than late. */
export const FORWARD = { gapMsMax: Infinity, isGapTrusted: true };

/** What is paid off as time passes: a time that does not go back, so that a clock that was set back makes nobody wait for as long. */
export class PassingTime {
  #clock = UNSEEN;

  at(nowMs: number): number {
    this.#clock = advanceClock(this.#clock, nowMs, FORWARD);
    return this.#clock.ledgerMs;
  }
}

/** `isGapTrusted`: nothing is out, or the object has just started, so any time may have passed unseen. */
export function advanceClock(
  clock: LeaseClock,
  nowMs: number,
  { gapMsMax, isGapTrusted }: { gapMsMax: number; isGapTrusted: boolean },
): LeaseClock {
  const elapsedMs = Math.max(0, nowMs - clock.seenMs);
  const countedMs = isGapTrusted ? elapsedMs : Math.min(elapsedMs, gapMsMax);
  return { seenMs: nowMs, ledgerMs: clock.ledgerMs + countedMs };
}
