// A regional pool's policy: the home pool's, with what was lent in the place of what is configured. Pure.
//
// Promise: Σ out here ≤ what is lent, per flow and per lane: a regional pool's own ledger keeps it as it keeps endpoints' capacity.
import type { FlowPolicy, LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { flowOfBytes } from "#shared/lease/byte-flow.ts";
import { LENT_BURST_MIN } from "#shared/lease/token-meter.ts";
import type { HomeLease } from "./home-lease.ts";

/** Stands for a rate that is another's to keep. */
const RATED = { tokens: 1, periodMs: 1, burst: LENT_BURST_MIN };

export function lentPolicyOf(whole: LedgerPolicy, home: HomeLease): LedgerPolicy {
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
      const { className, weight, rate, shared } = whole.flow(name);
      const isOfBytes = flowOfBytes(name) !== null;
      // Limited over all services alone: only the home pool knows, and lends its tokens like those of a rate.
      const isRated = !isOfBytes && typeof home.leftOf(name)?.tokens === "number";
      return { className, weight, slotsMax: isOfBytes ? 0 : home.slotsOf(name), rate: rate ?? (isRated ? RATED : null), shared };
    },
    flowChanged: (flow) => home.look(flow),
    leaseMs: home.leaseMs,
    lentTokens: home,
  };
}
