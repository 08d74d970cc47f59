// A service with a home pool and two regional ones, the real objects together: one endpoint's slots, lent where they are wanted.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { beforeAll, describe, it } from "vitest";
import type { Region } from "#shared/config/regions.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { regionalPoolName, type AcquireAnswer, type RenewAnswer } from "#shared/protocol/pool-rpc.ts";
import { LATENCY_BUCKETS_MS } from "#shared/protocol/telemetry.ts";
import { applyServices } from "../../support/worker/configuration.ts";

const CAPACITY = 12;
const REGIONS: Region[] = ["weur", "enam", "apac"];
const FLOW = "acme/gold";
let version: number;

const NAMES = ["shared", "moving", "evicted", "counted", "dropped", "queued", "placed"];
const serviceOf = (service: string) => ({ service, capacity: CAPACITY, more: { regions: REGIONS, requestDurationMsMax: 2_000 } });

beforeAll(async () => {
  version = await applyServices(NAMES.map(serviceOf));
});

const homeOf = (service: string) => env.POOL.get(env.POOL.idFromName(service));
const regionalOf = (service: string, region: Region) =>
  env.REGIONAL_POOL.get(env.REGIONAL_POOL.idFromName(regionalPoolName(service, region)));

/** An isolate's side, at the home pool or at a regional one. */
class Edge {
  readonly held: HeldLease;
  readonly #service: string;
  readonly #region: Region;
  #count = 0;

  constructor(holder: string, service: string, region: Region) {
    this.held = new HeldLease(holder);
    this.#service = service;
    this.#region = region;
  }

  get #pool() {
    return this.#region === "weur" ? homeOf(this.#service) : regionalOf(this.#service, this.#region);
  }

  get #to() {
    return { service: this.#service, configurationVersion: version, ...(this.#region !== "weur" && { region: this.#region }) };
  }

  async renew(want: number, outcomes: Readonly<Record<string, number>> = {}): Promise<RenewAnswer> {
    const lease = this.held.request({ flows: [{ flow: FLOW, want, tokensWant: 0 }], lanes: [] }, Date.now());
    const buckets = Array.from({ length: LATENCY_BUCKETS_MS.length + 1 }, () => 0);
    const flow = { flow: FLOW, arrivals: 0, outcomes, buckets, sumMs: 0, busyMs: 0 };
    const answer = await this.#pool.renew({ ...this.#to, tableVersion: 0, lease, telemetry: { flows: [flow], shards: [], edge: {} } });
    this.held.apply(answer.lease, Date.now());
    return answer;
  }

  get slots(): number {
    return this.held.slots(FLOW, Date.now());
  }

  acquire(waitMsMax = 5_000): Promise<AcquireAnswer> {
    this.#count += 1;
    const of = { slotId: `${this.held.holder}-${this.#count}`, holder: this.held.holder, flow: FLOW, urgency: 3, affinityKey: null };
    return this.#pool.acquire({ ...this.#to, ...of, kind: "request", waitMsMax });
  }
}

const slotsOut = async (service: string): Promise<number> => {
  const { endpoints } = await homeOf(service).stats(service, version);
  return endpoints.reduce((sum, of) => sum + of.slotsOut, 0);
};

