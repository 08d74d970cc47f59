// The control loop on a real pool object, its clock the test's own: hours pass at once, and no alarm comes by itself.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NO_FACTS, type DemandFacts, type DemandStates } from "#durable/pool/demand-store.ts";
import { DEMAND_MEMORY_BYTES, ServiceDemand } from "#durable/pool/service-demand.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";
import { applyServices, type TestService } from "../../support/worker/configuration.ts";

const FLOW = "acme/gold";
/** Far ahead: the alarms that are set never come due by the real clock. */
const START_MS = Math.ceil(Date.now() / DAY_MS + 100) * DAY_MS;
const STEP_MS = 2 * SECOND_MS;

afterEach(() => vi.useRealTimers());

async function poolOf(service: TestService) {
  const version = await applyServices([service]);
  vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
  const stub = env.POOL.get(env.POOL.idFromName(service.service));
  const lease = new HeldLease("one");
  const stats = () => stub.stats(service.service, version);
  const renew = async ({ arrivals, busyMs, want }: { arrivals: number; busyMs: number; want: number }) => {
    const flow = { flow: FLOW, arrivals, outcomes: { "admitted-local": arrivals }, buckets: [], sumMs: 0, busyMs };
    const lane = `https://${service.service}.example`;
    const flows = want > 0 ? [{ flow: FLOW, want, tokensWant: 0 }] : [];
    const request = lease.request({ flows, lanes: want > 0 ? [{ lane, want }] : [] }, Date.now());
    const telemetry = { flows: arrivals > 0 ? [flow] : [], shards: [], edge: {} };
    const answer = await stub.renew({
      service: service.service,
      configurationVersion: version,
      tableVersion: 0,
      lease: request,
      telemetry,
    });
    lease.apply(answer.lease, Date.now());
  };
  /** Lives through a time: `rate` requests a second of `holdMs` each, reported every two seconds; the alarm runs when it is set. */
  const live = async (forMs: number, rate: number, holdMs = 500) => {
    const untilMs = Date.now() + forMs;
    for (let atMs = Date.now() + STEP_MS; atMs <= untilMs; atMs += STEP_MS) {
      vi.setSystemTime(atMs);
      const arrivals = (rate * STEP_MS) / SECOND_MS;
      if (rate > 0) await renew({ arrivals, busyMs: arrivals * holdMs, want: Math.ceil((rate * holdMs) / SECOND_MS) });
      await runDurableObjectAlarm(stub);
    }
  };
  const rowOf = () =>
    runInDurableObject(stub, (_instance, state) => [
      ...state.storage.sql.exec<{ facts: string; forecaster: ArrayBuffer; planner: ArrayBuffer }>("SELECT * FROM demand"),
    ]);
  const alarmAt = () => runInDurableObject(stub, (_instance, state) => state.storage.getAlarm());
  return { stub, version, stats, live, renew, rowOf, alarmAt };
}

