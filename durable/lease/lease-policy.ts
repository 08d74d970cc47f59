// What the configuration says to a ledger.
import type { ClassShare } from "./divide.ts";
import type { LentTokens } from "./lent-tokens.ts";
import type { RatePolicy } from "./rate-budget.ts";
import type { SharedTokens } from "./shared-tokens.ts";

/** As it is when it is read: what is lent to the flow changes. */
export interface FlowPolicy {
  readonly className: string;
  readonly weight: number;
  readonly slotsMax: number;
  readonly rate: RatePolicy | null;
  /** What its tokens are paid from as well, beside its rate or without one. */
  readonly shared?: SharedTokens | undefined;
}

export interface LedgerPolicy {
  /** At most the sum of the lanes' slots. */
  readonly capacity: number;
  /** Slots of each lane: of an endpoint. What is running in a lane that is left out runs on; nothing new begins there. */
  readonly lanes: ReadonlyMap<string, number>;
  readonly classes: ReadonlyMap<string, ClassShare>;
  readonly flow: (flow: string) => FlowPolicy;
  /** Is told of each flow whose slots, wants or tokens may be others now. */
  readonly flowChanged?: (flow: string) => void;
  readonly requestDurationMsMax: number;
  /** Holders are objects: their whole lease is held after its end, so no jump of the clock ends one early, and each counts in full. */
  readonly areHoldersDurable?: boolean;
  /** How long what a holder that lends on has lent may be used after its own lease. */
  readonly lentDurationMsMax?: number;
  /** How long leases are where the occupancy here does not say it: a regional pool's are as long as its own at home. */
  readonly leaseMs?: number;
  /** Tokens come from a lease, not with time: a regional pool's. */
  readonly lentTokens?: LentTokens;
  readonly holdersMax: number;
  readonly flowsPerHolderMax: number;
}
