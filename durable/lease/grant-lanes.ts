// Which lanes a holder's slots lie in. Pure. A holder gets as many slots in lanes as it has in flows, and some more
// where a lane has plenty, so that a key's own lane is seldom full while another's stands idle.
//
// Promise: no lane's slots grow by more than is free in it, so the sum over holders never exceeds the lane's capacity.
import { divide } from "./divide.ts";

export interface LaneClaim {
  /** What the holder expects to use in this lane; a floor as far as it fits. */
  readonly want: number;
  readonly running: number;
  /** What the ledger counts for the holder already. */
  readonly has: number;
  /** What nobody has. */
  readonly free: number;
  readonly capacity: number;
}

/** A holder's surplus in a lane is at most this part of what is free there: the next one finds the rest. */
const SURPLUS_DIVISOR = 4;

/** Slots per lane, in the claims' order, for a holder with `slots` in its flows. */
export function grantLanes(slots: number, claims: readonly LaneClaim[]): number[] {
  // While it has enough it stays where it is: a slot that moves counts in both places until the next renewal.
  const isEnough = claims.reduce((total, { has }) => total + has, 0) >= slots;
  const base = divide(
    slots,
    claims.map(({ want, running, has, free, capacity }) =>
      isEnough
        ? { want: Math.min(has, slots), weight: Math.max(1, has), reserve: running }
        : { want: Math.min(has + free, slots), weight: Math.max(1, capacity), reserve: want },
    ),
  );
  return base.map((of, index) => {
    const { has = 0, free = 0 } = claims[index] ?? {};
    const surplus = Math.floor(Math.max(0, has + free - of) / SURPLUS_DIVISOR);
    return Math.min(of + surplus, has + free, slots);
  });
}
