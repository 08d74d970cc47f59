// What a holder and the ledger of its pool, home pool or quota say to each other. Plain data: it crosses RPC.
// The rules that make repeats and reordering harmless are in docs/design/leases.md.

/** Of one flow, since and until: what a holder has and expects. */
export interface FlowReport {
  readonly flow: string;
  /** Slots it would use until its next renewal. */
  readonly want: number;
  /** Requests that hold a slot now. They stay held, by name of holder and flow, should the lease end. */
  readonly running: number;
  /** Of the lease it lives by it uses no more than this from now on: the rest is returned. */
  readonly keep: number;
  /** Rate tokens it would hold for the requests until its next renewal. */
  readonly tokensWant: number;
  /** Unspent, and kept: they add to what is granted … */
  readonly tokensHeld: number;
  /** … unspent, and given back: no longer used. */
  readonly tokensReturned: number;
}

export interface RenewalRequest {
  /** One life of one holder: never used again. */
  readonly holder: string;
  /** Rises with every new request; a request sent again is the same in every word. */
  readonly sequence: number;
  /** The answer it lives by; 0: none. An answer to any but its newest request it ignores. */
  readonly appliedSequence: number;
  /** A flow left out is given back whole. */
  readonly flows: readonly FlowReport[];
}

export interface FlowGrant {
  readonly flow: string;
  readonly slots: number;
  /** Beside those it kept. */
  readonly tokens: number;
  /** What it wanted and could not have: refuse or queue it. */
  readonly shedCount: number;
}

export type Renewal =
  | {
      readonly ok: true;
      readonly sequence: number;
      /** From the moment the holder first sent the request, on its own clock: nothing is admitted after it. */
      readonly lengthMs: number;
      readonly renewAfterMs: number;
      readonly flows: readonly FlowGrant[];
    }
  | {
      readonly ok: false;
      /** stale: a newer request was answered; unknown: a lease that was never granted; full: too many holders or flows. */
      readonly reason: "stale" | "unknown" | "full";
      readonly sequence: number;
      readonly renewAfterMs: number;
    };
