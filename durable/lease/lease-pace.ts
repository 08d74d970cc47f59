// How long a lease is, and when its holder comes back. Pure, and by the present use alone, so that it survives a restart.
import { floatOf } from "./float.ts";
import { slotsBy, type FlowRecord, type HolderRecord } from "./holder-record.ts";
import type { LedgerPolicy } from "./lease-policy.ts";

/** How much longer than its holder the ledger believes in a lease, and the longest jump of the clock that counts in full: so
 * one step of the clock within a lease, however long, ends none early. */
export const GAP_MS_MAX = 1_000;
/** Above it nothing is gained: a holder renews every few seconds for its telemetry's sake. */
export const LEASE_MS_MAX = 8_000;
/** Below it the renewals cost more than the fairness is worth. */
export const LEASE_MS_MIN = 2_000;
/** Where hardly a slot is free: whoever comes next finds none until a lease ends, or is renewed. */
const LEASE_MS_SCARCE = 4_000;
/** A holder that got some of what it lacks, and may get more of what is free, comes back so soon; after twice the time where
 * it came back for that and is short again: wants that only chance made go by themselves. */
const RENEW_SHORT_MS = 250;
/** Holders of a rate that is short report so often what they have spent: meanwhile the bucket takes nothing for it. */
const RENEW_RATE_SHORT_MS = 500;

export interface Occupancy {
  /** Slots that are used, as last heard, and waited for. */
  readonly used: number;
  readonly free: number;
  readonly policy: Pick<LedgerPolicy, "capacity" | "areHoldersDurable" | "leaseMs">;
}

/**
 * Longest while half of the capacity is used, or waited for, shortest from three quarters on, straight between; and not
 * long where no more is free than the float.
 */
export function leaseLengthMs({ used, free, policy }: Occupancy): number {
  const { capacity, leaseMs } = policy;
  if (leaseMs !== undefined) return Math.min(LEASE_MS_MAX, Math.max(LEASE_MS_MIN, leaseMs));
  const sparePart = Math.min(1, Math.max(0, (3 * capacity - 4 * used) / Math.max(1, capacity)));
  const lengthMs = LEASE_MS_MIN + Math.floor((LEASE_MS_MAX - LEASE_MS_MIN) * sparePart);
  return free <= floatOf(policy) ? Math.min(lengthMs, LEASE_MS_SCARCE) : lengthMs;
}

interface Shortness extends Pick<Occupancy, "free" | "policy"> {
  /** It wants more than it got. */
  readonly isShort: boolean;
  /** All want more than a rate earns. */
  readonly isRateShort: boolean;
  readonly before: Answered | undefined;
}

function renewAfterMs(lengthMs: number, { isShort, isRateShort, free, policy, before }: Shortness): number {
  const half = Math.min(Math.floor((lengthMs - GAP_MS_MAX) / 2), isRateShort ? RENEW_RATE_SHORT_MS : Infinity);
  // It had to leave something to others: what they leave is its own, soon.
  const wasShort = before !== undefined && before.renewAfterMs < Math.floor(before.lengthMs / 2);
  return isShort && free > floatOf(policy) ? Math.min(half, wasShort ? 2 * before.renewAfterMs : RENEW_SHORT_MS) : half;
}

/** The answer before this one: what the holder was told. */
type Answered = Pick<HolderRecord, "lengthMs" | "renewAfterMs">;

interface PaceInput {
  readonly before: Answered | undefined;
  readonly atMs: number;
  readonly policy: LedgerPolicy;
  readonly used: number;
  /** Before what is offered now. */
  readonly slotsFree: number;
  readonly isRateShort: boolean;
}

/** Of the lease that offers these flows to a holder that had the others. */
export function paceOf(
  carried: HolderRecord,
  flows: readonly FlowRecord[],
  { before, atMs, policy, used, slotsFree, isRateShort }: PaceInput,
): { lengthMs: number; renewAfterMs: number } {
  // Of the carried nothing is offered yet.
  const had = carried.flows.map(slotsBy(carried, { nowMs: atMs, policy }));
  const grown = flows.reduce((sum, { offeredSlots }, index) => sum + Math.max(0, offeredSlots - (had[index] ?? 0)), 0);
  const free = slotsFree - grown;
  const lengthMs = leaseLengthMs({ used, free, policy });
  // Where it got nothing more, its share ends here: coming back soon would change nothing.
  const isShort = grown > 0 && flows.some(({ want, offeredSlots, isQueued }) => offeredSlots < want && !isQueued);
  return { lengthMs, renewAfterMs: renewAfterMs(lengthMs, { isShort, isRateShort, free, policy, before }) };
}
