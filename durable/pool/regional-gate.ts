// What a regional pool knows of tenants' limits: what its home pool told with the last answer.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { BYTE_UNIT, byteFlowOf } from "#shared/lease/byte-flow.ts";
import type { FlowLeft } from "#shared/protocol/pool-rpc.ts";
import type { QuotaState } from "#shared/protocol/quota-state.ts";
import { QuotaGate, type Blocked } from "./quota-gate.ts";
import type { HomeLease } from "./home-lease.ts";
import { slotsState } from "./queue-refusals.ts";

type Home = Pick<HomeLease, "leftOf" | "slotsOf" | "available">;

export class RegionalGate extends QuotaGate {
  readonly #home: Home;

  constructor(home: Home) {
    super();
    this.#home = home;
  }

  /** A flow that has all that was lent waits for its region; only the home pool knows whether the tenant has all that it may. */
  override waitedForQuota(flow: string, ledger: LeaseLedger): QuotaState | null {
    if (ledger.flows.roomOf(flow) > 0 || this.#home.leftOf(flow)?.slots !== 0) return null;
    const limits = this.limitsOf(flow);
    return slotsState(limits, limits.slotsMax);
  }

  override leftOf(flows: readonly string[], { ledger }: { ledger: LeaseLedger; nowMs: number }): readonly FlowLeft[] {
    return flows.flatMap((flow) => {
      const left = this.#home.leftOf(flow);
      if (left === undefined) return [];
      const here = Math.max(0, this.#home.slotsOf(flow) - ledger.slotsOfFlow(flow));
      const tokens = left.tokens === null ? null : left.tokens + this.#home.available(flow);
      const bytes = left.bytes === null ? null : left.bytes + this.#home.available(byteFlowOf(flow)) * BYTE_UNIT;
      return [{ ...left, slots: left.slots === null ? null : left.slots + here, tokens, bytes }];
    });
  }

  /** Service time is summed at home, over all regions. */
  protected override blockedFor(flow: string): Blocked {
    const left = this.#home.leftOf(flow);
    return { blockedMs: left?.blockedMs ?? 0, isTotal: left?.isTotalBlocked === true };
  }
}
