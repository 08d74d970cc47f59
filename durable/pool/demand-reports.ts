// What a renewal's telemetry and the ledger say of demand. Pure.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import type { FlowTelemetry, Telemetry } from "#shared/protocol/telemetry.ts";
import type { DemandLevel, DemandReport } from "./demand-meter.ts";
import type { Pool } from "./pool.ts";

/** Refused for want of slots: demand that more shards would have served. A tenant's limit is not that. */
export const UNSERVED: ReadonlySet<string> = new Set<Outcome>(["rejected-capacity", "rejected-queue-full", "expired-in-queue"]);
/** Refused before it held a slot; of the others a report's `busyMs` speaks. */
const NEVER_STARTED: ReadonlySet<string> = new Set([...UNSERVED, "rejected-quota"]);

export function outcomesOf({ flows }: Pick<Telemetry, "flows">): readonly string[] {
  return flows.flatMap(({ outcomes }) => Object.keys(outcomes));
}

/** Whether the pool has answered neither this renewal nor a later one of its holder: else what it tells is counted already, or told again. */
export function isNews({ holder, sequence }: Pick<RenewalRequest, "holder" | "sequence">, { ledger }: Pick<Pool, "ledger">): boolean {
  return sequence > (ledger.flows.holders.get(holder)?.sequence ?? 0);
}

export function reportOf(flows: readonly FlowTelemetry[]): DemandReport {
  let [arrivals, busyMs, endedCount, refusedCount] = [0, 0, 0, 0];
  for (const flow of flows) {
    arrivals += flow.arrivals;
    busyMs += flow.busyMs;
    for (const [outcome, count] of Object.entries(flow.outcomes)) {
      if (!NEVER_STARTED.has(outcome)) endedCount += count;
      if (UNSERVED.has(outcome)) refusedCount += count;
    }
  }
  return { arrivals, busyMs, endedCount, refusedCount };
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
