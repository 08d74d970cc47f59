// A socket's slot is granted by the pool of its device's region, and is the home pool's from the moment that its Shard object takes it over: the
// real objects together, each evicted, cut off or aborted on the way.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Region } from "#shared/config/regions.ts";
import { poolName, regionalPoolName } from "#shared/protocol/pool-rpc.ts";
import { shardObjectName, SOCKET_ASSIGNMENT_HEADER, type SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { applyServices } from "../../support/worker/configuration.ts";
import { SOCKET_KINDS, takeSocket, type SocketKind } from "../../support/worker/socket-kinds.ts";

const REGIONS: Region[] = ["weur", "apac"];
const REGION: Region = "apac";
const FLOW = "acme/gold";
const CAPACITY = 8;
const LATER_MS = 10 * 60_000;
const realNow = Date.now.bind(Date);
let offsetMs = 0;

beforeEach(() => {
  offsetMs = 0;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + offsetMs);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  vi.spyOn(globalThis, "fetch").mockImplementation(takeSocket);
});
afterEach(() => vi.restoreAllMocks());

type Method = (...args: unknown[]) => unknown;

/** Nobody ends a slot there any more. */
async function cutOff(regional: DurableObjectStub): Promise<void> {
  await runInDurableObject(regional, (instance) => {
    const calls = Object.getPrototypeOf(instance) as { release: Method };
    vi.spyOn(calls, "release").mockImplementation(() => {
      throw new Error("unreachable");
    });
  });
}

async function serviceOf(service: string) {
  const of = { service, capacity: CAPACITY, more: { regions: REGIONS, shards: { sizeMin: CAPACITY, sizeMax: CAPACITY } } };
  const version = await applyServices([of]);
  const home = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const regional = env.REGIONAL_POOL.get(env.REGIONAL_POOL.idFromName(regionalPoolName(service, REGION)));
  // One that was aborted needs another stub.
  const shard = () => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, `${service}-1`)));
  const acquire = async (slotId: string) =>
    regional.acquire({
      slotId,
      holder: "edge",
      service,
      region: REGION,
      flow: FLOW,
      urgency: 3,
      affinityKey: null,
      kind: "socket",
      device: "d-1",
      waitMsMax: 10,
      configurationVersion: version,
    });
  const open = async (kind: SocketKind, slotId: string): Promise<Response> => {
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: "d-1",
      isResumable: kind === "a session",
      mode: kind === "a relayed socket" ? "websocket" : "http",
      slotId,
      holder: "edge",
      region: REGION,
      flow: FLOW,
      shardId: `${service}-1`,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 1_000,
      startedAtMs: Date.now(),
    };
    return shard().fetch("https://shard/", {
      headers: { upgrade: "websocket", [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) },
    });
  };
  const connect = async (kind: SocketKind, slotId = `${service}-slot`): Promise<WebSocket> => {
    expect(await acquire(slotId)).toMatchObject({ ok: true });
    const { webSocket } = await open(kind, slotId);
    if (webSocket === null) throw new Error("refused");
    webSocket.accept();
    return webSocket;
  };
  const rowsOf = async (pool: typeof home | typeof regional): Promise<readonly string[]> =>
    runInDurableObject(pool as typeof home, (_instance, { storage }) =>
      storage.sql
        .exec<{ row: string }>("SELECT slot_id || CASE WHEN expires_at_ms IS NULL THEN '' ELSE ' ends' END AS row FROM named_slots")
        .toArray()
        .map(({ row }) => row),
    );
  /** Replaces a call to the home pool, until what it returns is called. */
  const meddle = async (name: "renew" | "release", how: (call: Method) => Method): Promise<() => void> =>
    runInDurableObject(home, (instance) => {
      const calls = Object.getPrototypeOf(instance) as Record<typeof name, Method>;
      const replacement = how(calls[name].bind(instance));
      const spy = vi.spyOn(calls, name).mockImplementation(replacement);
      return () => spy.mockRestore();
    });
  const die = async (): Promise<void> => {
    await runInDurableObject(shard(), (_instance, state) => state.abort("as a process that dies")).catch(() => undefined);
  };
  const later = async (): Promise<void> => {
    offsetMs += LATER_MS;
    await runDurableObjectAlarm(shard());
  };
  const atHome = async () => rowsOf(home);
  const inRegion = async () => rowsOf(regional);
  return { service, home, regional, acquire, open, connect, atHome, inRegion, meddle, die, later, version };
}

