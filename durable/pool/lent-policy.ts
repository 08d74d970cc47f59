// A regional pool's policy: the home pool's, with what was lent in the place of what is configured. Pure.
//
// Promise: Σ out here ≤ what is lent, per flow and per lane: a regional pool's own ledger keeps it as it keeps endpoints' capacity.
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { RatePolicy } from "#durable/lease/rate-budget.ts";
import { flowOfBytes } from "#shared/lease/byte-flow.ts";
import type { HomeLease } from "./home-lease.ts";

/** Flows with a rate are the home pool's alone: should one come here, there is no token for it. */
const NO_TOKENS: RatePolicy = { tokens: 0, periodMs: 1, burst: 0 };

export function lentPolicyOf(whole: LedgerPolicy, home: Pick<HomeLease, "slotsOf" | "slots" | "lanes" | "leaseMs">): LedgerPolicy {
  const lanes = new Map(home.lanes);
  const inLanes = [...lanes.values()].reduce((sum, slots) => sum + slots, 0);
  const capacity = Math.min(inLanes, home.slots);
  const part = whole.capacity === 0 ? 0 : capacity / whole.capacity;
  return {
    ...whole,
    capacity,
    lanes,
    classes: new Map([...whole.classes].map(([name, { weight, reserve }]) => [name, { weight, reserve: Math.floor(reserve * part) }])),
    flow(name): FlowPolicy {
      const policy = whole.flow(name);
      const slotsMax = flowOfBytes(name) === null ? home.slotsOf(name) : 0;
      return { ...policy, slotsMax, rate: policy.rate === null ? null : NO_TOKENS };
    },
    leaseMs: home.leaseMs,
  };
}
