// The tokens of its flows' rates that an isolate holds: spent by what it admits, put aside for what asks the pool for a slot. So what was lent for
// requests is theirs wherever they wait, and the pool's are left to those that have none.
import { isRated, type FlowQuota } from "#shared/config/quota-policies.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { FlowMeter } from "./flow-meter.ts";
import { leaseFactsOf, rateRefusal } from "./flow-quota.ts";
import { RATE_SPACING_MS, type RenewalPace } from "./renewal-pace.ts";

/** Who waits hears so long after its time at the latest; a request whose context has ended gives nothing back. */
const GRACE_MS = 5 * SECOND_MS;

interface OfFlow {
  readonly flow: string;
  readonly nowMs: number;
}

export class RateTokens {
  readonly #held: HeldLease;
  readonly #pace: RenewalPace;

  constructor(held: HeldLease, pace: RenewalPace) {
    this.#held = held;
    this.#pace = pace;
  }

  /** A refusal where the pool has said that there is none for a while; null: ask it. */
  refusalWithout(meter: FlowMeter, { flow, quota, nowMs }: OfFlow & { readonly quota: FlowQuota | undefined }): Refusal | null {
    this.#pace.setOff(this.#pace.sentAtMs + RATE_SPACING_MS);
    const retryAfterMs = meter.rate.lacked(nowMs);
    if (retryAfterMs === null) return null;
    meter.refuse("rejected-quota");
    return rateRefusal(quota, { retryAfterMs, lease: leaseFactsOf(this.#held, flow, nowMs) });
  }

  spent(meter: FlowMeter, { flow, nowMs }: OfFlow): void {
    if (meter.rate.spent(this.#held.tokens(flow, nowMs))) this.#pace.setOff(this.#pace.sentAtMs + RATE_SPACING_MS);
  }

  areLeft(flow: string, nowMs: number): boolean {
    return this.#held.tokens(flow, nowMs) > 0;
  }

  /** For a request that asks the pool; false: there is none here, and the pool takes one of its own. */
  putAside(
    slotId: string,
    quota: FlowQuota | undefined,
    { flow, waitsUntilMs, nowMs }: OfFlow & { readonly waitsUntilMs: number },
  ): boolean {
    return isRated(quota) && this.#held.putAside(slotId, flow, { untilMs: waitsUntilMs + GRACE_MS, nowMs });
  }

  /** It has its slot. */
  takeAside(slotId: string, meter: FlowMeter, of: OfFlow): void {
    if (this.#held.aside.take(slotId)) this.spent(meter, of);
  }

  /** It has none. */
  giveBackAside(slotId: string): void {
    this.#held.aside.giveBack(slotId);
  }
}
