// A service that is used by day and sleeps by night, in act: woken by its own forecast.
import { describe, expect, it } from "vitest";
import { NO_FACTS } from "#durable/pool/demand-store.ts";
import { prewarmAtMs, prewarmedBy } from "#durable/pool/prewarm.ts";
import { DEMAND_MEMORY_BYTES, ServiceDemand } from "#durable/pool/service-demand.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";

const START_MS = Math.ceil(1_800_000_000_000 / DAY_MS) * DAY_MS;
const OPENS_MS = 9 * HOUR_MS;
const CLOSES_MS = 12 * HOUR_MS;
const STARTS_IN_MS = 30 * SECOND_MS;
const SERVICE = serviceFileSchema.parse({
  service: "daily",
  endpoints: [{ url: "https://daily.example", capacity: 400 }],
  shards: { countMin: 0 },
  provisioning: { mode: "act", warmCount: 0, startMsPrior: STARTS_IN_MS },
});

function demandOf(isActing: boolean): ServiceDemand {
  const demand = new ServiceDemand({
    kernels: instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES }),
    loadFacts: () => NO_FACTS,
    loadStates: () => null,
    save: () => undefined,
    exchangeShares: async () => ({ serviceCount: 0, totals: [] }),
    warn: (event, details) => expect.unreachable(`${event} ${JSON.stringify(details)}`),
    fleet: () => (isActing ? { shardSlots: 50, pricePerHour: 0, counts: () => ({ count: 0, readyCount: 0 }), takeStarts: () => [] } : null),
  });
  demand.open({ service: SERVICE, shards: [] });
  return demand;
}

/** Lives through days; says when it was woken by itself, and how many shards it then wanted. */
function live(demand: ServiceDemand, days: number): { atMs: number; count: number }[] {
  const woken: { atMs: number; count: number }[] = [];
  for (let atMs = START_MS + SECOND_MS; atMs < START_MS + days * DAY_MS;) {
    const timeOfDayMs = atMs % DAY_MS;
    const isOpen = timeOfDayMs >= OPENS_MS && timeOfDayMs < CLOSES_MS;
    if (isOpen) demand.report("h", { arrivals: 600, busyMs: 60 * 10 * SECOND_MS, endedCount: 600, refusedCount: 0 }, atMs);
    demand.note({ requests: isOpen ? 60 : 0, sockets: 0, isBusy: isOpen }, atMs);
    const wasAsleep = demand.isAsleep;
    if (atMs >= (demand.wakesAtMs ?? Infinity)) demand.tick(atMs);
    if (wasAsleep && !demand.isAsleep) woken.push({ atMs, count: demand.wantedAt(atMs)?.count ?? 0 });
    atMs += 10 * SECOND_MS;
  }
  return woken;
}

describe("a service that sleeps by night", () => {
  it("is woken by its own forecast before its demand comes, with shards for it, and seldom else", { timeout: 60_000 }, () => {
    const woken = live(demandOf(true), 6);
    for (const day of [3, 4, 5]) {
      const opensAtMs = START_MS + day * DAY_MS + OPENS_MS;
      const ofDay = woken.filter(({ atMs }) => Math.abs(atMs - opensAtMs) < 12 * HOUR_MS);
      const before = ofDay.filter(({ atMs }) => atMs <= opensAtMs - STARTS_IN_MS && atMs >= opensAtMs - HOUR_MS);
      expect(before.some(({ count }) => count >= 1)).toBe(true);
      expect(ofDay.length).toBeLessThanOrEqual(8);
    }
    // By night nothing is kept.
    const demand = demandOf(true);
    live(demand, 4);
    expect(demand.isAsleep).toBe(true);
    expect(demand.wantedAt(START_MS + 4 * DAY_MS)).toMatchObject({ count: 0 });
    expect(demand.wakesAtMs).toBeLessThanOrEqual(START_MS + 4 * DAY_MS + OPENS_MS - STARTS_IN_MS);
  });

  it("sleeps until something comes where its plan is only shown", () => {
    const demand = demandOf(false);
    live(demand, 2);
    expect(demand.isAsleep).toBe(true);
    expect(demand.wakesAtMs).toBeNull();
  });
});

describe("the time to wake", () => {
  const from = (atMs: number, slots: number) => (horizonsMs: readonly number[]) =>
    horizonsMs.map((horizonMs) => ({ mean: horizonMs >= atMs ? slots : 0 }));
  const input = { nowMs: START_MS, startMs: MINUTE_MS, shardSlots: 50 };

  it("is a start-up and a step before more is expected than there is; null where nothing is, for a day", () => {
    const atMs = prewarmAtMs({ ...input, expect: from(5 * HOUR_MS, 60) }, 0);
    expect(atMs).toBe(START_MS + 5 * HOUR_MS - 10 * MINUTE_MS - MINUTE_MS - 30 * SECOND_MS);
    expect(prewarmAtMs({ ...input, expect: from(5 * HOUR_MS, 60) }, 1)).toBeNull();
    expect(prewarmAtMs({ ...input, expect: from(5 * HOUR_MS, 120) }, 1)).toBe(atMs);
    expect(prewarmAtMs({ ...input, expect: from(25 * HOUR_MS, 60) }, 0)).toBeNull();
    expect(prewarmAtMs({ ...input, expect: from(0, 0.05) }, 0)).toBeNull();
  });

  it("is never so soon that a service which nobody uses would hardly sleep", () => {
    expect(prewarmAtMs({ ...input, expect: from(0, 60) }, 0)).toBeGreaterThanOrEqual(START_MS + 10 * MINUTE_MS);
  });

  it("says how many shards are kept, and until when", () => {
    expect(prewarmedBy({ ...input, expect: from(5 * MINUTE_MS, 120) })).toMatchObject({ count: 2 });
    expect(prewarmedBy({ ...input, expect: from(5 * HOUR_MS, 120) })).toMatchObject({ count: 0 });
    expect(prewarmedBy({ ...input, expect: from(0, 1) })).toEqual({
      count: 1,
      untilMs: START_MS + MINUTE_MS + 30 * SECOND_MS + 20 * MINUTE_MS,
    });
  });
});
