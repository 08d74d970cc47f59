import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { applyServices, type TestService } from "../../support/worker/configuration.ts";
import { exchangeWith, tellPool } from "../../support/worker/exchange.ts";

const FLOW = "acme/gold";
const NO_TELEMETRY = { flows: [], shards: [], edge: {} };

/** A pool of its own, with a configuration that has its service. */
async function poolOf(service: TestService) {
  const version = await applyServices([service]);
  const stub = env.POOL.get(env.POOL.idFromName(service.service));
  const ask = (slotId: string, more: Partial<AcquireRequest> = {}) =>
    stub.acquire({
      slotId,
      holder: "h",
      service: service.service,
      flow: FLOW,
      urgency: 3,
      affinityKey: "d-1",
      kind: "request",
      waitMsMax: 100,
      configurationVersion: version,
      ...more,
    });
  const stats = () => stub.stats(service.service, version);
  const out = async (): Promise<number> => (await stats()).endpoints.reduce((sum, { slotsOut }) => sum + slotsOut, 0);
  const socket = (slotId: string, more: Partial<AcquireRequest> = {}) => ask(slotId, { kind: "socket", ...more });
  const release = (slotId: string, holder = "h") => stub.release({ slotId, holder, flow: FLOW, outcome: "admitted-queued" });
  /** Renews for so many slots, and lives by the answer. */
  const renew = async (lease: HeldLease, want: number, configurationVersion = version) => {
    const lane = `https://${service.service}.example`;
    const request = lease.request({ flows: [{ flow: FLOW, want, tokensWant: 0 }], lanes: [{ lane, want }] }, Date.now());
    const message = { service: service.service, configurationVersion, tableVersion: 0, lease: request, telemetry: NO_TELEMETRY };
    const answer = await stub.renew(message);
    lease.apply(answer.lease, Date.now());
    return { answer, slots: lease.slots(FLOW, Date.now()), message };
  };
  return { stub, version, ask, socket, stats, out, release, renew };
}

describe("a lease of the pool", () => {
  it("has what is wanted while there is some, with the table of shards", async () => {
    const { renew, out } = await poolOf({ service: "leased", capacity: 120 });
    const [one, two] = [await renew(new HeldLease("one"), 100), await renew(new HeldLease("two"), 100)];
    // A sixteenth stays for those who ask the pool, and half of the rest for the next.
    expect([one.slots, two.slots]).toEqual([57, 28]);
    expect(one.answer.table?.shards.map(({ size }) => size)).toEqual([40, 40, 40]);
    expect(await out()).toBe(85);
  });

  it("is the same after an eviction: the next renewal is answered at once, and nothing is granted twice", async () => {
    const { stub, renew, out } = await poolOf({ service: "evicted", capacity: 10 });
    const lease = new HeldLease("one");
    await renew(lease, 5);
    await evictDurableObject(stub);
    expect(await out()).toBe(5);
    expect((await renew(new HeldLease("two"), 10)).slots).toBe(3);
    expect((await renew(lease, 5)).slots).toBe(5);
  });

  it("said again gets the same answer", async () => {
    const { stub, renew } = await poolOf({ service: "again", capacity: 10 });
    const { answer, message } = await renew(new HeldLease("one"), 6);
    expect((await stub.renew(message)).lease).toEqual(answer.lease);
  });

  it("said again, or overtaken by a later one, brings what was measured once", async () => {
    const { stub, version, renew } = await poolOf({ service: "told-once", capacity: 10 });
    const lease = new HeldLease("one");
    const [first, second] = [await renew(lease, 2), await renew(lease, 2)];
    const flow = { flow: FLOW, arrivals: 2, outcomes: { "admitted-local": 2 }, buckets: [2], sumMs: 7, busyMs: 9 };
    const telling = { flows: [flow], shards: [], edge: { unauthorized: 1 } };
    const third = { ...second.message, lease: lease.request({ flows: [], lanes: [] }, Date.now()), telemetry: telling };
    for (const message of [{ ...first.message, telemetry: telling }, third, third, third]) await stub.renew(message);
    const { counters } = await stub.stats("told-once", version);
    expect(counters.outcomes).toEqual({ [`${FLOW} admitted-local`]: 2 });
    expect(counters.edgeOutcomes).toEqual({ unauthorized: 1 });
  });

  it("brings what was measured, and keeps it over an eviction", async () => {
    const { stub, version, stats } = await poolOf({ service: "measured", capacity: 10 });
    const flow = { flow: FLOW, arrivals: 2, outcomes: { "admitted-local": 2 }, buckets: [2], sumMs: 7, busyMs: 9 };
    await stub.stats("measured", version, { flows: [flow], shards: [], edge: { unauthorized: 1 } });
    // The clock is the pool's own: it is told that its counters wait long enough.
    await expect.poll(() => runDurableObjectAlarm(stub), { timeout: 10_000 }).toBe(true);
    await expect
      .poll(() => runInDurableObject(stub, (_instance, state) => [...state.storage.sql.exec("SELECT * FROM flow_counters")].length), {
        timeout: 15_000,
      })
      .toBe(1);
    await evictDurableObject(stub);
    expect((await stats()).counters).toMatchObject({ outcomes: { "acme/gold admitted-local": 2 }, edgeOutcomes: { unauthorized: 1 } });
  });
});