describe.for(SOCKET_KINDS)("the slot of %s that was opened in a region", (kind) => {
  const name = (what: string): string => `r-${what}-${kind.replaceAll(/\W/g, "-").toLowerCase()}`;

  it("is granted there, is home's while it lives, and goes back with it", async () => {
    const { service, home, acquire, open, atHome, inRegion, version } = await serviceOf(name("lives"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    expect([await atHome(), await inRegion()]).toEqual([[], ["s ends"]]);
    const { webSocket } = await open(kind, "s");
    webSocket?.accept();
    expect([await atHome(), await inRegion()]).toEqual([["s"], []]);
    const out = async (): Promise<number> =>
      (await home.stats(service, version)).endpoints.reduce((sum, { slotsOut }) => sum + slotsOut, 0);
    expect(await out()).toBe(1);
    webSocket?.close(1000);
    // A session can be resumed for a while.
    if (kind !== "a session") await expect.poll(atHome).toEqual([]);
  });

  it("is there as long as it lives, whatever becomes of the regional pool", { timeout: 60_000 }, async () => {
    const { regional, connect, atHome, later, home } = await serviceOf(name("region-gone"));
    await connect(kind);
    if (kind !== "a session") await later();
    await evictDurableObject(regional);
    // All that the region was lent has come back by then, but what lives.
    await runDurableObjectAlarm(home);
    expect(await atHome()).toHaveLength(1);
  });

  it("goes home also where the regional pool is evicted before it does", async () => {
    const { regional, acquire, open, atHome, inRegion } = await serviceOf(name("evicted"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    await evictDurableObject(regional);
    expect((await open(kind, "s")).status).toBe(101);
    expect([await atHome(), await inRegion()]).toEqual([["s"], []]);
  });

  it("is nobody's where home cannot be reached, and comes back", async () => {
    const { acquire, open, atHome, inRegion, meddle, later } = await serviceOf(name("cut-off"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    const mend = await meddle("renew", () => () => {
      throw new Error("unreachable");
    });
    expect((await open(kind, "s")).status).toBe(503);
    expect(await atHome()).toEqual([]);
    mend();
    await later();
    await expect.poll(async () => [await atHome(), await inRegion()]).toEqual([[], []]);
  });

  it("goes back without the region once it is home's, though the region is out of reach", async () => {
    const { regional, connect, atHome, later } = await serviceOf(name("region-cut-off"));
    const socket = await connect(kind);
    await cutOff(regional);
    socket.close(1000);
    // A session can be resumed for a while.
    await expect.poll(async () => (kind === "a session" ? later().then(atHome) : atHome())).toEqual([]);
  });

  it("goes back without the region also where its Shard object died, though the region is out of reach", async () => {
    const { regional, connect, atHome, later, die } = await serviceOf(name("both-gone"));
    await connect(kind);
    await cutOff(regional);
    await die();
    await later();
    await expect.poll(atHome).toEqual([]);
  });

  it("goes home where the home pool was evicted before", async () => {
    const { home, acquire, open, atHome } = await serviceOf(name("home-evicted"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    await evictDurableObject(home);
    expect((await open(kind, "s")).status).toBe(101);
    expect(await atHome()).toEqual(["s"]);
  });

  it("goes home after the region's lease, and lives on in a service without regions", async () => {
    const { service, acquire, open, home, atHome, inRegion } = await serviceOf(name("unregioned"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    offsetMs += 8_000;
    const more = { shards: { sizeMin: CAPACITY, sizeMax: CAPACITY } };
    await home.stats(service, await applyServices([{ service, capacity: CAPACITY, more }]));
    const { status, webSocket } = await open(kind, "s");
    expect([status, await atHome(), await inRegion()]).toEqual([101, ["s"], []]);
    webSocket?.accept();
    webSocket?.close(1000);
    if (kind !== "a session") await expect.poll(atHome).toEqual([]);
  });

  it("comes back where home took it and its Shard object died before it heard", async () => {
    const { acquire, open, atHome, meddle, die, later } = await serviceOf(name("dies"));
    expect(await acquire("s")).toMatchObject({ ok: true });
    const mend = await meddle("renew", (renew) => async (...args) => {
      await renew(...args);
      throw new Error("unheard");
    });
    const opened = open(kind, "s").catch(() => "it died");
    await expect.poll(atHome).toEqual(["s"]);
    await die();
    await opened;
    mend();
    await later();
    await expect.poll(atHome).toEqual([]);
  });
});

describe("a slot that is asked for again, because the region was evicted before its answer was heard", () => {
  it("is the same one, and its socket's", async () => {
    const { regional, acquire, open, atHome, inRegion } = await serviceOf("r-again");
    expect(await acquire("s")).toMatchObject({ ok: true });
    await evictDurableObject(regional);
    expect(await acquire("s")).toMatchObject({ ok: true });
    expect((await open("a session", "s")).status).toBe(101);
    expect([await atHome(), await inRegion()]).toEqual([["s"], []]);
  });

  it("is no socket's where the first one has gone home already: that one ends, and would end under the socket", async () => {
    const { regional, acquire, open, atHome, inRegion } = await serviceOf("r-again-late");
    expect(await acquire("s")).toMatchObject({ ok: true });
    await evictDurableObject(regional);
    expect(await acquire("other")).toMatchObject({ ok: true });
    expect(await atHome()).toEqual(["s ends"]);
    expect(await acquire("s")).toMatchObject({ ok: true });
    expect((await open("a session", "s")).status).toBe(503);
    await regional.release({ slotId: "s", holder: "edge", flow: FLOW, outcome: "upstream-failed" });
    expect([await atHome(), await inRegion()]).toEqual([[], ["other ends"]]);
  });
});

it("slots of a region are all of the service's, and no more", async () => {
  const { acquire, open, atHome } = await serviceOf("r-all");
  for (let count = 0; count < CAPACITY; count += 1) {
    expect(await acquire(`s-${count}`)).toMatchObject({ ok: true });
    expect((await open("a session", `s-${count}`)).status).toBe(101);
  }
  expect(await atHome()).toHaveLength(CAPACITY);
  expect(await acquire("s-more")).toMatchObject({ ok: false });
});

it("a service whose sockets are counted takes none over that a region granted before it knew", async () => {
  const { service, acquire, open, atHome, home } = await serviceOf("r-counted");
  expect(await acquire("s")).toMatchObject({ ok: true });
  const more = { regions: REGIONS, shards: { sizeMin: CAPACITY, sizeMax: CAPACITY }, sockets: { perTenantMax: 1 } };
  const version = await applyServices([{ service, capacity: CAPACITY, more }]);
  await home.stats(service, version);
  expect((await open("a session", "s")).status).toBe(503);
  expect(await atHome()).toEqual([]);
});