describe("a pool's demand", () => {
  it("is measured in bins of ten seconds, forecast for both signals, and planned for, in shadow", async () => {
    const { live, stats } = await poolOf({ service: "demand-shadow", capacity: 100 });
    await live(3 * MINUTE_MS, 40);
    const { demand, shards } = await stats();
    // 40 requests a second of half a second each are 20 slots.
    expect(demand.arrivalsPerSecond).toBeCloseTo(40, 0);
    expect(demand.slotsWanted).toBeCloseTo(20, 0);
    expect(demand.binCount).toBeGreaterThanOrEqual(15);
    expect(demand.horizons.map(({ signal, horizonMs }) => `${signal} ${horizonMs}`)).toEqual(
      ["arrivals", "concurrency"].flatMap((signal) => [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS].map((horizonMs) => `${signal} ${horizonMs}`)),
    );
    for (const { signal, mean, lower, upper } of demand.horizons) {
      expect(mean).toBeGreaterThan(signal === "arrivals" ? 30 : 15);
      expect(lower).toBeLessThanOrEqual(mean);
      expect(upper).toBeGreaterThanOrEqual(mean);
    }
    expect(demand.plan).toMatchObject({ mode: "shadow", shardSlots: 50 });
    expect(demand.plan?.count).toBeGreaterThanOrEqual(1);
    expect(shards).toHaveLength(2);
    expect(demand.hasFailed).toBe(false);
  });

  it("has its next alarm ahead of it after each one, so that none is lost", async () => {
    const { live, alarmAt } = await poolOf({ service: "demand-alarms", capacity: 100 });
    await live(20 * SECOND_MS, 5);
    for (let step = 0; step < 15; step += 1) {
      await live(STEP_MS, 0);
      expect(await alarmAt()).toBeGreaterThan(Date.now());
    }
  });

  it("goes on after an eviction where it was, a minute lost at most", { timeout: 60_000 }, async () => {
    const { stub, live, stats } = await poolOf({ service: "demand-evicted", capacity: 100 });
    await live(4 * MINUTE_MS, 40);
    const before = (await stats()).demand;
    await evictDurableObject(stub);
    const { demand } = await stats();
    expect(before.binCount - demand.binCount).toBeLessThanOrEqual(MINUTE_MS / (10 * SECOND_MS));
    expect(demand.binCount).toBeGreaterThan(10);
    expect(demand.restarts).toEqual({});
    for (const [index, { mean }] of demand.horizons.entries()) expect(mean).toBeCloseTo(before.horizons[index]?.mean ?? 0, -1);
    expect(demand.plan).toBeNull();
    await live(MINUTE_MS, 40);
    const after = (await stats()).demand;
    expect(after.binCount).toBeGreaterThan(demand.binCount);
    expect(after.plan?.plannedShardSeconds).toBeGreaterThan(before.plan?.plannedShardSeconds ?? Infinity);
  });

  it("writes one row a minute at most, of at most 128 KiB", async () => {
    const { live, stub, rowOf } = await poolOf({ service: "demand-rows", capacity: 100 });
    const saves = new Set<string>();
    for (let minute = 0; minute < 5; minute += 1) {
      await live(MINUTE_MS, 10);
      for (const { facts } of await rowOf()) saves.add(facts);
    }
    expect(saves.size).toBeGreaterThanOrEqual(3);
    expect(saves.size).toBeLessThanOrEqual(5);
    const [row] = await rowOf();
    expect((row?.forecaster.byteLength ?? 0) + (row?.planner.byteLength ?? 0)).toBeLessThanOrEqual(128 * 1_024);
    expect(row?.planner.byteLength).toBeLessThanOrEqual(64 * 1_024);
    expect(row?.forecaster.byteLength).toBeLessThanOrEqual(64 * 1_024);
    await evictDurableObject(stub);
  });

  it("begins afresh where what was stored is damaged, counts why, and serves on", async () => {
    const { stub, live, stats } = await poolOf({ service: "demand-damaged", capacity: 100 });
    await live(3 * MINUTE_MS, 10);
    await runInDurableObject(stub, (_instance, state) => {
      state.storage.sql.exec("UPDATE demand SET forecaster = ?, planner = ?", new Uint8Array(100), new Uint8Array(7));
    });
    await evictDurableObject(stub);
    expect((await stats()).demand.horizons.map(({ mean }) => mean)).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await stats()).demand.restarts).toEqual({ "forecaster corrupt": 1, "planner unreadable": 1 });
    await live(2 * MINUTE_MS, 10);
    const { demand } = await stats();
    expect(demand.arrivalsPerSecond).toBeCloseTo(10, 0);
    expect(demand.horizons[0]?.mean).toBeGreaterThan(5);
    expect(demand.hasFailed).toBe(false);
  });

  it(
    "falls silent when nothing came for ten minutes, sets no alarm then, and knows the silence for zeros",
    { timeout: 60_000 },
    async () => {
      const { stub, live, stats, alarmAt, version } = await poolOf({ service: "demand-idle", capacity: 100 });
      await live(2 * MINUTE_MS, 40);
      await live(9 * MINUTE_MS, 0);
      expect(await alarmAt()).not.toBeNull();
      await live(3 * MINUTE_MS, 0);
      expect(await alarmAt()).toBeNull();
      const { binCount, horizons } = (await stats()).demand;
      const ofAnHour = (of: typeof horizons): number | undefined =>
        of.find(({ signal, horizonMs }) => signal === "concurrency" && horizonMs === HOUR_MS)?.coverageRatio;
      expect(ofAnHour(horizons)).toBeNaN();
      // Whoever looks does not wake it, nor does the clock.
      vi.setSystemTime(Date.now() + HOUR_MS);
      await stub.stats("demand-idle", version);
      expect(await alarmAt()).toBeNull();
      await evictDurableObject(stub);
      vi.setSystemTime(Date.now() + 5 * HOUR_MS);
      await live(30 * SECOND_MS, 40);
      const { demand } = await stats();
      expect(demand.binCount).toBeGreaterThan(binCount);
      expect(demand.slotsWanted).toBeCloseTo(20, 0);
      // Six hours of zeros have told what a forecast of an hour was worth; missing values would have told nothing.
      expect(ofAnHour(demand.horizons)).toBeGreaterThan(0);
    },
  );

  it("counts sockets as long as they live, and refusals by how long requests run", async () => {
    const { stub, live, stats, version } = await poolOf({ service: "demand-sockets", capacity: 4, more: { deadlineMs: 600_000 } });
    const ask = async (slotId: string, waitMsMax: number) =>
      stub.acquire({
        slotId,
        holder: "h",
        service: "demand-sockets",
        flow: FLOW,
        urgency: 3,
        affinityKey: null,
        kind: "socket",
        waitMsMax,
        configurationVersion: version,
      });
    for (const slotId of ["1", "2", "3", "4"]) {
      expect(await ask(slotId, SECOND_MS)).toMatchObject({ ok: true });
    }
    await live(MINUTE_MS, 0);
    expect((await stats()).demand.slotsWanted).toBeCloseTo(4, 6);
    expect(await ask("5", 0)).toMatchObject({ ok: false });
    await live(20 * SECOND_MS, 0);
    expect((await stats()).demand.slotsWanted).toBeGreaterThan(4);
  });
});

