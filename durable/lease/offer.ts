// What a renewal's answer offers: slots per flow and per lane. Pure.
import { divide } from "./divide.ts";
import { floatOf } from "./float.ts";
import { grantLanes } from "./grant-lanes.ts";
import { isDurable, slotsBy, type FlowRecord, type HolderRecord, type LaneRecord } from "./holder-record.ts";
import type { LedgerPolicy } from "./lease-policy.ts";

interface FlowOffer {
  readonly atMs: number;
  readonly policy: LedgerPolicy;
  readonly slotsFree: number;
  /** The holder's part of the flow's share. */
  readonly partOf: (flow: string) => number;
  /** How far the flow is from its own limit. */
  readonly roomOf: (flow: string) => number;
  /** Others wait for a slot of the flow. */
  readonly isQueued: (flow: string) => boolean;
  readonly tokensFor: (flow: FlowRecord) => number;
}

export function offerFlows(record: HolderRecord, offer: FlowOffer): FlowRecord[] {
  const { atMs, policy, isQueued } = offer;
  // A flow for which others wait: its slots go to them, in their order; the holder keeps what it runs. One that lends on has others
  // who wait, too: its want says so, and it gets its part beside those here.
  const targets = record.flows.map(({ flow, want, running }) =>
    want === 0 ? 0 : Math.min(want, isQueued(flow) && record.lentTo === undefined ? running : offer.partOf(flow)),
  );
  const has = record.flows.map(slotsBy(record, { nowMs: atMs, policy }));
  const more = partsOfFree(record, { targets, has }, offer);
  return record.flows.map((flow, index) => ({
    ...flow,
    offeredSlots: Math.min(targets[index] ?? 0, (has[index] ?? 0) + (more.get(index) ?? 0)),
    isQueued: isQueued(flow.flow),
    tokensOffered: offer.tokensFor(flow),
  }));
}

/**
 * Of what is free, slots for the flows that have less than their target, by their index. No more than half of that at a time, for the
 * next one to find some; where it is short, by weight again. Objects are few, and lend on what they have: they get it whole.
 */
function partsOfFree(
  record: HolderRecord,
  { targets, has }: { readonly targets: readonly number[]; readonly has: readonly number[] },
  { policy, slotsFree, roomOf }: FlowOffer,
): ReadonlyMap<number, number> {
  const open = Math.max(0, slotsFree - floatOf(policy));
  const lacking = targets.flatMap((target, index) => (target > (has[index] ?? 0) ? [index] : []));
  const parts = divide(
    isDurable(record, policy) ? open : Math.ceil(open / 2),
    lacking.map((index) => {
      const flow = record.flows[index]?.flow ?? "";
      const want = Math.min((targets[index] ?? 0) - (has[index] ?? 0), roomOf(flow));
      return { want, weight: Math.max(1, policy.flow(flow).weight), reserve: 0 };
    }),
  );
  return new Map(lacking.map((index, place) => [index, parts[place] ?? 0]));
}

interface LaneOffer {
  readonly atMs: number;
  readonly policy: LedgerPolicy;
  readonly slotsFreeIn: (lane: string) => number;
  /** Out in it, at all holders. */
  readonly slotsIn: (lane: string) => number;
}

/** Lanes for a holder with so many slots in its flows. */
export function offerLanes(record: HolderRecord, slots: number, { atMs, policy, slotsFreeIn, slotsIn }: LaneOffer): LaneRecord[] {
  const known = new Map(record.lanes.map((lane) => [lane.lane, lane]));
  const slotsOf = slotsBy(record, { nowMs: atMs, policy });
  const lanes = [...policy.lanes].map(([lane, capacity]) => {
    const of = known.get(lane) ?? { lane, want: 0, running: 0, appliedSlots: 0, offeredSlots: 0 };
    const had = slotsOf(of);
    const out = slotsIn(lane);
    // A lane that shrank below what is out is given back by all in proportion, though the flows' slots may fit elsewhere.
    const has = out > capacity ? Math.floor((had * capacity) / out) : had;
    return { of, claim: { want: of.want, running: of.running, has, free: slotsFreeIn(lane), capacity } };
  });
  const granted = grantLanes(
    slots,
    lanes.map(({ claim }) => claim),
  );
  const inService = lanes.map(({ of }, index) => ({ ...of, offeredSlots: granted[index] ?? 0 }));
  const others = record.lanes.filter(({ lane }) => !policy.lanes.has(lane));
  return [...inService.filter(({ running, appliedSlots, offeredSlots }) => running + appliedSlots + offeredSlots > 0), ...others];
}
