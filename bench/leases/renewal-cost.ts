// What a renewal costs the pool's processor, by how many flows it has: the ledger and its rows, without storage. In time of
// the process and not of the clock: a machine that others use too would say anything.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { BenchRow } from "../report.ts";

const FLOW_COUNTS = [1, 100, 1_000, 4_096] as const;
const HOLDER_COUNT = 8;
const BATCH_COUNT = 7;
const BATCH_SIZE = 4 * HOLDER_COUNT;
const LANES = ["https://e0.example", "https://e1.example", "https://e2.example"];

export function renewalCost(): BenchRow[] {
  const cases = FLOW_COUNTS.flatMap((flowCount) => [false, true].map((isContended) => ({ flowCount, isContended })));
  return cases.map(({ flowCount, isContended }) => ({
    name: `a renewal of ${flowCount} flows, ${isContended ? "twice what there is" : "room for all"}`,
    value: medianRenewalUs(flowCount, isContended),
    unit: "µs of CPU",
  }));
}

/** Holders in turn, each of whose wants changes every time, so that nothing stays divided. */
function medianRenewalUs(flowCount: number, isContended: boolean): number {
  const flows = Array.from({ length: flowCount }, (_, index) => `t${index}/gold`);
  const wanted = 3 * flowCount * HOLDER_COUNT;
  const capacity = Math.max(HOLDER_COUNT, Math.floor(isContended ? wanted / 2 : 4 * wanted));
  const policy: LedgerPolicy = {
    capacity,
    lanes: new Map(LANES.map((lane, index) => [lane, Math.floor((capacity + index) / LANES.length)])),
    classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
    flow: () => ({ className: "gold", weight: 1, slotsMax: 1_000_000, rate: null }),
    requestDurationMsMax: 30_000,
    holdersMax: HOLDER_COUNT,
    flowsPerHolderMax: flowCount,
  };
  const ledger = new LeaseLedger(policy, 0);
  const leases = Array.from({ length: HOLDER_COUNT }, (_, index) => new HeldLease(`h${index}`));
  const batchesUs: number[] = [];
  let spentUs = 0;
  for (let turn = 1; turn <= (BATCH_COUNT + 1) * BATCH_SIZE; turn += 1) {
    const lease = leases[turn % HOLDER_COUNT];
    const nowMs = turn * 10;
    const request = lease?.request(
      {
        flows: flows.map((flow, index) => ({ flow, want: 2 + ((turn + index) % 3), tokensWant: 0 })),
        lanes: LANES.map((lane) => ({ lane, want: flowCount })),
      },
      nowMs,
    );
    if (request === undefined) continue;
    const beforeUs = cpuUs();
    const answer = ledger.renew(request, nowMs);
    ledger.takeChanges();
    spentUs += cpuUs() - beforeUs;
    lease?.apply(answer, nowMs);
    if (turn % BATCH_SIZE > 0) continue;
    batchesUs.push(spentUs / BATCH_SIZE);
    spentUs = 0;
  }
  // The first batch warms up.
  return batchesUs.slice(1).toSorted((a, b) => a - b)[BATCH_COUNT >> 1] ?? Number.NaN;
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