it("a service's own seasons, time zone and events reach its forecast, and a changed configuration keeps what was learned", async () => {
  const forecast = {
    timeZone: "Europe/Berlin",
    events: [
      {
        name: "sale",
        start: new Date(START_MS + 20 * MINUTE_MS).toISOString(),
        end: new Date(START_MS + 3 * HOUR_MS).toISOString(),
        uplift: 4,
      },
    ],
  };
  const { live, stats, stub } = await poolOf({ service: "demand-events", capacity: 1_000, more: { forecast } });
  await live(4 * MINUTE_MS, 40);
  const of = async (horizonMs: number): Promise<number> =>
    (await stats()).demand.horizons.find((horizon) => horizon.signal === "concurrency" && horizon.horizonMs === horizonMs)?.mean ?? 0;
  expect(await of(HOUR_MS)).toBeGreaterThan(3 * (await of(MINUTE_MS)));
  const version = await applyServices([{ service: "demand-events", capacity: 1_000, more: { forecast: { timeZone: "Asia/Tokyo" } } }]);
  await stub.stats("demand-events", version);
  const { demand } = await stats();
  expect(demand.restarts).toEqual({});
  expect(await of(MINUTE_MS)).toBeGreaterThan(10);
  expect(await of(HOUR_MS)).toBeLessThan(2 * (await of(MINUTE_MS)));
});