describe("the pool's queue", () => {
  it("grants what is free at once; whoever comes then waits until a slot comes back", async () => {
    const { stub, ask, out } = await poolOf({ service: "full", capacity: 2 });
    for (const slotId of ["1", "2"]) expect(await ask(slotId)).toMatchObject({ ok: true, slot: { endpointUrl: "https://full.example" } });
    const third = ask("3", { waitMsMax: 5_000 });
    await expect.poll(() => stub.place("3")).toMatchObject({ aheadMax: expect.any(Number) as number });
    expect(await out()).toBe(2);
    await tellPool(stub, { service: "full", returned: ["1"] });
    expect(await third).toMatchObject({ ok: true, slot: { slotId: "3" } });
    expect(await out()).toBe(2);
  });

  it("refuses whose deadline passes, and says when to come back", async () => {
    const { ask } = await poolOf({ service: "late", capacity: 1 });
    await ask("1");
    expect(await ask("2", { waitMsMax: 50 })).toMatchObject({
      ok: false,
      outcome: "expired-in-queue",
      retryAfterMs: expect.any(Number) as number,
    });
  });

  it("serves the urgent first, and a class by its weight", async () => {
    const { stub, ask } = await poolOf({ service: "urgent", capacity: 1 });
    await ask("first");
    const order: string[] = [];
    const waiting = ["7", "3", "0"].map(async (slotId) => {
      const answer = await ask(slotId, { urgency: Number(slotId), waitMsMax: 5_000 });
      order.push(slotId);
      return answer;
    });
    await expect.poll(async () => (await stub.stats("urgent", 0)).queueLength).toBe(3);
    for (const slotId of ["first", "0", "3"]) {
      await tellPool(stub, { service: "urgent", returned: [slotId] });
      await expect.poll(() => order.length).toBeGreaterThan(["first", "0", "3"].indexOf(slotId));
    }
    await Promise.all(waiting);
    expect(order).toEqual(["0", "3", "7"]);
  });

  it("lets one go that is cancelled by its own holder, and by nobody else", async () => {
    const { stub, ask, stats } = await poolOf({ service: "cancelled", capacity: 1 });
    await ask("1");
    const second = ask("2", { waitMsMax: 5_000 });
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    await tellPool(stub, { service: "cancelled", holder: "thief", cancelled: ["2"] });
    expect((await stats()).queueLength).toBe(1);
    await tellPool(stub, { service: "cancelled", cancelled: ["2"] });
    expect(await second).toMatchObject({ ok: false, outcome: "cancelled" });
    expect((await stats()).queueLength).toBe(0);
  });

  it("gives a repeated request the slot it has, and no second one", async () => {
    const { ask, out } = await poolOf({ service: "repeat", capacity: 3 });
    const first = await ask("1");
    expect(await ask("1")).toMatchObject({ ok: true, slot: { slotId: "1", shardId: first.ok ? first.slot.shardId : "" } });
    expect(await out()).toBe(1);
    expect(await ask("1", { holder: "thief" })).toMatchObject({ ok: false, outcome: "internal" });
  });

  it("takes back by itself what its holder neither names nor returns, and says so", async () => {
    const { ask, out, stats } = await poolOf({ service: "lost", capacity: 2 });
    await ask("1");
    await expect.poll(out, { timeout: 10_000, interval: 100 }).toBe(0);
    expect((await stats()).counters.slotsReclaimed).toBe(1);
  });

  it("keeps one key on one shard while that has room, and spreads many", async () => {
    const { ask } = await poolOf({ service: "affine", capacity: 200 });
    const shardOf = async (slotId: string, affinityKey: string | null) => {
      const answer = await ask(slotId, { affinityKey });
      return answer.ok ? answer.slot.shardId : "refused";
    };
    const same = await Promise.all(Array.from({ length: 10 }, (_, index) => shardOf(`same-${index}`, "acme/d-1")));
    expect(new Set(same).size).toBe(1);
    const spread = await Promise.all(Array.from({ length: 60 }, (_, index) => shardOf(`any-${index}`, null)));
    expect(new Set(spread).size).toBe(4);
  });

  it("says no-endpoint where the service has none, and unknown-service where there is none", async () => {
    const { ask } = await poolOf({ service: "empty", capacity: 1, more: { endpoints: [] } });
    expect(await ask("1")).toMatchObject({ ok: false, outcome: "no-endpoint" });
    const gone = await applyServices([{ service: "other", capacity: 1 }]);
    expect(await ask("2", { configurationVersion: gone })).toMatchObject({ ok: false, outcome: "unknown-service" });
  });
});

