// Who of those that wait gets the slots that are free, one after the other: first the classes that have less than their
// reserve, so that a class within its reserve waits for the next slot that ends and for no other class's turn; then
// whoever has less than its share; what is left then is nobody's, and idle it serves nobody.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { GrantPace } from "./grant-pace.ts";
import type { Ticket, WaitingLine } from "./waiting-line.ts";

interface Granting {
  readonly ledger: LeaseLedger;
  readonly line: WaitingLine;
  readonly pace: GrantPace;
  /** Some endpoint that is in service has a slot. */
  readonly hasLane: () => boolean;
  /** Takes a slot for who is next. */
  readonly grant: (ticket: Ticket) => void;
  readonly nowMs: number;
  /** The ledger's time. */
  readonly atMs: number;
}

/** In how long to come again for a slot that rests; null: none does. */
export function grantFree(granting: Granting): number | null {
  const { ledger, line, pace, atMs } = granting;
  const { flows, slotsFree } = ledger;
  pace.tick(atMs, { waiting: line.length, slotsFree, slotsQueued: ledger.counts.queued });
  if (line.someClass((className) => flows.totals.isClassBelowReserve(className))) grantTo((flow) => flows.isBelowReserve(flow), granting);
  grantTo((flow) => flows.isBelowShare(flow), granting);
  grantTo((flow) => flows.roomOf(flow) > 0, granting);
  const pauseMs = pace.pauseMs(atMs);
  return pauseMs > 0 && ledger.slotsFree > 0 && line.length > 0 ? pauseMs : null;
}

function grantTo(isOpen: (flow: string) => boolean, granting: Granting): void {
  const { line, pace, grant, nowMs, atMs } = granting;
  if (!isPossible(granting)) return;
  for (const flow of line.flows) line.hold(flow, !isOpen(flow));
  while (isPossible(granting)) {
    const ticket = line.next(nowMs);
    if (ticket === undefined) return;
    grant(ticket);
    pace.granted(atMs);
    line.hold(ticket.request.flow, !isOpen(ticket.request.flow));
  }
}

function isPossible({ ledger, line, pace, hasLane, atMs }: Granting): boolean {
  return ledger.slotsFree > 0 && line.length > 0 && pace.pauseMs(atMs) === 0 && hasLane();
}