it("a forecaster that cannot be made says so once, and rests: nothing is thrown at the pool", () => {
  const warnings: string[] = [];
  const demand = new ServiceDemand({
    kernels: instantiateKernels(kernelsModule, { memoryBytes: 64 * 1_024 }),
    loadFacts: () => NO_FACTS,
    loadStates: () => null,
    exchangeShares: async () => ({ serviceCount: 0, totals: [] }),
    save: () => expect.unreachable("nothing is saved of what never was"),
    warn: (event) => warnings.push(event),
    fleet: () => null,
  });
  demand.open({ service: serviceFileSchema.parse({ service: "small", endpoints: [] }), shards: [] });
  const runFor = (fromMs: number): void => {
    for (let atMs = fromMs; atMs < fromMs + MINUTE_MS; atMs += SECOND_MS) {
      demand.arrive(atMs);
      demand.note({ requests: 1, sockets: 0, isBusy: true }, atMs);
      demand.tick(atMs);
    }
  };
  runFor(START_MS);
  runFor(START_MS + MINUTE_MS);
  expect(warnings).toEqual(["demand-failed"]);
  expect(demand.wakesAtMs).toBeNull();
  expect(demand.stats(START_MS)).toMatchObject({ hasFailed: true, horizons: [], plan: null });
});

it("is judged: over three days an hour ahead is better than persistence, the interval holds, the plan's own shortfall and cost are told", () => {
  const random = seededRandom(7);
  const save = vi.fn<(facts: DemandFacts, states: DemandStates) => void>();
  const demand = new ServiceDemand({
    kernels: instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES }),
    loadFacts: () => NO_FACTS,
    loadStates: () => null,
    exchangeShares: async () => ({ serviceCount: 0, totals: [] }),
    save,
    warn: (event) => expect.unreachable(event),
    fleet: () => null,
  });
  const service = serviceFileSchema.parse({
    service: "daily",
    endpoints: [{ url: "https://daily.example", capacity: 1_000, pricePerHour: 2 }],
    provisioning: { shortfallRatio: 0.01, warmCount: 0 },
  });
  demand.open({ service, shards: [{ shardId: "daily-1", endpointUrl: "https://daily.example", size: 20, state: "active" }] });
  const untilMs = START_MS + 3 * DAY_MS;
  for (let atMs = START_MS + 1; atMs < untilMs; atMs += 10 * SECOND_MS) {
    const slots = 100 * Math.exp(0.8 * Math.sin((2 * Math.PI * atMs) / DAY_MS) + 0.03 * random.normal());
    demand.report("h", { arrivals: 10 * slots, busyMs: 10 * SECOND_MS * slots, endedCount: 10 * slots, refusedCount: 0 }, atMs);
    demand.note({ requests: slots, sockets: 0, isBusy: true }, atMs);
    demand.tick(atMs);
  }
  const { horizons, plan } = demand.stats(untilMs);
  for (const { horizonMs, coverageRatio, wape, persistenceWape, yields } of horizons) {
    if (horizonMs < HOUR_MS) continue;
    expect(coverageRatio).toBeGreaterThan(0.9);
    expect(wape).toBeLessThan(persistenceWape);
    expect(yields).toBe(false);
  }
  expect(plan?.seenShortfallRatio).toBeLessThanOrEqual(0.0125);
  // Twenty of a thousand slots at 2 an hour.
  expect(plan?.costPerHour).toBeCloseTo(0.04 * (plan?.count ?? 0), 9);
  const paidToWanted = (plan?.plannedShardSeconds ?? 0) / (plan?.wantedShardSeconds ?? 1);
  expect(paidToWanted).toBeGreaterThan(1);
  expect(paidToWanted).toBeLessThan(1.6);
  expect(save.mock.calls.length).toBeLessThanOrEqual(3 * 1_440);
  const states = save.mock.calls.at(-1)?.[1];
  expect(states?.forecaster.length).toBeLessThanOrEqual(64 * 1_024);
}, 60_000);
