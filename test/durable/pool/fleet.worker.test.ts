// Shards that follow the plan, on a real pool object with endpoints that exist, its clock the test's own.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { applyServices, type TestService } from "../../support/worker/configuration.ts";

const FLOW = "acme/gold";
const START_MS = Math.ceil(Date.now() / DAY_MS + 200) * DAY_MS;
const STEP_MS = 2 * SECOND_MS;
const ACT = { mode: "act", warmCount: 0, shortfallRatio: 0.01 };

afterEach(() => vi.useRealTimers());

async function poolOf(service: TestService) {
  let version = await applyServices([service]);
  vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
  const stub = env.POOL.get(env.POOL.idFromName(service.service));
  const lease = new HeldLease("one");
  let tableVersion = 0;
  const stats = async (): Promise<PoolStats> => stub.stats(service.service, version);
  /** A report of what was asked for since the last: each request half a second, a part of them failing at its shard. */
  const renew = async (rate: number, failing: ReadonlySet<string> = new Set()) => {
    const { shards } = await stats();
    const active = shards.filter(({ state }) => state === "active");
    const slots = active.reduce((sum, { size }) => sum + size, 0);
    const arrivals = (rate * STEP_MS) / SECOND_MS;
    const flow = { flow: FLOW, arrivals, outcomes: { "admitted-local": arrivals }, buckets: [], sumMs: 0, busyMs: arrivals * 500 };
    const telemetry = active.map(({ shardId, endpointUrl, size }) => {
      const requests = Math.round((arrivals * size) / slots);
      return { shardId, endpointUrl, requests, failures: failing.has(shardId) ? requests : 0, latency: new Uint8Array(0) };
    });
    const lanes = [...new Set(active.map(({ endpointUrl }) => endpointUrl))].map((lane) => ({ lane, want: 10 }));
    const request = lease.request({ flows: [{ flow: FLOW, want: 10, tokensWant: 0 }], lanes }, Date.now());
    const answer = await stub.renew({
      service: service.service,
      configurationVersion: version,
      tableVersion,
      lease: request,
      telemetry: { flows: [flow], shards: telemetry, edge: {} },
    });
    if (answer.table !== null) tableVersion = answer.table.version;
    lease.apply(answer.lease, Date.now());
  };
  const live = async (forMs: number, rate: number, failing?: ReadonlySet<string>) => {
    for (let leftMs = forMs; leftMs > 0; leftMs -= STEP_MS) {
      vi.setSystemTime(Date.now() + STEP_MS);
      if (rate > 0) await renew(rate, failing);
      await runDurableObjectAlarm(stub);
    }
  };
  const apply = async (more: TestService["more"]) => {
    version = await applyServices([{ ...service, ...(more === undefined ? {} : { more }) }]);
    await stats();
  };
  const ask = (slotId: string, waitMsMax: number) =>
    stub.acquire({
      slotId,
      holder: "h",
      service: service.service,
      flow: FLOW,
      urgency: 3,
      affinityKey: null,
      kind: "request",
      waitMsMax,
      configurationVersion: version,
    });
  return { stub, stats, live, apply, ask };
}

function serving({ fleet }: PoolStats) {
  return (fleet?.shards ?? []).filter(({ state }) => state === "canary" || state === "active");
}

