// What an isolate asks for in its next renewal, flow by flow.
import type { FlowDemand, HeldLease } from "#shared/lease/held-lease.ts";
import type { FlowMeters } from "./flow-meters.ts";

interface DemandInput {
  readonly held: HeldLease;
  /** Since the last renewal. */
  readonly elapsedMs: number;
  readonly isContended: boolean;
  readonly nowMs: number;
}

/** Where others wait the isolate keeps what runs, and the pool knows who waits. */
export function flowDemandsOf(flows: FlowMeters, { held, elapsedMs, isContended, nowMs }: DemandInput): readonly FlowDemand[] {
  const demands: FlowDemand[] = [];
  for (const [flow, meter] of flows.entries) {
    const demand = meter.demand(elapsedMs, isContended);
    const isQueued = meter.isQueuedAt(nowMs);
    const want = isQueued ? held.runningUnnamed(flow) : demand;
    const isEnough = held.slots(flow, nowMs) >= want;
    const tokensWant = meter.rate.want(elapsedMs);
    const keepsNames = isQueued || (isContended && isEnough);
    if (want + tokensWant > 0 || keepsNames) demands.push({ flow, want, tokensWant, keepsNames });
  }
  return demands;
}
