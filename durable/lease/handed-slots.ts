// Sockets' slots that a holder which lends on gives over to its lender: from the answer on each is the ledger's own, by the same name, in the
// place of one slot that is counted for the holder. Pure. So what a region's sockets use does not hang on its lease.
import type { HandedSlot, RenewalRequest } from "#shared/protocol/lease.ts";
import { slotsBy, type HolderRecord, type HoldPolicy } from "./holder-record.ts";
import type { NamedSlot } from "./named-slots.ts";

interface TakeOverInput {
  readonly known: HolderRecord | undefined;
  readonly request: Pick<RenewalRequest, "handed" | "handsMore">;
  readonly nowMs: number;
  readonly policy: HoldPolicy;
  readonly ownerOf: (slotId: string) => string | undefined;
  readonly mayTake: (slot: HandedSlot) => boolean;
}

/** Those that are new here, and for each of which a slot of its flow and one of its lane is counted for the holder. */
export function takenOver({ known, request: { handed = [] }, nowMs, policy, ownerOf, mayTake }: TakeOverInput): readonly HandedSlot[] {
  if (known === undefined || handed.length === 0) return [];
  const countOf = slotsBy(known, { nowMs, policy });
  const inFlows = new Map(known.flows.map((of) => [of.flow, countOf(of)]));
  const inLanes = new Map(known.lanes.map((of) => [of.lane, countOf(of)]));
  // Named again because the answer was lost: it is not put here again, though it may have ended meanwhile.
  const before = new Set(known.handed);
  return handed.filter((slot) => {
    const [inFlow, inLane] = [inFlows.get(slot.flow) ?? 0, inLanes.get(slot.lane) ?? 0];
    if (before.has(slot.slotId) || inFlow === 0 || inLane === 0 || ownerOf(slot.slotId) !== undefined || !mayTake(slot)) return false;
    inFlows.set(slot.flow, inFlow - 1);
    inLanes.set(slot.lane, inLane - 1);
    return true;
  });
}

/**
 * Those of the request that are the ledger's from now on, or were when it was asked before; but not another's, of which the region knows no more.
 * And those of requests before, where more of them may be asked for again: no more than the region had when it was restarted, and one request's.
 */
export function handedOf(
  { known, request: { handed, handsMore }, ownerOf }: Pick<TakeOverInput, "known" | "request" | "ownerOf">,
  taken: readonly HandedSlot[],
) {
  if (handed === undefined) return {};
  const before = known?.handed ?? [];
  const ours = new Set([...before, ...taken.map(({ slotId }) => slotId)]);
  const isOurs = ({ slotId, owner }: HandedSlot): boolean => ours.has(slotId) && (ownerOf(slotId) ?? owner) === owner;
  const asked = new Set(handsMore === true ? handed.map(({ slotId }) => slotId) : before);
  return { handed: [...before.filter((slotId) => !asked.has(slotId)), ...handed.filter(isOurs).map(({ slotId }) => slotId)] };
}

export function ownSlotOf({ lifeMs, ...slot }: HandedSlot, nowMs: number): NamedSlot {
  return { ...slot, acquiredAtMs: nowMs, expiresAtMs: lifeMs === null ? null : nowMs + lifeMs, isDurable: true };
}
