// What the ledger knows of one holder: the answer it lives by, the newest answer, which it may live by any moment,
// and what it named as running. Times are the ledger's.

import { SECOND_MS } from "#shared/units.ts";

const NAME_MS = 15 * SECOND_MS;

/** Of one flow, or of one lane. */
export interface SlotsRecord {
  readonly want: number;
  readonly running: number;
  /** Of the answer it lives by, as far as it kept it. */
  readonly appliedSlots: number;
  /** Of the newest answer. */
  readonly offeredSlots: number;
}

export interface LaneRecord extends SlotsRecord {
  readonly lane: string;
}

export interface FlowRecord extends SlotsRecord {
  readonly flow: string;
  /** Others waited for this flow when it was answered. */
  readonly isQueued: boolean;
  readonly tokensWant: number;
  /** Of these, those for which somebody waited when it was answered. */
  readonly tokensNow?: number;
  readonly tokensHeld: number;
  readonly tokensOffered: number;
}

export interface HolderRecord {
  readonly holder: string;
  readonly sequence: number;
  readonly answeredAtMs: number;
  readonly expiresAtMs: number;
  readonly appliedSequence: number;
  readonly appliedExpiresAtMs: number;
  readonly lengthMs: number;
  readonly renewAfterMs: number;
  readonly flows: readonly FlowRecord[];
  readonly lanes: readonly LaneRecord[];
  /** Slots by name that it counted among its running: said again, they are no others. */
  readonly adopted: readonly string[];
  /** Sockets' slots that it handed over with the newest request, and that were taken: said again, they are not taken again. */
  readonly handed?: readonly string[];
  /** It lends on what it holds, to so many. */
  readonly lentTo?: number;
}

export interface HoldPolicy {
  readonly requestDurationMsMax: number;
  /** Holders are objects, which come back with what they had: a silent one's whole lease is held, not what it named alone. */
  readonly areHoldersDurable?: boolean;
  /** How long what one that lends on has lent may be used after its own lease: a lease and a request. */
  readonly lentDurationMsMax?: number;
}

/** Whether its whole lease is held after the lease's end, not what it named alone. */
export function isDurable({ lentTo }: { readonly lentTo?: number }, { areHoldersDurable }: HoldPolicy): boolean {
  return areHoldersDurable === true || lentTo !== undefined;
}

function leaseEndsAtMs({ expiresAtMs, appliedExpiresAtMs }: HolderRecord): number {
  return Math.max(expiresAtMs, appliedExpiresAtMs);
}

/** Until then its requests may run, and its name is kept so that an old message is known as old. */
function holdsEndAtMs(record: HolderRecord, { requestDurationMsMax, lentDurationMsMax }: HoldPolicy): number {
  return leaseEndsAtMs(record) + (record.lentTo === undefined ? requestDurationMsMax : (lentDurationMsMax ?? requestDurationMsMax));
}

/**
 * When its name goes, and with it what is held for it. One that had nothing running is named for late messages alone, for longer than a call
 * takes: holders that come for a moment and go, as Shard objects that sleep do, would else fill the ledger with names.
 */
export function nameEndsAtMs(record: HolderRecord, policy: HoldPolicy): number {
  const endsAtMs = holdsEndAtMs(record, policy);
  const hasHolds = isDurable(record, policy) || [...record.flows, ...record.lanes].some(({ running }) => running > 0);
  return hasHolds ? endsAtMs : Math.min(endsAtMs, leaseEndsAtMs(record) + NAME_MS);
}

export function isLive(record: HolderRecord, nowMs: number): boolean {
  return nowMs < leaseEndsAtMs(record);
}

/** When the record next counts for less by the passing of time alone. */
export function nextChangeMs(record: HolderRecord, policy: HoldPolicy, nowMs: number): number {
  const times = [record.appliedExpiresAtMs, record.expiresAtMs, nameEndsAtMs(record, policy)];
  return Math.min(...times.filter((atMs) => atMs > nowMs));
}

/** The most slots the holder may use now of a flow or lane: it may live by either answer, and what it named runs on after both. */
export function slotsBy(record: HolderRecord, { nowMs, policy }: { nowMs: number; policy: HoldPolicy }): (of: SlotsRecord) => number {
  const isHeld = nowMs < holdsEndAtMs(record, policy);
  const isWhole = isHeld && isDurable(record, policy);
  const isOffered = isWhole || nowMs < record.expiresAtMs;
  const isApplied = isWhole || nowMs < record.appliedExpiresAtMs;
  return ({ offeredSlots, appliedSlots, running }) =>
    Math.max(isOffered ? offeredSlots : 0, isApplied ? appliedSlots : 0, isHeld ? running : 0);
}

/** The slots and the end of an answer that the holder says it lives by; null: no such answer. */
export function promiseOf(
  record: HolderRecord,
  appliedSequence: number,
): { readonly expiresAtMs: number; readonly slots: (of: SlotsRecord) => number } | null {
  if (appliedSequence === record.sequence) return { expiresAtMs: record.expiresAtMs, slots: (of) => of.offeredSlots };
  if (appliedSequence === record.appliedSequence) return { expiresAtMs: record.appliedExpiresAtMs, slots: (of) => of.appliedSlots };
  return null;
}
