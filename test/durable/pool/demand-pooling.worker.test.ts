// What forecasters tell each other: from a service that has learned, over the Registry, to one that begins.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { modelOf } from "#durable/pool/demand-configuration.ts";
import { exchangeShares } from "#durable/pool/demand-pooling.ts";
import { NO_FACTS, type DemandFacts } from "#durable/pool/demand-store.ts";
import { DEMAND_MEMORY_BYTES, ServiceDemand } from "#durable/pool/service-demand.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { pooledShares, poolOf, type SharesPool } from "#shared/forecast/pooled-shares.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { applyServices } from "../../support/worker/configuration.ts";

/** Far ahead: the alarms that are set never come due by the real clock. */
const START_MS = Math.ceil(Date.now() / DAY_MS + 100) * DAY_MS;
const STEP_MS = 5 * SECOND_MS;
const LEARNED_HOURS = 400;
const SERVICE = serviceFileSchema.parse({ service: "any", endpoints: [] });
const ELSE_KIND = [0, 0, 0, 0, 0, 0, 1];

afterEach(() => vi.useRealTimers());

const registry = () => env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));

function forecasterOf(bytes?: ArrayBuffer): DemandForecaster {
  const forecaster = new DemandForecaster(instantiateKernels(kernelsModule, { memoryBytes: 512 * 1_024 }), { model: modelOf(SERVICE) });
  if (bytes !== undefined) expect(forecaster.restore(new Uint8Array(bytes))).toEqual({ ok: true });
  return forecaster;
}

/** One that has seen so many hours, the last ending at START_MS. */
function learnedForecaster(): DemandForecaster {
  const forecaster = forecasterOf();
  for (let hour = -LEARNED_HOURS; hour < 0; hour += 1) {
    const level = 100 * Math.exp(0.7 * Math.sin((2 * Math.PI * hour) / 24) + 0.2 * Math.sin(hour * hour));
    forecaster.observe({ timeMs: START_MS + hour * HOUR_MS, arrivals: level, concurrency: level });
  }
  return forecaster;
}

function poolNamed(service: string) {
  const stub = env.POOL.get(env.POOL.idFromName(service));
  const rowOf = () =>
    runInDurableObject(stub, (_instance, state) => {
      const [row] = state.storage.sql.exec<{ facts: string; forecaster: ArrayBuffer }>("SELECT facts, forecaster FROM demand").toArray();
      return row === undefined ? null : { facts: JSON.parse(row.facts) as DemandFacts, forecaster: row.forecaster };
    });
  /** The alarm, as often as it is set. */
  const live = async (forMs: number) => {
    const untilMs = Date.now() + forMs;
    for (let atMs = Date.now() + STEP_MS; atMs <= untilMs; atMs += STEP_MS) {
      vi.setSystemTime(atMs);
      await runDurableObjectAlarm(stub);
    }
  };
  /** A socket's slot: something is out. */
  const acquire = async (configurationVersion: number) => {
    const request = {
      slotId: `slot-${Date.now()}`,
      holder: "h",
      service,
      flow: "acme/gold",
      urgency: 3,
      affinityKey: null,
      kind: "socket",
    } as const;
    expect(await stub.acquire({ ...request, waitMsMax: SECOND_MS, configurationVersion })).toMatchObject({ ok: true });
  };
  return { stub, rowOf, live, acquire };
}

