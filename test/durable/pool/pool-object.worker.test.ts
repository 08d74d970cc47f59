import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { applyServices, type TestService } from "../../support/worker/configuration.ts";

/** A pool of its own, with a configuration that has its service. */
async function poolOf(service: TestService) {
  const version = await applyServices([service]);
  const stub = env.POOL.get(env.POOL.idFromName(service.service));
  const ask = (slotId: string, more: Partial<AcquireRequest> = {}) =>
    stub.acquire({
      slotId,
      holder: "h",
      service: service.service,
      flow: "acme/gold",
      urgency: 3,
      affinityKey: "d-1",
      kind: "request",
      configurationVersion: version,
      ...more,
    });
  const inUse = async (): Promise<number> =>
    (await stub.stats(service.service, version)).shards.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0);
  const release = (slotId: string, holder = "h") =>
    stub.release({ slotId, holder, flow: "acme/gold", outcome: "admitted-queued", latencyMs: 12 });
  return { stub, version, ask, inUse, release };
}

describe("the pool", () => {
  it("grants what its endpoints can take, then refuses with when to come back", async () => {
    const { ask, inUse } = await poolOf({ service: "full", capacity: 3 });
    for (const slotId of ["1", "2", "3"])
      expect(await ask(slotId)).toMatchObject({ ok: true, slot: { endpointUrl: "https://full.example" } });
    expect(await ask("4")).toMatchObject({ ok: false, outcome: "rejected-capacity", retryAfterMs: 1_000 });
    expect(await inUse()).toBe(3);
  });

  it("gives a repeated request the slot it has, and no second one", async () => {
    const { ask, inUse } = await poolOf({ service: "repeat", capacity: 3 });
    const first = await ask("1");
    expect(await ask("1")).toEqual(first);
    expect(await inUse()).toBe(1);
    expect(await ask("1", { holder: "thief" })).toMatchObject({ ok: false, outcome: "internal" });
  });

  it("frees a released slot once, and counts the stale releases", async () => {
    const { stub, version, ask, inUse, release } = await poolOf({ service: "stale", capacity: 3 });
    await ask("1");
    expect(await release("1", "thief")).toEqual({ freed: false });
    expect(await inUse()).toBe(1);
    expect(await release("1")).toEqual({ freed: true });
    expect(await release("1")).toEqual({ freed: false });
    const { counters } = await stub.stats("stale", version);
    expect(counters).toMatchObject({ staleReleases: 2, outcomes: { "acme/gold admitted-queued": 1 }, acquireCalls: 1, releaseCalls: 3 });
    expect(counters.latency["acme/gold"]?.buckets.reduce((sum, count) => sum + count, 0)).toBe(1);
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

  it("knows its slots after an eviction, and grants nothing twice", async () => {
    const { stub, ask, inUse, release } = await poolOf({ service: "evicted", capacity: 2 });
    await ask("1");
    await ask("2");
    await evictDurableObject(stub);
    expect(await inUse()).toBe(2);
    expect(await ask("3")).toMatchObject({ ok: false, outcome: "rejected-capacity" });
    expect(await release("1")).toEqual({ freed: true });
    expect(await ask("3")).toMatchObject({ ok: true });
  });

  it("frees the slots of a dead holder once their time is past, and says how many", async () => {
    const { stub, version, ask, inUse } = await poolOf({ service: "dead", capacity: 2, more: { deadlineMs: 1 } });
    await ask("1");
    expect(await inUse()).toBe(1);
    // The clock is the pool's own: the slot's time is moved instead.
    await runInDurableObject(stub, (_instance, state) => void state.storage.sql.exec("UPDATE slots SET expires_at_ms = 1"));
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    expect(await inUse()).toBe(0);
    expect((await stub.stats("dead", version)).counters.slotsReclaimed).toBe(1);
  });

  it("frees slots of sockets whose Shard object does not know them, and no others'", async () => {
    const { stub, version, ask, inUse } = await poolOf({ service: "sockets", capacity: 2 });
    await ask("1", { kind: "socket" });
    expect(await stub.keep("1", "h", "some-shard-object")).toBe(true);
    await runDurableObjectAlarm(stub);
    expect(await inUse()).toBe(0);
    expect((await stub.stats("sockets", version)).counters.slotsReclaimed).toBe(1);
  });

  it("extends for the holder only", async () => {
    const { stub, ask } = await poolOf({ service: "extended", capacity: 1 });
    await ask("1");
    expect(await stub.extend("1", "thief")).toBe(false);
    expect(await stub.extend("1", "h")).toBe(true);
    expect(await stub.extend("none", "h")).toBe(false);
  });

  it("follows a new version: drains what goes, grants what comes", async () => {
    const { ask, release } = await poolOf({ service: "grown", capacity: 2 });
    await ask("1");
    const smaller = await applyServices([{ service: "grown", capacity: 1 }]);
    expect(await ask("2", { configurationVersion: smaller })).toMatchObject({ ok: false, outcome: "rejected-capacity" });
    expect(await release("1")).toEqual({ freed: true });
    expect(await ask("2", { configurationVersion: smaller })).toMatchObject({ ok: true, configurationVersion: smaller });
    const larger = await applyServices([{ service: "grown", capacity: 100 }]);
    expect(await ask("3", { configurationVersion: larger })).toMatchObject({ ok: true, configurationVersion: larger });
  });

  it("says no-endpoint where the service has none, and unknown-service where there is none", async () => {
    const { ask } = await poolOf({ service: "empty", capacity: 1, more: { endpoints: [] } });
    expect(await ask("1")).toMatchObject({ ok: false, outcome: "no-endpoint" });
    const gone = await applyServices([{ service: "other", capacity: 1 }]);
    expect(await ask("2", { configurationVersion: gone })).toMatchObject({ ok: false, outcome: "unknown-service" });
  });

  it("keeps its counters over an eviction", async () => {
    const { stub, version, ask, release } = await poolOf({ service: "counted", capacity: 1 });
    await ask("1");
    await release("1");
    await runDurableObjectAlarm(stub);
    await evictDurableObject(stub);
    expect((await stub.stats("counted", version)).counters.outcomes).toEqual({ "acme/gold admitted-queued": 1 });
  });
});
