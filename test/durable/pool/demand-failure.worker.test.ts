import { expect, it } from "vitest";
import { NO_FACTS } from "#durable/pool/demand-store.ts";
import { DEMAND_MEMORY_BYTES, ServiceDemand } from "#durable/pool/service-demand.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";

const START_MS = Date.parse("2027-01-15T08:00:00Z");

type Input = ConstructorParameters<typeof ServiceDemand>[0];

/** Of a service that nothing was written down of. */
function demandOf(warnings: unknown[], fleet: Input["fleet"]): ServiceDemand {
  return new ServiceDemand({
    kernels: instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES }),
    loadFacts: () => NO_FACTS,
    loadStates: () => null,
    exchangeShares: async () => ({ serviceCount: 0, totals: [] }),
    save: () => undefined,
    warn: (event) => warnings.push(event),
    fleet,
  });
}

it("a plan that breaks while it is done leaves the fleet what it has: nobody takes the silence for a service that sleeps", () => {
  const warnings: unknown[] = [];
  let isBroken = false;
  const counts = () => {
    if (isBroken) throw new Error("broken");
    return { count: 4, readyCount: 4 };
  };
  const demand = demandOf(warnings, () => ({ shardSlots: 50, pricePerHour: 0, counts, takeStarts: () => [] }));
  const endpoints = [{ url: "https://busy.example", capacity: 1_000 }];
  demand.open({ service: serviceFileSchema.parse({ service: "busy", endpoints, provisioning: { mode: "act" } }), shards: [] });
  const runFor = (fromMs: number): void => {
    for (let atMs = fromMs; atMs < fromMs + MINUTE_MS; atMs += SECOND_MS) {
      demand.report("h", { arrivals: 150, busyMs: 150 * SECOND_MS, endedCount: 150, refusedCount: 0 }, atMs);
      demand.note({ requests: 150, sockets: 0, isBusy: true }, atMs);
      demand.tick(atMs);
    }
  };
  runFor(START_MS);
  // 150 slots, of shards of 50.
  expect(demand.wantedAt(START_MS + MINUTE_MS)?.count).toBeGreaterThanOrEqual(3);
  isBroken = true;
  runFor(START_MS + MINUTE_MS);
  expect(warnings).toEqual(["demand-failed"]);
  expect(demand.wantedAt(START_MS + 2 * MINUTE_MS)).toBeNull();
  expect(demand.isAsleep).toBe(false);
});

it("seasons may be changed as often as an operator likes: no model's memory is kept beyond its forecaster", () => {
  const warnings: unknown[] = [];
  const demand = demandOf(warnings, () => null);
  const serviceOf = (seasonsMs: readonly number[]) =>
    serviceFileSchema.parse({ service: "seasons", endpoints: [], forecast: { seasonsMs } });
  demand.open({ service: serviceOf([24 * HOUR_MS, 168 * HOUR_MS]), shards: [] });
  let atMs = START_MS;
  const run = () => {
    for (const untilMs = atMs + MINUTE_MS; atMs < untilMs; atMs += SECOND_MS) {
      demand.report("h", { arrivals: 10, busyMs: 10 * SECOND_MS, endedCount: 10, refusedCount: 0 }, atMs);
      demand.note({ requests: 10, sockets: 0, isBusy: true }, atMs);
      demand.tick(atMs);
    }
  };
  run();
  for (let hours = 25; hours < 168; hours += 1) {
    demand.configure({ service: serviceOf([24 * HOUR_MS, hours * HOUR_MS]), shards: [] });
    run();
  }
  expect(new Set(warnings)).toEqual(new Set(["demand-begun-afresh"]));
  expect(demand.stats(atMs)).toMatchObject({ hasFailed: false, restarts: { "forecaster other-model": 143 } });
});