// Each test has a service of its own, and waits for leases most of its time.
describe.concurrent("a service with regions", () => {
  it("lends each region what its isolates want, and all together no more than the endpoint has", async ({ expect }) => {
    const edges = REGIONS.map((region) => new Edge(`h-${region}`, "shared", region));
    for (let round = 0; round < 6; round += 1) {
      for (const edge of edges) await edge.renew(20);
      const held = edges.reduce((sum, { slots }) => sum + slots, 0);
      expect(held).toBeLessThanOrEqual(CAPACITY);
      expect(await slotsOut("shared")).toBeLessThanOrEqual(CAPACITY);
    }
    await expect
      .poll(async () => {
        for (const edge of edges) await edge.renew(20);
        return Math.min(...edges.map(({ slots }) => slots));
      })
      .toBeGreaterThanOrEqual(CAPACITY / 3 - 1);
  });

  it("sends isolates of every region to the same shards", async ({ expect }) => {
    const [home, away] = [new Edge("t-1", "placed", "weur"), new Edge("t-2", "placed", "apac")];
    const [{ table }, { table: same }] = [await home.renew(1), await away.renew(1)];
    expect(table?.shards.map(({ shardId }) => shardId)).toEqual(["placed-1"]);
    expect(same?.shards).toEqual(table?.shards);
  });

  it("follows the load from one region to another within a few renewals", async ({ expect }) => {
    const [here, there] = [new Edge("m-1", "moving", "enam"), new Edge("m-2", "moving", "apac")];
    await expect.poll(async () => (await here.renew(10), here.slots)).toBe(10);
    expect(await slotsOut("moving")).toBeGreaterThanOrEqual(10);
    const moved = async (): Promise<number> => {
      await here.renew(0);
      await there.renew(10);
      expect(here.slots + there.slots).toBeLessThanOrEqual(CAPACITY);
      return there.slots;
    };
    await expect.poll(moved).toBe(10);
  });

  it("has a queued request's slot brought from where it comes back", async ({ expect }) => {
    const [here, there] = [new Edge("q-1", "queued", "enam"), new Edge("q-2", "queued", "apac")];
    await expect.poll(async () => (await here.renew(CAPACITY), here.slots)).toBeGreaterThanOrEqual(10);
    const waiting = Promise.all(Array.from({ length: 6 }, () => there.acquire(20_000)));
    await expect.poll(async () => (await regionalOf("queued", "apac").stats()).queueLength).toBeGreaterThan(0);
    await here.renew(0);
    expect((await waiting).map(({ ok }) => ok)).toEqual(Array.from({ length: 6 }, () => true));
    expect(await slotsOut("queued")).toBeLessThanOrEqual(CAPACITY);
  });

  it("keeps what is out through evictions of each of its pools", async ({ expect }) => {
    const edges = REGIONS.map((region) => new Edge(`e-${region}`, "evicted", region));
    for (let round = 0; round < 8; round += 1) {
      for (const edge of edges) await edge.renew(6);
      expect(edges.reduce((sum, { slots }) => sum + slots, 0)).toBeLessThanOrEqual(CAPACITY);
      if (round % 3 === 0) await evictDurableObject(homeOf("evicted"));
      if (round % 3 === 1) await evictDurableObject(regionalOf("evicted", "enam"));
      if (round % 3 === 2) await evictDurableObject(regionalOf("evicted", "apac"));
    }
    // Nothing was lost either: each has its part, and the first renewal after an eviction brought it.
    for (const edge of edges) await edge.renew(6);
    expect(Math.min(...edges.map(({ slots }) => slots))).toBeGreaterThanOrEqual(2);
    const { counters } = await homeOf("evicted").stats("evicted", version);
    expect(counters.slotsOvershot).toBe(0);
  });

  it("counts a region's requests once, at the region, and forecasts them at home", async ({ expect }) => {
    const away = new Edge("c-1", "counted", "enam");
    await away.renew(2);
    await away.renew(2, { "admitted-local": 7 });
    const stats = await regionalOf("counted", "enam").stats();
    expect(stats.counters.outcomes[`${FLOW} admitted-local`]).toBe(7);
    await expect.poll(async () => (await homeOf("counted").stats("counted", version)).counters.renewCalls).toBeGreaterThan(1);
    const { counters } = await homeOf("counted").stats("counted", version);
    expect(counters.outcomes).toEqual({});
  });

  it("frees what a region that falls silent had, once its requests may have ended", { timeout: 60_000 }, async ({ expect }) => {
    const away = new Edge("d-1", "dropped", "apac");
    await expect.poll(async () => (await away.renew(8), away.slots)).toBe(8);
    expect(await slotsOut("dropped")).toBeGreaterThanOrEqual(8);
    // Its isolate is gone without a word; the region finds out, and gives back.
    await expect.poll(() => slotsOut("dropped"), { timeout: 30_000, interval: 500 }).toBe(0);
  });

  it("has no pool in a region that is not the service's", async ({ expect }) => {
    const nowhere = regionalOf("shared", "sam");
    const answer = await nowhere.acquire({
      slotId: "n-1",
      holder: "n",
      service: "shared",
      region: "sam",
      flow: FLOW,
      urgency: 3,
      affinityKey: null,
      kind: "request",
      waitMsMax: 1_000,
      configurationVersion: version,
    });
    expect(answer).toMatchObject({ ok: false, outcome: "unknown-service" });
  });
});
