// What a renewal's telemetry and the ledger say of demand. Pure.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import type { DemandLevel, DemandReport } from "./demand-meter.ts";
import type { Pool } from "./pool.ts";

/** Refused for want of slots: demand that more shards would have served. A tenant's limit is not that. */
export const UNSERVED: ReadonlySet<string> = new Set<Outcome>(["rejected-capacity", "rejected-queue-full", "expired-in-queue"]);
/** Refused before it held a slot; of the others a report's `busyMs` speaks. */
const NEVER_STARTED: ReadonlySet<string> = new Set([...UNSERVED, "rejected-quota"]);

export function reportOf(flows: readonly FlowTelemetry[]): DemandReport {
  const outcomes = flows.flatMap((flow) => Object.entries(flow.outcomes));
  const countIf = (isCounted: (outcome: string) => boolean): number =>
    outcomes.reduce((sum, [outcome, count]) => sum + (isCounted(outcome) ? count : 0), 0);
  return {
    arrivals: flows.reduce((sum, { arrivals }) => sum + arrivals, 0),
    busyMs: flows.reduce((sum, { busyMs }) => sum + busyMs, 0),
    endedCount: countIf((outcome) => !NEVER_STARTED.has(outcome)),
    refusedCount: countIf((outcome) => UNSERVED.has(outcome)),
  };
}

/** What is out now, and who waits where no slot is free: else they wait for their tenant's limit. Busy while anything is promised or waits. */
export function levelOf({
  ledger,
  queueLength,
  regions,
}: Pick<Pool, "ledger" | "queueLength" | "regions">): DemandLevel & { readonly isBusy: boolean } {
  const { durable: sockets, inUse } = ledger.counts;
  const waiting = ledger.slotsFree === 0 ? queueLength + regions.lent.waiting : 0;
  return { requests: Math.max(0, inUse - sockets - regions.lent.idle), sockets, waiting, isBusy: ledger.slotsOut > 0 || queueLength > 0 };
}