describe("a socket's slot", () => {
  it("is freed once, by its owner; stale releases are counted", async () => {
    const { socket, out, release, stats } = await poolOf({ service: "stale", capacity: 3 });
    await socket("1");
    expect(await release("1", "thief")).toEqual({ freed: false });
    expect(await out()).toBe(1);
    expect(await release("1")).toEqual({ freed: true });
    expect(await release("1")).toEqual({ freed: false });
    const { counters } = await stats();
    expect(counters).toMatchObject({ staleReleases: 2, outcomes: { "acme/gold admitted-queued": 1 }, acquireCalls: 1, releaseCalls: 3 });
  });

  it("is known after an eviction, and granted to nobody else", async () => {
    const { stub, socket, out, release } = await poolOf({ service: "sockets", capacity: 2 });
    await socket("1");
    await socket("2");
    await evictDurableObject(stub);
    expect(await out()).toBe(2);
    expect(await socket("3")).toMatchObject({ ok: false });
    expect(await release("1")).toEqual({ freed: true });
    expect(await socket("4")).toMatchObject({ ok: true });
  });

  it("whose Shard object does not know it is freed when somebody is refused for it, and says so", async () => {
    const { stub, socket, out, stats } = await poolOf({ service: "unknown", capacity: 1 });
    await socket("1");
    expect(await stub.keep("1", "h", "some-shard-object")).toBe(true);
    await runDurableObjectAlarm(stub);
    expect(await out()).toBe(1);
    expect(await socket("2")).toMatchObject({ ok: false, outcome: "expired-in-queue" });
    await runDurableObjectAlarm(stub);
    expect(await out()).toBe(0);
    expect((await stats()).counters.slotsReclaimed).toBe(1);
  });
});

it("a pool follows a new version: it takes back what goes as that ends, and grants what comes", async () => {
  const { ask, stub } = await poolOf({ service: "grown", capacity: 2 });
  await ask("1");
  const smaller = await applyServices([{ service: "grown", capacity: 1 }]);
  expect(await ask("2", { configurationVersion: smaller })).toMatchObject({ ok: false, outcome: "expired-in-queue" });
  await tellPool(stub, { service: "grown", returned: ["1"] });
  expect(await ask("3", { configurationVersion: smaller })).toMatchObject({ ok: true, configurationVersion: smaller });
  const larger = await applyServices([{ service: "grown", capacity: 100 }]);
  expect(await ask("4", { configurationVersion: larger })).toMatchObject({ ok: true, configurationVersion: larger });
});

describe("an exchange", () => {
  it("that frees the slot of one that asks again in it says for how long it is good since that asking", async () => {
    const { stub, version } = await poolOf({ service: "asked-again", capacity: 1 });
    const ask = (slotId: string, askedAtMs: number) => ({ slotId, flow: FLOW, urgency: 3, affinityKey: null, waitMsMax: 5_000, askedAtMs });
    const message = { service: "asked-again", holder: "h", configurationVersion: version, countsFrom: 1, returned: [], cancelled: [] };
    const first = await exchangeWith(stub, { ...message, number: 1, asks: [ask("r1", 1_000), ask("r2", 1_000)] });
    expect(first.verdicts).toMatchObject([{ ok: true, slotId: "r1" }]);
    const second = await exchangeWith(stub, { ...message, number: 2, asks: [ask("r3", 6_000), ask("r2", 6_000)], returned: ["r1"] });
    // Since the first asking it would have ended already.
    expect(second.verdicts).toMatchObject([{ ok: true, slotId: "r2", askedAtMs: 6_000, slot: { waitedMs: 0 } }]);
    await exchangeWith(stub, { ...message, number: 3, asks: [], cancelled: ["r3"] });
  });
});
