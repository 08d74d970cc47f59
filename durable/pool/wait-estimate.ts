// How long a newcomer would wait in a pool's queue, and whether that is too long: an estimate from how fast the queue is
// served, for refusing early and for Retry-After.
import { URGENCY_FIRST, URGENCY_LAST } from "#shared/limits.ts";
import type { Shed, WaitingPlace } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import { DrainRate } from "./drain-rate.ts";
import type { QueueEnd } from "./queue-refusals.ts";
import type { Ticket, WaitingLine } from "./waiting-line.ts";

/** Said where nothing was served lately to estimate from. */
const RETRY_AFTER_MS = SECOND_MS;
/** Whoever would wait for more than this part of the time that is left is refused: the estimate is one, and the endpoint needs
 * some of that time. */
const WAIT_PART_MAX = 0.75;
/** A pool's word to refuse holds until the holder's next renewal, about. */
const SHED_MS = 500;

export class WaitEstimate {
  readonly #line: WaitingLine;
  readonly #drain = new DrainRate();

  constructor(line: WaitingLine) {
    this.#line = line;
  }

  served(): void {
    this.#drain.served();
  }

  tick(nowMs: number): void {
    this.#drain.tick(nowMs, this.#line.length > 0);
  }

  msFor(aheadMax: number): number | null {
    return this.#drain.msFor(aheadMax);
  }

  /** Of a newcomer; null: nothing to estimate from. */
  ofNewcomer(flow: string, urgency: number): number | null {
    return this.#drain.msFor(this.#line.aheadMax(flow, urgency) ?? 0);
  }

  /** Where one that waits stands. */
  placeOf({ request: { flow, urgency } }: Ticket): WaitingPlace {
    const aheadMax = Math.max(0, (this.#line.aheadMax(flow, urgency) ?? 0) - 1);
    return { aheadMax, waitMs: this.msFor(aheadMax) };
  }

  /** Where one that is refused would stand now. */
  endOf({ request: { flow, urgency } }: Ticket, waitMs: number): QueueEnd {
    const queue = { position: (this.#line.aheadMax(flow, urgency) ?? 0) + 1, length: this.#line.lengthOf(flow), waitMs };
    return { queue, slotInMs: this.ofNewcomer(flow, urgency) };
  }

  isTooLong(waitMs: number | null, leftMs: number): waitMs is number {
    return this.#drain.isSettled && waitMs !== null && waitMs > leftMs * WAIT_PART_MAX;
  }

  /** From which urgency on a newcomer of the flow would wait too long, or find its queue full; null: none would. */
  shedOf(flow: string, deadlineMs: number): Shed | null {
    if (this.#line.lengthOf(flow) === 0) return null;
    const fullFrom = this.#line.refusedFrom(flow);
    for (let urgency = URGENCY_FIRST; urgency <= URGENCY_LAST; urgency += 1) {
      const waitMs = this.ofNewcomer(flow, urgency);
      if (urgency < fullFrom && !this.isTooLong(waitMs, deadlineMs)) continue;
      return { flow, urgencyFrom: urgency, forMs: SHED_MS, retryAfterMs: Math.ceil(waitMs ?? RETRY_AFTER_MS) };
    }
    return null;
  }
}
