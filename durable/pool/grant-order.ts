// Who of those that wait gets the slots that are free, one after the other.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { Ticket, WaitingLine } from "./waiting-line.ts";

interface Granting {
  readonly ledger: LeaseLedger;
  readonly line: WaitingLine;
  /** Some endpoint that is in service has a slot. */
  readonly hasLane: () => boolean;
  /** Takes a slot for who is next. */
  readonly grant: (ticket: Ticket) => void;
}

export function grantFree(granting: Granting, nowMs: number): void {
  const { flows } = granting.ledger;
  // First whoever has less than its share; what is left then is nobody's, and idle it serves nobody.
  grantTo((flow) => flows.isBelowShare(flow), granting, nowMs);
  grantTo((flow) => flows.roomOf(flow) > 0, granting, nowMs);
}

function grantTo(isOpen: (flow: string) => boolean, granting: Granting, nowMs: number): void {
  const { line, grant } = granting;
  if (!isPossible(granting)) return;
  for (const flow of line.flows) line.hold(flow, !isOpen(flow));
  for (let ticket = next(granting, nowMs); ticket !== undefined; ticket = next(granting, nowMs)) {
    grant(ticket);
    line.hold(ticket.request.flow, !isOpen(ticket.request.flow));
  }
}

function next(granting: Granting, nowMs: number): Ticket | undefined {
  return isPossible(granting) ? granting.line.next(nowMs) : undefined;
}

function isPossible({ ledger, line, hasLane }: Granting): boolean {
  return ledger.slotsFree > 0 && line.length > 0 && hasLane();
}
