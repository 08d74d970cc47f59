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
  /** Of these, those for which somebody waits now, who holds none: spent as they come. Absent: 0. */
  readonly tokensNow?: number;
  /** Unspent, and kept: they add to what is granted … */
  readonly tokensHeld: number;
  /** … unspent, and given back: no longer used. */
  readonly tokensReturned: number;
}

/** Of one lane, which is an endpoint with a capacity of its own: every request has a slot of its flow and one of its lane. */
export interface LaneReport {
  readonly lane: string;
  readonly want: number;
  readonly running: number;
  readonly keep: number;
}

/** A slot that the pool granted by name to one request, which the renewal counts among `running` from now on. */
export interface AdoptedSlot {
  readonly slotId: string;
  readonly flow: string;
  readonly lane: string;
}

/** A socket's slot that a regional pool named and gives over to its home, which has it from the answer on, by the same name. */
export interface HandedSlot {
  readonly slotId: string;
  /** Whose it is to be. */
  readonly owner: string;
  readonly flow: string;
  readonly lane: string;
  readonly shardId: string;
  readonly device?: string | undefined;
  /** From now on; null: until it is released. */
  readonly lifeMs: number | null;
}

export interface RenewalRequest {
  /** One life of one holder: never used again. */
  readonly holder: string;
  /** Rises with every new request; a request sent again is the same in every word. */
  readonly sequence: number;
  /** The answer it lives by; 0: none. An answer to any but its newest request it ignores. */
  readonly appliedSequence: number;
  /** The holder is an object that lends on what it holds, to so many holders of its own, and 1 at least: its whole lease is held
   * after the lease's end, because it comes back with what it lent. Absent: what it holds it uses itself. */
  readonly lentTo?: number;
  /** A flow left out is given back whole. */
  readonly flows: readonly FlowReport[];
  readonly lanes: readonly LaneReport[];
  readonly adopted: readonly AdoptedSlot[];
  /** No longer counted among what runs or is kept. Each is named with every request until one that named it is answered. */
  readonly handed?: readonly HandedSlot[];
  /** Not each that may have been named before is among them: what was taken of those is remembered. */
  readonly handsMore?: true;
}

export interface FlowGrant {
  readonly flow: string;
  readonly slots: number;
  /** Beside those it kept. */
  readonly tokens: number;
  /** Others wait in the pool for a slot of this flow: new requests queue there, a slot that ends is returned at once. */
  readonly isQueued: boolean;
  /** Of `running`, what the ledger counts; the holder ends the rest. */
  readonly named: number;
}

export interface LaneGrant {
  readonly lane: string;
  readonly slots: number;
  readonly named: number;
}

export type Renewal =
  | {
      readonly ok: true;
      readonly sequence: number;
      /** From the moment the holder first sent the request, on its own clock: nothing is admitted after it. */
      readonly lengthMs: number;
      readonly renewAfterMs: number;
      readonly flows: readonly FlowGrant[];
      readonly lanes: readonly LaneGrant[];
      /** Of those handed over, the names of those that were taken; the others are nobody's. */
      readonly handed?: readonly string[];
    }
  | {
      readonly ok: false;
      /** stale: a newer request was answered; unknown: a lease that was never granted; full: too many holders or flows. */
      readonly reason: "stale" | "unknown" | "full";
      readonly sequence: number;
      readonly renewAfterMs: number;
    };
