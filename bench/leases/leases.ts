// What a request costs of calls to its pool, over 1 to 200 isolates, in virtual time: the pool, the isolates and their
// rules themselves, Poisson arrivals, exponential service.
import { VirtualService, type VirtualResult } from "#test/simulation/virtual-service.ts";
import type { BenchRow } from "../report.ts";
import { renewalCost } from "./renewal-cost.ts";

const PER_SECOND = 1_000;
const SERVICE_MS = 20;
const SLOTS_PER_HOLDER = 10;
/** So many slots are kept even for few isolates, that the load fits. */
const SLOTS_MIN = 80;
const CALLS_PER_REQUEST_MAX = 0.01;
const HOLDER_COUNTS = [1, 2, 4, 8, 16, 32, 64, 100, 200] as const;
const BUDGETED_HOLDERS = 8;

export function leases(onProgress: (what: string) => void): Promise<BenchRow[]> {
  onProgress("renewals of many flows");
  return Promise.resolve([
    ...renewalCost(),
    ...HOLDER_COUNTS.flatMap((holderCount): BenchRow[] => {
      onProgress(`${holderCount} isolates`);
      const result = new VirtualService({
        seed: 1,
        holderCount,
        capacities: [Math.max(SLOTS_MIN, SLOTS_PER_HOLDER * holderCount)],
        loads: [{ flow: "acme/gold", urgency: 3, perSecond: PER_SECOND }],
        serviceMs: SERVICE_MS,
        deadlineMs: 10_000,
      }).run({ warmMs: 20_000, measuredMs: 60_000 });
      const { arrivals, local } = totals(result);
      const { renew, exchange } = result.calls;
      const value = (renew + exchange) / arrivals;
      const isBudgeted = holderCount === BUDGETED_HOLDERS;
      return [
        {
          name: `object calls per request, ${holderCount} isolates`,
          value,
          unit: "calls",
          ...(isBudgeted ? { budget: CALLS_PER_REQUEST_MAX, ok: value <= CALLS_PER_REQUEST_MAX } : {}),
        },
        { name: `  of them renewals, ${holderCount} isolates`, value: renew / arrivals, unit: "calls" },
        { name: `  requests that needed no call, ${holderCount} isolates`, value: local / arrivals, unit: "ratio" },
        { name: `  rows written per request, ${holderCount} isolates`, value: result.rowsWritten / arrivals, unit: "rows" },
      ];
    }),
  ]);
}

function totals({ flows }: VirtualResult): { arrivals: number; local: number } {
  let [arrivals, local] = [0, 0];
  for (const flow of flows.values()) {
    arrivals += flow.arrivals;
    local += flow.servedLocally;
  }
  return { arrivals, local };
}