describe("shards that follow the plan", () => {
  it("come with demand, each after a trial, and go with it; the ledger has exactly what the table says", { timeout: 60_000 }, async () => {
    const { stats, live } = await poolOf({ service: "fleet-acts", capacity: 200, more: { provisioning: ACT } });
    await live(20 * SECOND_MS, 10);
    expect(serving(await stats())).toHaveLength(1);
    await live(3 * MINUTE_MS, 240);
    const high = await stats();
    // 240 requests a second of half a second each are 120 slots: three shards of 50.
    expect(serving(high).length).toBeGreaterThanOrEqual(3);
    const slots = high.shards.filter(({ state }) => state === "active").reduce((sum, { size }) => sum + size, 0);
    expect(high.endpoints).toMatchObject([{ capacity: slots }]);
    expect(slots).toBeGreaterThanOrEqual(120);
    expect(slots).toBeLessThanOrEqual(200);
    expect(high.fleet?.transitions).toMatchObject({
      "planned demand": expect.any(Number) as number,
      "canary demand": expect.any(Number) as number,
      "active proven": expect.any(Number) as number,
    });
    const [shard] = serving(high);
    expect(shard?.history.map(({ to, reason }) => `${to} ${reason}`)).toEqual([
      "planned demand",
      "starting reserved",
      "warm ready",
      "canary demand",
      "active proven",
    ]);
    await live(8 * MINUTE_MS, 10);
    const low = await stats();
    expect(serving(low).length).toBeLessThan(serving(high).length);
    expect(low.fleet?.transitions).toMatchObject({ "draining surplus": expect.any(Number) as number });
    expect(low.demand.plan).toMatchObject({ mode: "act", shardSlots: 50 });
  });

  it("serve as soon as they are ready, also where the plan stays what it was when they were ordered", async () => {
    const { stats, live } = await poolOf({ service: "fleet-ready", capacity: 400, more: { provisioning: ACT } });
    await live(2 * MINUTE_MS, 100);
    expect(serving(await stats())).toHaveLength(2);
    await live(MINUTE_MS, 160);
    const { demand, fleet, endpoints } = await stats();
    expect(demand.plan).toMatchObject({ count: 3 });
    expect(fleet?.shards.map(({ state }) => state)).toEqual(["active", "active", "active"]);
    expect(endpoints).toMatchObject([{ capacity: 150 }]);
  });

  it("are the configuration's shards at first, with their names, and are so again in shadow", async () => {
    const { stats, live, apply } = await poolOf({ service: "fleet-adopts", capacity: 200 });
    await live(20 * SECOND_MS, 10);
    const before = await stats();
    expect(before.fleet).toBeNull();
    await apply({ provisioning: ACT });
    const adopted = await stats();
    expect(adopted.shards.map(({ shardId, size }) => `${shardId} ${size}`)).toEqual(
      before.shards.map(({ shardId, size }) => `${shardId} ${size}`),
    );
    await live(6 * MINUTE_MS, 10);
    const acted = await stats();
    expect(acted.shards.length).toBeLessThan(before.shards.length);
    for (const { shardId } of acted.shards) expect(before.shards.map((shard) => shard.shardId)).toContain(shardId);
    await apply({});
    const back = await stats();
    expect(back.fleet).toBeNull();
    expect(back.endpoints).toMatchObject([{ capacity: 200 }]);
  });

  it("are adopted as often as the plan is done, and then shown only: none is lost, whatever was wanted the last time", async () => {
    const { stats, live, apply } = await poolOf({ service: "fleet-returns", capacity: 200, more: { provisioning: ACT } });
    await live(2 * MINUTE_MS, 100);
    expect(serving(await stats())).toHaveLength(2);
    await apply({});
    await live(MINUTE_MS, 380);
    const { shards } = await stats();
    expect(shards).toHaveLength(4);
    await apply({ provisioning: ACT });
    for (let step = 0; step < 10; step += 1) {
      const again = await stats();
      expect(again.shards.map(({ shardId, size }) => ({ shardId, size }))).toEqual(shards.map(({ shardId, size }) => ({ shardId, size })));
      expect(again.endpoints).toMatchObject([{ capacity: 200 }]);
      await live(STEP_MS, 380);
    }
    const [returned] = serving(await stats());
    expect(returned?.history.map(({ to, reason }) => `${to} ${reason}`).slice(-3)).toEqual([
      "active proven",
      "gone not-wanted",
      "active adopted",
    ]);
  });

  it("keep what they serve where the configuration wants smaller ones, which come with what is missing", { timeout: 60_000 }, async () => {
    const { stats, live, apply } = await poolOf({ service: "fleet-resized", capacity: 400, more: { provisioning: ACT } });
    await live(3 * MINUTE_MS, 240);
    expect(serving(await stats()).map(({ size }) => size)).toEqual([50, 50, 50]);
    await apply({ provisioning: ACT, shards: { sizeMin: 5, sizeMax: 10, countMax: 100 } });
    for (let step = 0; step < 20; step += 1) {
      // 120 slots are wanted all the time.
      const { endpoints } = await stats();
      expect(endpoints[0]?.capacity).toBeGreaterThanOrEqual(120);
      await live(2 * STEP_MS, 240);
    }
    await live(3 * MINUTE_MS, 400);
    const grown = await stats();
    expect(grown.endpoints[0]?.capacity).toBeGreaterThanOrEqual(200);
    expect(new Set(serving(grown).map(({ size }) => size))).toEqual(new Set([50, 10]));
    await apply({ provisioning: ACT });
    for (let step = 0; step < 10; step += 1) {
      expect((await stats()).endpoints[0]?.capacity).toBeGreaterThanOrEqual(200);
      await live(2 * STEP_MS, 400);
    }
  });

  it("are the same after an eviction", async () => {
    const { stub, stats, live } = await poolOf({ service: "fleet-evicted", capacity: 200, more: { provisioning: ACT } });
    await live(2 * MINUTE_MS, 240);
    const before = await stats();
    await evictDurableObject(stub);
    const after = await stats();
    expect(after.shards).toEqual(before.shards.map((shard) => ({ ...shard, requests: 0, failures: 0 })));
    expect(after.fleet?.shards).toEqual(before.fleet?.shards);
    await live(MINUTE_MS, 240);
    expect(serving(await stats()).length).toBeGreaterThanOrEqual(3);
  });

  it("that fail where their siblings do not are taken out, and the reason is told", { timeout: 60_000 }, async () => {
    const more = { provisioning: ACT, endpoints: ["a", "b"].map((name) => ({ url: `https://fleet-${name}.example`, capacity: 100 })) };
    const { stats, live } = await poolOf({ service: "fleet-bad", capacity: 1, more });
    await live(MINUTE_MS, 40);
    const good = new Set(serving(await stats()).map(({ shardId }) => shardId));
    // From here on every shard beyond the first ones is broken.
    const bad = new Set(Array.from({ length: 20 }, (_, index) => `fleet-bad-${index + 1}`).filter((shardId) => !good.has(shardId)));
    for (let step = 0; step < 30 && (await stats()).fleet?.resting.length === 0; step += 1) await live(STEP_MS, 240, bad);
    const { fleet } = await stats();
    const last = fleet?.shards.flatMap(({ history }) => history).find(({ reason }) => reason === "errors");
    expect(last?.detail).toMatch(/^\d+ of \d+ answers failed, its siblings' 0 of \d+$/);
    expect(fleet?.resting.length).toBeGreaterThan(0);
    for (const { shardId } of serving(await stats()).filter(({ state }) => state === "active")) expect(bad).not.toContain(shardId);
  });

  it("may be none: then the first request waits for one, and is served", { timeout: 60_000 }, async () => {
    const more = { provisioning: ACT, shards: { countMin: 0 } };
    const { stats, live, ask } = await poolOf({ service: "fleet-sleeps", capacity: 200, more });
    await live(MINUTE_MS, 40);
    expect(serving(await stats()).length).toBeGreaterThanOrEqual(1);
    await live(12 * MINUTE_MS, 0);
    const asleep = await stats();
    expect(serving(asleep)).toEqual([]);
    expect(asleep.endpoints).toMatchObject([{ capacity: 0 }]);
    expect(await ask("first", 5_000)).toMatchObject({ ok: true, slot: { slotId: "first" } });
    const { fleet } = await stats();
    expect(fleet?.transitions).toMatchObject({ "planned first-request": 1 });
  });

  it("that cannot be had leave who waits until the deadline, and the answer says so", async () => {
    const more = {
      provisioning: { ...ACT, costPerHourMax: 1 },
      endpoints: [{ url: "https://fleet-dear.example", capacity: 50, pricePerHour: 2 }],
    };
    const { ask, live, stats } = await poolOf({ service: "fleet-dear", capacity: 1, more });
    const asked = ask("one", 1_000);
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    await live(2 * STEP_MS, 0);
    expect(await asked).toMatchObject({
      ok: false,
      outcome: "expired-in-queue",
      detail: expect.stringMatching(/ms in the queue: the service has no shard, and none can be had now\.$/) as string,
    });
  });
});
