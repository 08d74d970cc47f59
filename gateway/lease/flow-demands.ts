// What an isolate asks for in its next renewal, flow by flow, and what it is told with the answer.
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import type { FlowDemand, HeldLease } from "#shared/lease/held-lease.ts";
import type { RenewAnswer } from "#shared/protocol/pool-rpc.ts";
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
  const isShort = flows.isShortAt(nowMs);
  for (const [flow, meter] of flows.entries) {
    const demand = meter.demand(elapsedMs, { isContended, isShort });
    const isQueued = meter.isQueuedAt(nowMs);
    const want = isQueued ? held.runningUnnamed(flow) : demand;
    const isEnough = held.slots(flow, nowMs) >= want;
    const tokensWant = meter.rate.want(elapsedMs);
    const keepsNames = isQueued || (isContended && isEnough);
    if (want + tokensWant > 0 || keepsNames) demands.push({ flow, want, tokensWant, keepsNames });
    const unitsWant = meter.bytes?.want(elapsedMs, nowMs) ?? 0;
    if (unitsWant > 0) demands.push({ flow: byteFlowOf(flow), want: 0, tokensWant: unitsWant });
  }
  flows.want(demands.reduce((sum, { want }) => sum + want, 0));
  return demands;
}

/** What the pool has told of flows, once the lease itself is applied. */
export function noteFlows(
  flows: FlowMeters,
  { lease, left, sheds }: RenewAnswer,
  { held, nowMs }: { held: HeldLease; nowMs: number },
): void {
  if (lease.ok)
    flows.got(
      lease.flows.reduce((sum, { slots }) => sum + slots, 0),
      nowMs,
    );
  const leftBy = new Map(left.map((one) => [one.flow, one]));
  for (const { flow, isQueued } of lease.ok ? lease.flows : []) {
    const meter = flows.known(flow);
    if (meter === undefined) continue;
    meter.isQueued = isQueued;
    meter.left = leftBy.get(flow);
    meter.blocked.begin(meter.left?.blockedMs ?? 0, nowMs);
    meter.rate.granted(held.tokens(flow, nowMs));
    // Its bandwidth is limited no more: what waits for credit goes on.
    if (meter.bytes !== null) meter.bytes.isUnlimited = typeof meter.left?.bytes !== "number";
  }
  for (const shed of sheds) flows.known(shed.flow)?.noteShed(shed, nowMs);
}
