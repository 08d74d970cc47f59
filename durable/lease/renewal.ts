// The steps of a renewal that need no other holder: what carries over from the last one, and the
// answer in words.
import { assert } from "#shared/assert.ts";
import type { AdoptedSlot, HandedSlot, LaneReport, Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { UNITS_MAX } from "./divide.ts";
import { handedOf } from "./handed-slots.ts";
import { LEASE_MS_MIN } from "./lease-pace.ts";
import {
  isDurable,
  promiseOf,
  slotsBy,
  type FlowRecord,
  type HolderRecord,
  type HoldPolicy,
  type LaneRecord,
  type SlotsRecord,
} from "./holder-record.ts";

/** A holder is our own code: a request that breaks this is its bug. */
export function checkRequest({ sequence, appliedSequence, flows, lanes, lentTo = 1 }: RenewalRequest): void {
  assert(Number.isSafeInteger(lentTo) && lentTo >= 1 && lentTo <= UNITS_MAX, "a lease is lent on to a whole number of holders");
  assert(Number.isSafeInteger(sequence) && sequence >= 1 && appliedSequence < sequence, "a renewal follows the answer it lives by");
  const [flowsNamed, lanesNamed] = [new Set<string>(), new Set<string>()];
  let isCounted = true;
  for (const { flow, want, running, keep, tokensWant, tokensHeld, tokensReturned, tokensNow = 0 } of flows) {
    flowsNamed.add(flow);
    isCounted &&= isCount(want) && isCount(running) && isCount(keep);
    isCounted &&= isCount(tokensWant) && isCount(tokensHeld) && isCount(tokensReturned) && isCount(tokensNow);
  }
  for (const { lane, want, running, keep } of lanes) {
    lanesNamed.add(lane);
    isCounted &&= isCount(want) && isCount(running) && isCount(keep);
  }
  assert(flowsNamed.size === flows.length, "a renewal names a flow once");
  assert(lanesNamed.size === lanes.length, "a renewal names a lane once");
  assert(isCounted, "a renewal counts in whole numbers up to UNITS_MAX");
}

function isCount(count: number): boolean {
  return Number.isInteger(count) && count >= 0 && count <= UNITS_MAX;
}

interface CarryOverInput {
  readonly known: HolderRecord | undefined;
  readonly request: RenewalRequest;
  readonly nowMs: number;
  readonly slotsFree: number;
  readonly slotsFreeIn: (lane: string) => number;
  /** Its slots by name that the ledger has just dropped, to count them here. */
  readonly adopted: readonly AdoptedSlot[];
  /** Of what is counted for it, what the ledger is about to count as its own. */
  readonly handed: readonly HandedSlot[];
  readonly ownerOf: (slotId: string) => string | undefined;
  readonly policy: HoldPolicy;
}

interface CarriedOver {
  /** With nothing offered yet. */
  readonly record: HolderRecord;
  readonly tokensBack: readonly { readonly flow: string; readonly count: number }[];
  /** Requests that run at the holder and that nothing counted for it, nor had room for: 0, or a promise is broken. */
  readonly overshootCount: number;
}

/** Why a renewal is not answered with a lease; null: it is. */
export function refusalReason(
  request: RenewalRequest,
  {
    known,
    holderCount,
    policy,
  }: {
    known: HolderRecord | undefined;
    holderCount: number;
    policy: { readonly holdersMax: number; readonly flowsPerHolderMax: number };
  },
): "stale" | "full" | "unknown" | null {
  if (known !== undefined && request.sequence < known.sequence) return "stale";
  if ((known === undefined && holderCount >= policy.holdersMax) || request.flows.length > policy.flowsPerHolderMax) return "full";
  return isUnknown(known, request) ? "unknown" : null;
}

/** Whether the holder lives by a lease of nobody's. */
function isUnknown(known: HolderRecord | undefined, { appliedSequence }: RenewalRequest): boolean {
  return known !== undefined && appliedSequence !== 0 && promiseOf(known, appliedSequence) === null;
}

/** The holder as its request describes it, bounded by what it was promised. */
export function carryOver(input: CarryOverInput): CarriedOver {
  const { known, request, nowMs } = input;
  const before = new Map(known?.flows.map((flow) => [flow.flow, flow]));
  const lanesBefore = new Map(known?.lanes.map((lane) => [lane.lane, lane]));
  const carry = carrying(input);
  const adoptedIn = Map.groupBy(input.adopted, ({ flow }) => flow);
  const adoptedInLanes = Map.groupBy(input.adopted, ({ lane }) => lane);
  const handedIn = Map.groupBy(input.handed, ({ flow }) => flow);
  const handedInLanes = Map.groupBy(input.handed, ({ lane }) => lane);
  let slotsFree = Math.max(0, input.slotsFree - input.adopted.length);
  let overshootCount = 0;
  const flows = request.flows.map((report): FlowRecord => {
    const adoptedCount = adoptedIn.get(report.flow)?.length ?? 0;
    const handedCount = handedIn.get(report.flow)?.length ?? 0;
    const carried = carry({ report, old: before.get(report.flow), free: slotsFree, adoptedCount, handedCount });
    slotsFree -= carried.taken;
    overshootCount += carried.overshootCount;
    const { flow, tokensWant, tokensHeld, tokensNow } = report;
    return {
      flow,
      ...carried.slots,
      isQueued: false,
      tokensWant,
      tokensHeld,
      tokensOffered: 0,
      ...(tokensNow !== undefined && { tokensNow }),
    };
  });
  const lanes = request.lanes.map((report): LaneRecord => {
    const adoptedCount = adoptedInLanes.get(report.lane)?.length ?? 0;
    const free = Math.max(0, input.slotsFreeIn(report.lane) - adoptedCount);
    const handedCount = handedInLanes.get(report.lane)?.length ?? 0;
    const carried = carry({ report, old: lanesBefore.get(report.lane), free, adoptedCount, handedCount });
    overshootCount = Math.max(overshootCount, carried.overshootCount);
    return { lane: report.lane, ...carried.slots };
  });
  const record: HolderRecord = {
    holder: request.holder,
    sequence: request.sequence,
    answeredAtMs: nowMs,
    // Live, so that what runs is counted while the grant is worked out.
    expiresAtMs: nowMs + LEASE_MS_MIN,
    appliedSequence: request.appliedSequence,
    appliedExpiresAtMs: known === undefined ? 0 : (promiseOf(known, request.appliedSequence)?.expiresAtMs ?? 0),
    lengthMs: 0,
    renewAfterMs: 0,
    flows,
    lanes,
    adopted: request.adopted.map(({ slotId }) => slotId),
    ...(request.lentTo !== undefined && { lentTo: request.lentTo }),
    ...handedOf(input, input.handed),
  };
  return { record, tokensBack: tokensBack(input, before), overshootCount };
}

interface CarriedSlots {
  readonly slots: SlotsRecord;
  /** Of what was free. */
  readonly taken: number;
  readonly overshootCount: number;
}

interface CarriedInput {
  readonly report: Omit<LaneReport, "lane">;
  readonly old: SlotsRecord | undefined;
  readonly free: number;
  readonly adoptedCount: number;
  readonly handedCount: number;
}

/** The same for a flow and for a lane. */
function carrying({ known, request, nowMs, policy }: CarryOverInput): (input: CarriedInput) => CarriedSlots {
  const promise = known === undefined ? null : promiseOf(known, request.appliedSequence);
  const leasedOf = known === undefined ? (): number => 0 : slotsBy(known, { nowMs, policy });
  // A durable holder's own word counts, by its own clock: what it keeps it may still use.
  const isLive = promise !== null && (nowMs < promise.expiresAtMs || isDurable(request, policy));
  return ({ report, old, free, adoptedCount, handedCount }) => {
    const counted = Math.max(0, (old === undefined ? 0 : leasedOf(old)) + adoptedCount - handedCount);
    // A holder that runs more than it was promised (its clock, or ours, was wrong) gets what room there is for it.
    const running = Math.min(report.running, counted + free);
    const appliedSlots = isLive && old !== undefined ? Math.min(report.keep, Math.max(0, promise.slots(old) - handedCount)) : 0;
    return {
      slots: { want: report.want, running, appliedSlots, offeredSlots: 0 },
      taken: Math.max(0, running - counted),
      overshootCount: report.running - running,
    };
  };
}

/** What the holder gives back, and the tokens of an answer that it never lived by and never will. */
function tokensBack({ known, request, policy }: CarryOverInput, before: ReadonlyMap<string, FlowRecord>): CarriedOver["tokensBack"] {
  // One that lends on and has applied nothing may have forgotten that it lived by that answer, and lent its tokens on: they are spent.
  const isForgotten = isDurable(request, policy) && request.appliedSequence === 0;
  const isUnused = known !== undefined && request.appliedSequence !== known.sequence && !isForgotten;
  const back = new Map(isUnused ? known.flows.map(({ flow, tokensOffered }) => [flow, tokensOffered]) : []);
  for (const { flow, tokensReturned } of request.flows) {
    if (tokensReturned === 0) continue;
    const old = before.get(flow);
    const returned = Math.min(tokensReturned, old === undefined ? 0 : old.tokensHeld + old.tokensOffered);
    back.set(flow, (back.get(flow) ?? 0) + returned);
  }
  return [...back].filter(([, count]) => count > 0).map(([flow, count]) => ({ flow, count }));
}

export function answerOf({ sequence, lengthMs, renewAfterMs, flows, lanes, handed }: HolderRecord): Renewal {
  return {
    ok: true,
    sequence,
    lengthMs,
    renewAfterMs,
    flows: flows.map(({ flow, offeredSlots, tokensOffered, isQueued, running }) => ({
      flow,
      slots: offeredSlots,
      tokens: tokensOffered,
      isQueued,
      named: running,
    })),
    lanes: lanes.map(({ lane, offeredSlots, running }) => ({ lane, slots: offeredSlots, named: running })),
    ...(handed !== undefined && { handed }),
  };
}
