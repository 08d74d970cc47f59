// A class's flows and their shares of what it may have. Pure.
import { divide, type Claim } from "./divide.ts";
import type { Contribution } from "./flow-totals.ts";
import type { FlowPolicy } from "./lease-policy.ts";

export interface FlowTotal {
  readonly ofClass: ClassTotal;
  slots: number;
  running: number;
  want: number;
  pinned: number;
  tokensWant: number;
  tokensOut: number;
  readonly policy: Pick<FlowPolicy, "weight">;
  /** As it was last told: shares follow with the next word, whatever has changed since. */
  slotsMax: number;
  readonly by: Map<string, Contribution>;
}

export interface ClassTotal {
  readonly className: string;
  slots: number;
  want: number;
  pinned: number;
  readonly flows: Map<string, FlowTotal>;
  /** Null: to be divided anew. */
  shares: Shares | null;
  /** By how many slots the demands have changed since. */
  drift: number;
  share: number;
  /** Its flows by name; null: they changed. */
  order: readonly string[] | null;
}

/**
 * A class of many flows is not divided anew for each request that comes or ends: until the demands have changed by one in so many of its flows, a share
 * follows its own flow's demand up to what the last division gave to each weight. Of fewer flows than that it is exact at any time.
 */
const DRIFT_DIVISOR = 32;

export function freshClass(className: string): ClassTotal {
  return { className, slots: 0, want: 0, pinned: 0, flows: new Map(), shares: null, drift: 0, share: 0, order: null };
}

/** Its demands have changed by so many slots. */
export function noteChange(ofClass: ClassTotal, count: number): void {
  ofClass.drift += count;
  if (ofClass.drift * DRIFT_DIVISOR > ofClass.flows.size) ofClass.shares = null;
}

/** The flow's share where its class gets less than it wants. */
export function shareWithin(ofClass: ClassTotal, flow: string): number {
  if (ofClass.shares === null) {
    ofClass.shares = divideWithin(ofClass);
    ofClass.drift = 0;
  }
  const { byFlow, level } = ofClass.shares;
  const total = ofClass.flows.get(flow);
  const share = byFlow.get(flow) ?? 0;
  if (ofClass.drift === 0 || total === undefined) return share;
  return Math.max(total.pinned, Math.min(demandOf(total), Math.max(share, Math.floor(level * total.policy.weight))));
}

export function demandOf({ want, pinned, slotsMax }: FlowTotal): number {
  return Math.max(Math.min(want, slotsMax), pinned);
}

/** One share for each weight, below the flows' own demands: what a flow may have whose demand is another since. */
interface Shares {
  readonly byFlow: ReadonlyMap<string, number>;
  readonly level: number;
}

function divideWithin(ofClass: ClassTotal): Shares {
  ofClass.order ??= [...ofClass.flows.keys()].toSorted(compare);
  const { order, flows } = ofClass;
  const claims = order.map((flow): Claim => {
    const total = flows.get(flow);
    return { want: total === undefined ? 0 : demandOf(total), weight: total?.policy.weight ?? 0, reserve: 0, pinned: total?.pinned ?? 0 };
  });
  const shares = divide(ofClass.share, claims);
  let level = Infinity;
  for (const [index, { want, weight, pinned = 0 }] of claims.entries()) {
    const share = shares[index] ?? 0;
    if (share < want && share > pinned && weight > 0) level = Math.min(level, share / weight);
  }
  return { byFlow: new Map(order.map((flow, index) => [flow, shares[index] ?? 0])), level: level === Infinity ? 0 : level };
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
