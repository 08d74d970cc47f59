// The tokens of a ledger that has no rate of its own: a regional pool's, lent by its home. They do not grow with time, and whoever has
// spent what was lent waits for the next renewal.

export interface LentTokens {
  /** Neither spent nor lent on. */
  available(flow: string): number;
  /** Of these, those that are for requests which wait for them by name. */
  awaited(flow: string): number;
  /** A negative count comes back. */
  take(flow: string, count: number): void;
}

/** Renewals that bring tokens are so far apart at the least, where they are short. */
export const LENT_TOKENS_MS = 250;
