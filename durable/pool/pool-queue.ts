// The queue before a pool's ledger: whom it takes in, about how long each waits there, and what those hear who wait in vain. Pure but for the
// Wasm memory of its line.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { AcquireRequest, Shed, WaitingPlace } from "#shared/protocol/pool-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { flowShareOf, type PoolConfiguration } from "./pool-configuration.ts";
import { displacedRefusal, expiredRefusal, fullRefusal, wantRefusal, type Expiry } from "./queue-refusals.ts";
import type { Decision, Verdict } from "./verdict.ts";
import { WaitEstimate } from "./wait-estimate.ts";
import { WaitingLine, type Ticket } from "./waiting-line.ts";

interface QueuedPool {
  readonly ledger: LeaseLedger;
  readonly configuration: PoolConfiguration;
  readonly gate: { limitsOf(flow: string): { readonly waitMsMax: number } };
}

export class PoolQueue {
  readonly #pool: QueuedPool;
  readonly line: WaitingLine;
  readonly #estimate: WaitEstimate;
  readonly #displaced: Ticket[] = [];

  constructor(kernels: Kernels, pool: QueuedPool) {
    this.#pool = pool;
    this.line = new WaitingLine(kernels);
    this.#estimate = new WaitEstimate(this.line);
  }

  tick(nowMs: number): void {
    this.#estimate.tick(nowMs);
  }

  /** In how long a newcomer of the flow would be served; null: nothing to estimate from. */
  msOfNewcomer(flow: string, urgency: number): number | null {
    return this.#estimate.ofNewcomer(flow, urgency);
  }

  /** Null: it waits from here on. Another one may have had to give way: `takeDisplaced`. */
  enter(ticket: Ticket): Verdict | null {
    const { flow, urgency, waitMsMax } = ticket.request;
    const aheadMax = this.line.lengthOf(flow) === 0 ? 0 : (this.line.aheadMax(flow, urgency) ?? 0);
    const waitMs = this.#estimate.msFor(aheadMax);
    if (aheadMax > 0 && !this.#isNext(flow) && this.#estimate.isTooLong(waitMs, waitMsMax))
      return { ...wantRefusal(ticket.request, this.#estimate.endOf(ticket, 0)), ...this.#withShed(ticket.request) };
    const { className, weight } = flowShareOf(this.#pool.configuration, flow);
    const pushed = this.line.push(ticket, { className, weight });
    if (pushed !== null && "refused" in pushed) {
      return { ...fullRefusal(pushed.refused === "flow-full", this.#estimate.endOf(ticket, 0)), ...this.#withShed(ticket.request) };
    }
    this.#count(ticket);
    if (pushed !== null) this.#displaced.push(pushed.displaced);
    return null;
  }

  /** Its turn has come, and it has left the line. */
  called(ticket: Ticket): void {
    this.#count(ticket);
  }

  /** Somebody who waited has a slot: so fast it goes. */
  served(): void {
    this.#estimate.served();
  }

  /** It waits no more; false: it did not wait, or is another's. */
  leave(slotId: string, holder: string): boolean {
    if (this.line.ticket(slotId)?.request.holder !== holder) return false;
    const ticket = this.line.remove(slotId);
    if (ticket !== undefined) this.#count(ticket);
    return true;
  }

  /** Null: it does not wait. */
  place(slotId: string): WaitingPlace | null {
    const ticket = this.line.ticket(slotId);
    return ticket === undefined ? null : this.#estimate.placeOf(ticket);
  }

  /** Those whose time is up, and why nothing came in time. */
  expire(nowMs: number, whyOf: (request: AcquireRequest) => Expiry): Decision[] {
    return this.line.expire(nowMs).map((ticket) => {
      this.#count(ticket);
      const end = this.#estimate.endOf(ticket, nowMs - ticket.arrivedAtMs);
      return { slotId: ticket.request.slotId, verdict: expiredRefusal(end, whyOf(ticket.request)) };
    });
  }

  /** Those that a more urgent one has displaced since the last call. */
  takeDisplaced(nowMs: number): readonly Decision[] {
    return this.#displaced.splice(0).map(({ request: { slotId, flow }, arrivedAtMs }) => {
      const queue = { position: 0, length: this.line.lengthOf(flow), waitMs: nowMs - arrivedAtMs };
      return { slotId, verdict: displacedRefusal(queue) };
    });
  }

  /** Whom of the flow a holder may refuse at once; null: nobody. */
  shedOf(flow: string, leftMs = this.#waitMsMaxOf(flow)): Shed | null {
    return this.line.lengthOf(flow) === 0 || this.#isNext(flow) ? null : this.#estimate.shedOf(flow, leftMs);
  }

  #withShed({ flow, waitMsMax }: AcquireRequest): { shed?: Shed } {
    const shed = this.shedOf(flow, Math.min(waitMsMax, this.#waitMsMaxOf(flow)));
    return shed === null ? {} : { shed };
  }

  /** All who wait in the flow have a slot in its share: they get the next ones, whatever an estimate says. */
  #isNext(flow: string): boolean {
    return this.#pool.ledger.flows.roomInShare(flow) >= this.line.lengthOf(flow);
  }

  /** As long as anybody of the flow may wait. */
  #waitMsMaxOf(flow: string): number {
    const { configuration, gate } = this.#pool;
    return Math.min(configuration.service?.deadlineMs ?? 0, gate.limitsOf(flow).waitMsMax);
  }

  #count({ request: { flow } }: Ticket): void {
    this.#pool.ledger.setWaiting(flow, this.line.lengthOf(flow));
  }
}
