// The holder's side of a lease: an edge isolate, a regional pool. Pure: time comes as an argument, messages go out and
// come in by the caller's hand. Together with the ledger it keeps: what runs here ≤ what the ledger counts for us.
//
// Rules: only the newest request's answer is applied; a lease is counted from the sending of its request; after it
// nothing is admitted, and what runs beyond the named is to be ended (`excess`); a clock that goes back ends the lease.
import type { FlowReport, Renewal, RenewalRequest } from "../protocol/lease.ts";

export interface FlowDemand {
  readonly flow: string;
  readonly want: number;
  readonly tokensWant: number;
}

interface HeldFlow {
  slots: number;
  tokens: number;
  running: number;
  /** Of the lease before, which the ledger counts until its end or the next renewal. */
  slotsBefore: number;
  /** What the ledger surely counts as running here, whatever became of the messages since. */
  named: number;
}

export class HeldLease {
  readonly holder: string;
  readonly #flows = new Map<string, HeldFlow>();
  #sequence = 0;
  #appliedSequence = 0;
  #sentAtMs = 0;
  #expiresAtMs = -Infinity;
  #expiresBeforeAtMs = -Infinity;
  #seenMs = -Infinity;

  constructor(holder: string) {
    this.holder = holder;
  }

  running(flow: string): number {
    return this.#flows.get(flow)?.running ?? 0;
  }

  slots(flow: string, nowMs: number): number {
    return this.#isLive(nowMs) ? (this.#flows.get(flow)?.slots ?? 0) : 0;
  }

  /** A request for the demand until the next renewal. What it offers to give back is given up here and now. */
  request(demands: readonly FlowDemand[], nowMs: number): RenewalRequest {
    const isLive = this.#isLive(nowMs);
    const byFlow = new Map(demands.map((demand) => [demand.flow, demand]));
    for (const flow of this.#flows.keys()) if (!byFlow.has(flow)) byFlow.set(flow, { flow, want: 0, tokensWant: 0 });
    this.#sequence += 1;
    this.#sentAtMs = nowMs;
    const flows = [...byFlow.values()].map((demand) => this.#report(demand, isLive));
    return { holder: this.holder, sequence: this.#sequence, appliedSequence: this.#appliedSequence, flows };
  }

  /** False: not the newest request's answer, or a refusal; nothing changes. */
  apply(answer: Renewal, nowMs: number): boolean {
    const wasLive = this.#isLive(nowMs);
    if (!answer.ok || answer.sequence !== this.#sequence || this.#appliedSequence === this.#sequence) return false;
    if (nowMs < this.#sentAtMs) return false;
    this.#appliedSequence = answer.sequence;
    this.#expiresBeforeAtMs = this.#expiresAtMs;
    this.#expiresAtMs = this.#sentAtMs + answer.lengthMs;
    const granted = new Map(answer.flows.map((grant) => [grant.flow, grant]));
    for (const [flow, held] of this.#flows) {
      const grant = granted.get(flow);
      held.slotsBefore = held.slots;
      held.slots = grant?.slots ?? 0;
      held.tokens = (wasLive ? held.tokens : 0) + (grant?.tokens ?? 0);
      held.named = this.#reported.get(flow) ?? 0;
      if (held.slots === 0 && held.running === 0 && held.tokens === 0) this.#flows.delete(flow);
    }
    return true;
  }

  /** Takes a slot for one request; false: there is none here. `tokens` where the flow has a rate. */
  admit(flow: string, { nowMs, tokens = 0 }: { nowMs: number; tokens?: number }): boolean {
    const held = this.#flows.get(flow);
    if (!this.#isLive(nowMs) || held === undefined || held.running >= held.slots || held.tokens < tokens) return false;
    held.running += 1;
    held.tokens -= tokens;
    return true;
  }

  end(flow: string): void {
    const held = this.#flows.get(flow);
    if (held !== undefined && held.running > 0) held.running -= 1;
  }

  /** How many running requests of each flow the ledger no longer counts: their lease ended before a renewal could name
   * them. They must end at once. */
  excess(nowMs: number): ReadonlyMap<string, number> {
    const isLive = this.#isLive(nowMs);
    const isLiveBefore = nowMs < this.#expiresBeforeAtMs;
    const over = [...this.#flows].map(([flow, { running, named, slots, slotsBefore }]) => {
      const counted = Math.max(named, isLive ? slots : 0, isLiveBefore ? slotsBefore : 0);
      return [flow, running - counted] as const;
    });
    return new Map(over.filter(([, count]) => count > 0));
  }

  readonly #reported = new Map<string, number>();

  #report({ flow, want, tokensWant }: FlowDemand, isLive: boolean): FlowReport {
    const held = this.#flows.get(flow) ?? { slots: 0, slotsBefore: 0, tokens: 0, running: 0, named: 0 };
    this.#flows.set(flow, held);
    held.slots = isLive ? Math.min(held.slots, Math.max(held.running, want)) : 0;
    const tokens = isLive ? held.tokens : 0;
    held.tokens = Math.min(tokens, tokensWant);
    held.named = Math.min(held.named, held.running);
    this.#reported.set(flow, held.running);
    const { running, slots: keep } = held;
    return { flow, want, running, keep, tokensWant, tokensHeld: held.tokens, tokensReturned: tokens - held.tokens };
  }

  #isLive(nowMs: number): boolean {
    if (nowMs < this.#seenMs) {
      this.#expiresAtMs = -Infinity;
      this.#expiresBeforeAtMs = -Infinity;
    }
    this.#seenMs = nowMs;
    return nowMs < this.#expiresAtMs;
  }
}
