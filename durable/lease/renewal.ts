// The steps of a renewal that need no other holder: what carries over from the last one, how long the next lease is,
// and the answer in words.
import { assert } from "#shared/assert.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { UNITS_MAX } from "./divide.ts";
import { promiseOf, slotsOf, type FlowRecord, type HolderRecord, type HoldPolicy } from "./holder-record.ts";

/** Above it nothing is gained: a holder renews every few seconds for its telemetry's sake. */
export const LEASE_MS_MAX = 8_000;
/** Below it the renewals cost more than the fairness is worth. */
export const LEASE_MS_MIN = 2_000;

/** Longest while three quarters of the capacity would do, shortest from the whole of it on, straight between. */
export function leaseLengthMs(demand: number, capacity: number): number {
  const spareQuarters = Math.min(1, Math.max(0, (4 * (capacity - demand)) / Math.max(1, capacity)));
  return LEASE_MS_MIN + Math.floor((LEASE_MS_MAX - LEASE_MS_MIN) * spareQuarters);
}

/** A holder is our own code: a request that breaks this is its bug. */
export function checkRequest({ sequence, appliedSequence, flows }: RenewalRequest): void {
  assert(Number.isSafeInteger(sequence) && sequence >= 1 && appliedSequence < sequence, "a renewal follows the answer it lives by");
  assert(new Set(flows.map(({ flow }) => flow)).size === flows.length, "a renewal names a flow once");
  const counts = flows.flatMap(({ want, running, keep, tokensWant, tokensHeld, tokensReturned }) => [
    want,
    running,
    keep,
    tokensWant,
    tokensHeld,
    tokensReturned,
  ]);
  assert(
    counts.every((count) => Number.isSafeInteger(count) && count >= 0 && count <= UNITS_MAX),
    "a renewal counts in whole numbers up to UNITS_MAX",
  );
}

interface CarryOverInput {
  readonly known: HolderRecord | undefined;
  readonly request: RenewalRequest;
  readonly nowMs: number;
  readonly slotsFree: number;
  readonly policy: HoldPolicy;
}

interface CarriedOver {
  /** With nothing offered yet. */
  readonly record: HolderRecord;
  readonly tokensBack: readonly { readonly flow: string; readonly count: number }[];
}

/** The holder as its request describes it, bounded by what it was promised; null: it lives by a lease of nobody's. */
export function carryOver({ known, request, nowMs, slotsFree, policy }: CarryOverInput): CarriedOver | null {
  const promise = known === undefined ? null : promiseOf(known, request.appliedSequence);
  if (known !== undefined && promise === null && request.appliedSequence !== 0) return null;
  const before = new Map(known?.flows.map((flow) => [flow.flow, flow]));
  let free = slotsFree;
  const flows = request.flows.map((report): FlowRecord => {
    const old = before.get(report.flow);
    const counted = known === undefined || old === undefined ? 0 : slotsOf(known, old, { nowMs, policy });
    // A holder that runs more than it was promised (its clock, or ours, was wrong) gets what room there is for it.
    const running = Math.min(report.running, counted + free);
    free -= Math.max(0, running - counted);
    // A durable holder's own word counts, by its own clock: what it keeps it may still use.
    const isLive = promise !== null && (nowMs < promise.expiresAtMs || policy.areHoldersDurable === true);
    const appliedSlots = isLive && old !== undefined ? Math.min(report.keep, promise.slots(old)) : 0;
    const { flow, want, tokensWant, tokensHeld } = report;
    return { flow, want, running, appliedSlots, offeredSlots: 0, tokensWant, tokensHeld, tokensOffered: 0 };
  });
  const record: HolderRecord = {
    holder: request.holder,
    sequence: request.sequence,
    answeredAtMs: nowMs,
    // Live, so that what runs is counted while the grant is worked out.
    expiresAtMs: nowMs + LEASE_MS_MIN,
    appliedSequence: request.appliedSequence,
    appliedExpiresAtMs: promise?.expiresAtMs ?? 0,
    lengthMs: 0,
    renewAfterMs: 0,
    flows,
  };
  return { record, tokensBack: tokensBack(known, request, before) };
}

/** What the holder gives back, and the tokens of an answer that it never lived by and never will. */
function tokensBack(
  known: HolderRecord | undefined,
  request: RenewalRequest,
  before: ReadonlyMap<string, FlowRecord>,
): CarriedOver["tokensBack"] {
  const isUnused = known !== undefined && request.appliedSequence !== known.sequence;
  const back = new Map(isUnused ? known.flows.map(({ flow, tokensOffered }) => [flow, tokensOffered]) : []);
  for (const { flow, tokensReturned } of request.flows) {
    const old = before.get(flow);
    const returned = Math.min(tokensReturned, old === undefined ? 0 : old.tokensHeld + old.tokensOffered);
    back.set(flow, (back.get(flow) ?? 0) + returned);
  }
  return [...back].filter(([, count]) => count > 0).map(([flow, count]) => ({ flow, count }));
}

export function answerOf({ sequence, lengthMs, renewAfterMs, flows }: HolderRecord): Renewal {
  return {
    ok: true,
    sequence,
    lengthMs,
    renewAfterMs,
    flows: flows.map(({ flow, want, offeredSlots, tokensOffered }) => ({
      flow,
      slots: offeredSlots,
      tokens: tokensOffered,
      shedCount: want - offeredSlots,
    })),
  };
}