describe("what a gateway's forecasters tell each other", () => {
  it(
    "goes from a service that has learned to one that begins, which still believes it after an eviction",
    { timeout: 60_000 },
    async () => {
      const version = await applyServices([
        { service: "pooling-old", capacity: 10 },
        { service: "pooling-young", capacity: 10 },
      ]);
      vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
      const learned = learnedForecaster();
      const weights = learned.clusterWeights() ?? [];
      const old = poolNamed("pooling-old");
      await old.acquire(version);
      // Instead of sixteen days.
      await runInDurableObject(old.stub, (_instance, state) => {
        const facts = JSON.stringify({ ...NO_FACTS, binEndMs: START_MS, binCount: 1 });
        state.storage.sql.exec(
          "INSERT OR REPLACE INTO demand (id, facts, forecaster, planner) VALUES (0, ?, ?, ?)",
          facts,
          learned.toBytes(),
          new Uint8Array(),
        );
      });
      await evictDurableObject(old.stub);
      await old.live(30 * SECOND_MS);
      const asked = { service: "another", model: learned.kindsModel ?? "", weights: null };
      await vi.waitFor(async () => expect((await registry().exchangeShares(asked)).serviceCount).toBe(1), { timeout: 15_000 });
      const told = (await registry().exchangeShares(asked)).totals;
      for (const [cluster, weight] of weights.entries()) expect(told[cluster]).toBeCloseTo(weight, 1);

      const young = poolNamed("pooling-young");
      await young.acquire(version);
      await young.live(3 * MINUTE_MS);
      const believed = forecasterOf((await young.rowOf())?.forecaster).shares;
      const expected = pooledShares(forecasterOf().shares, { serviceCount: 1, totals: told });
      expect(believed).not.toEqual(forecasterOf().shares);
      for (const [cluster, share] of expected.entries()) expect(believed[cluster]).toBeCloseTo(share, 12);

      await evictDurableObject(young.stub);
      await young.live(2 * MINUTE_MS);
      const row = await young.rowOf();
      expect(row?.facts.restarts).toEqual({});
      expect(forecasterOf(row?.forecaster).shares).toEqual(believed);
      expect(row?.facts.exchangedAtMs).toBeLessThan(START_MS + 2 * MINUTE_MS);
    },
  );

  it("is heard of once a day, and at once where what was stored is refused", { timeout: 60_000 }, async () => {
    const version = await applyServices([
      { service: "pooling-again", capacity: 10 },
      { service: "pooling-else", capacity: 10 },
    ]);
    vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
    const { stub, rowOf, live, acquire } = poolNamed("pooling-again");
    await acquire(version);
    await live(2 * MINUTE_MS);
    const learned = forecasterOf();
    expect(forecasterOf((await rowOf())?.forecaster).shares).toEqual(learned.shares);
    await registry().exchangeShares({ service: "pooling-else", model: learned.kindsModel ?? "", weights: ELSE_KIND });
    const believes = async () => (forecasterOf((await rowOf())?.forecaster).shares[6] ?? NaN) / (learned.shares[6] ?? NaN);
    await live(2 * MINUTE_MS);
    expect(await believes()).toBe(1);
    vi.setSystemTime(START_MS + DAY_MS);
    await acquire(version);
    await live(3 * MINUTE_MS);
    expect(await believes()).toBeGreaterThan(2);
    await runInDurableObject(stub, (_instance, state) => {
      state.storage.sql.exec("UPDATE demand SET forecaster = ?", new Uint8Array(100));
    });
    await evictDurableObject(stub);
    await live(3 * MINUTE_MS);
    const row = await rowOf();
    expect(row?.facts.restarts).toEqual({ "forecaster corrupt": 1 });
    expect(await believes()).toBeGreaterThan(2);
  });
});

it("without an answer leaves what it believed, says so, and asks again after an hour", async () => {
  const warnings: string[] = [];
  const exchange = vi.fn<() => Promise<SharesPool>>().mockRejectedValue(new Error("gone"));
  const demand = new ServiceDemand({
    kernels: instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES }),
    loadFacts: () => NO_FACTS,
    loadStates: () => null,
    save: () => {},
    fleet: () => null,
    exchangeShares: exchange,
    warn: (event) => warnings.push(event),
  });
  demand.open({ service: SERVICE, shards: [] });
  const runFor = async (fromMs: number, forMs: number): Promise<void> => {
    for (let atMs = fromMs; atMs < fromMs + forMs; atMs += 5 * SECOND_MS) {
      demand.arrive(atMs);
      demand.note({ requests: 1, sockets: 0, isBusy: true }, atMs);
      demand.tick(atMs);
      await Promise.resolve();
    }
  };
  await runFor(START_MS, 5 * MINUTE_MS);
  expect(exchange).toHaveBeenCalledTimes(1);
  expect(warnings).toEqual(["shares-not-exchanged"]);
  await runFor(START_MS + 5 * MINUTE_MS, HOUR_MS);
  expect(exchange).toHaveBeenCalledTimes(2);
  expect(demand.stats(START_MS + 2 * HOUR_MS)).toMatchObject({ hasFailed: false, restarts: {} });
});

it("does not touch a forecaster that is gone when the answer comes, nor ask for one that knows of one kind only", async () => {
  const forecaster = forecasterOf();
  const { shares } = forecaster;
  const shell = { exchangeShares: async () => poolOf([ELSE_KIND]), warn: (event: string) => expect.unreachable(event) };
  expect(await exchangeShares(shell, { service: "a", forecaster, isCurrent: () => false })).toBe(true);
  expect(forecaster.shares).toEqual(shares);
  const single = new DemandForecaster(instantiateKernels(kernelsModule, { memoryBytes: 512 * 1_024 }));
  const never = { ...shell, exchangeShares: async () => expect.unreachable("there is nothing to exchange") };
  expect(await exchangeShares(never, { service: "a", forecaster: single, isCurrent: () => true })).toBe(true);
});
