// Tokens of a limit over more than this ledger: lent to it by another object, and paid for beside the flows' own rates.

/** Of one limit, which several flows of the ledger have in common. */
export interface SharedTokens {
  /** Neither spent nor lent on; Infinity: not limited for now. */
  available(): number;
  /** Of these, those that are for requests which wait for them by name. */
  awaited(): number;
  /** A negative count comes back. */
  take(count: number): void;
  /** Whose tokens they are. */
  readonly flows: readonly { readonly flow: string; readonly weight: number }[];
}
