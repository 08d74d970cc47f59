// Slots of sockets come back without anybody asking for them, whatever dies between the pool and a Shard object; and an object whose
// devices are silent is asked nothing.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import {
  shardObjectName,
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_ELSEWHERE_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type SocketAssignment,
} from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { applyServices } from "../../support/worker/configuration.ts";
import { SOCKET_KINDS, takeSocket, type SocketKind } from "../../support/worker/socket-kinds.ts";

const LATER_MS = 10 * 60_000;
const realNow = Date.now.bind(Date);
let offsetMs = 0;
/** The clock goes on from there. */
const pass = (ms: number): void => void (offsetMs += ms);

/** What can be put in the way of a call to the pool, as the pool object has it. */
type Method = (...args: unknown[]) => unknown;
type Calls = Record<"keep" | "release", Method>;

beforeEach(() => {
  offsetMs = 0;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + offsetMs);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  vi.spyOn(globalThis, "fetch").mockImplementation(takeSocket);
});
afterEach(() => vi.restoreAllMocks());

async function shardOf(service: string, capacity = 8) {
  const version = await applyServices([{ service, capacity, more: { shards: { sizeMin: 8, sizeMax: 8 } } }]);
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const shardId = `${service}-1`;
  // One that was aborted needs another stub.
  const shard = (id = shardId) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, id)));
  const acquire = async (slotId: string) =>
    pool.acquire({
      slotId,
      holder: "edge",
      service,
      flow: "acme/gold",
      urgency: 3,
      affinityKey: null,
      kind: "socket",
      waitMsMax: 10,
      configurationVersion: version,
    });
  const open = async (kind: SocketKind, slotId = `${service}-slot`, more: Partial<SocketAssignment> = {}): Promise<Response> => {
    expect(await acquire(slotId)).toMatchObject({ ok: true });
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: "d-1",
      isResumable: kind === "a session",
      mode: kind === "a relayed socket" ? "websocket" : "http",
      slotId,
      holder: "edge",
      flow: "acme/gold",
      shardId,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 1_000,
      startedAtMs: Date.now(),
      ...more,
    };
    return shard(assignment.shardId).fetch("https://shard/", {
      headers: { upgrade: "websocket", [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) },
    });
  };
  let token = "";
  const connect = async (kind: SocketKind, slotId?: string): Promise<WebSocket> => {
    const { webSocket } = await open(kind, slotId);
    if (webSocket === null) throw new Error("refused");
    webSocket.accept();
    if (kind === "a session") {
      const next = async (): Promise<string> =>
        new Promise((resolve) => webSocket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true }));
      const welcomed = next();
      webSocket.send('{"type":"hello","attempt":1,"received":0}');
      ({ token } = JSON.parse(await welcomed) as { token: string });
      const acknowledged = next();
      webSocket.send(JSON.stringify({ type: "rotated", token }));
      webSocket.send("m1:x");
      await acknowledged;
    }
    return webSocket;
  };
  /** Owned by the Shard object, without an end. */
  const kept = async (): Promise<number> =>
    runInDurableObject(
      pool,
      (_instance, { storage }) => storage.sql.exec("SELECT 1 FROM named_slots WHERE expires_at_ms IS NULL").toArray().length,
    );
  /** Replaces a call to the pool, until what it returns is called. */
  const meddle = async (name: keyof Calls, how: (call: Method) => Method): Promise<() => void> =>
    runInDurableObject(pool, (instance) => {
      const calls = Object.getPrototypeOf(instance) as Calls;
      const replacement = how(calls[name].bind(instance));
      const spy = vi.spyOn(calls, name).mockImplementation(replacement);
      return () => spy.mockRestore();
    });
  const die = async (): Promise<void> => {
    await runInDurableObject(shard(), (_instance, state) => state.abort("as a process that dies")).catch(() => undefined);
  };
  const later = async (): Promise<void> => {
    pass(LATER_MS);
    await runDurableObjectAlarm(shard());
  };
  const countAsked = async (): Promise<() => number> =>
    runInDurableObject(shard(), (instance) => {
      const spy = vi.spyOn(Object.getPrototypeOf(instance) as Pick<typeof instance, "held">, "held");
      return () => spy.mock.calls.length;
    });
  return { pool, token: () => token, shard, acquire, open, connect, kept, meddle, die, later, countAsked, version };
}

describe.for(SOCKET_KINDS)("the slot of %s", (kind) => {
  const name = (what: string): string => `${what}-${kind.replaceAll(/\W/g, "-").toLowerCase()}`;

  it("is back where its Shard object dies between the pool's word and its own", async () => {
    const { open, kept, meddle, die, later } = await shardOf(name("dies-opening"));
    const never = Promise.withResolvers<never>();
    const mend = await meddle("keep", (keep) => async (...args) => {
      await keep(...args);
      return never.promise;
    });
    const opened = open(kind).catch(() => "it died");
    await expect.poll(kept).toBe(1);
    await die();
    expect(await opened).toBe("it died");
    mend();
    await later();
    await expect.poll(kept).toBe(0);
  });

  it("is back where the pool could not be reached as it ended", async () => {
    const { connect, kept, meddle, later } = await shardOf(name("unreachable"));
    const device = await connect(kind);
    let tried = 0;
    const mend = await meddle("release", () => () => {
      tried += 1;
      throw new Error("unreachable");
    });
    device.close(1000);
    await expect.poll(() => tried).toBe(3);
    expect(await kept()).toBe(1);
    mend();
    await later();
    await expect.poll(kept).toBe(0);
  });

  it("is back where its Shard object dies as it ends", async () => {
    const { connect, kept, meddle, die, later } = await shardOf(name("dies-closing"));
    const device = await connect(kind);
    let tried = 0;
    const never = Promise.withResolvers<never>();
    const mend = await meddle("release", () => async () => {
      tried += 1;
      return never.promise;
    });
    device.close(1000);
    await expect.poll(() => tried).toBe(1);
    await die();
    mend();
    expect(await kept()).toBe(1);
    await later();
    await expect.poll(kept).toBe(0);
  });

  it("is its own while it lives, whatever alarms come", async () => {
    const { connect, kept, later, shard } = await shardOf(name("lives"));
    await connect(kind);
    await later();
    await runDurableObjectAlarm(shard());
    expect(await kept()).toBe(1);
  });
});

it("the slot of a relayed socket is back where its Shard object dies with it", async () => {
  const { connect, kept, die, later } = await shardOf("relay-dies");
  await connect("a relayed socket");
  await die();
  await later();
  await expect.poll(kept).toBe(0);
});

it("the slots of a session that moves are one, also where it was long unknown whether it had", async () => {
  const { open, connect, shard, kept, token } = await shardOf("moves");
  await connect("a session");
  const { shardId, sessionId, secret } = parseResumeToken(token()) ?? { shardId: "", sessionId: "", secret: "" };
  const move = async (slotId: string): Promise<number> =>
    (await open("a session", slotId, { shardId: "moves-2", movedFrom: { shardId, slotId: "a session", sessionId, secret } })).status;
  const spy = await runInDurableObject(shard(), (instance) =>
    vi.spyOn(Object.getPrototypeOf(instance) as Pick<typeof instance, "confirmMove">, "confirmMove").mockImplementation(() => {
      throw new Error("unreachable");
    }),
  );
  expect(await move("moves-b")).toBe(503);
  expect(await kept()).toBe(2);
  // By an older token its device may come to the copy, which is none until the other shard says so.
  const resumption = { service: "moves", tenant: "acme", device: "d-1", sessionId, secret };
  const came = await shard("moves-2").fetch("https://shard/", {
    headers: { upgrade: "websocket", [SOCKET_RESUMPTION_HEADER]: JSON.stringify(resumption) },
  });
  expect([came.status, came.headers.get(SOCKET_ELSEWHERE_HEADER)]).toEqual([503, JSON.stringify({ shardId, moveId: "" })]);
  spy.mockRestore();
  expect(await move("moves-c")).toBe(101);
  await expect.poll(kept).toBe(1);
  expect(await shard("moves-2").held(["moves-slot", "moves-b", "moves-c"])).toEqual(["moves-c"]);
});

describe("a session that has gone on while a connection of its device was under way", () => {
  const setUp = async (service: string) => {
    const { open, connect, shard, kept, token } = await shardOf(service);
    await connect("a session");
    const { shardId, sessionId, secret } = parseResumeToken(token()) ?? { shardId: "", sessionId: "", secret: "" };
    const other = `${service}-2`;
    const move = async (from: string, to: string): Promise<Response> =>
      open("a session", `${from} ${to} ${crypto.randomUUID()}`, {
        shardId: to,
        movedFrom: { shardId: from, slotId: "", sessionId, secret },
      });
    return { shardId, sessionId, other, move, shard, kept };
  };

  it("is not over for one that was to stay, because there was no room", async () => {
    const { shardId, other, move, kept } = await setUp("gone-on");
    expect((await move(shardId, other)).status).toBe(101);
    await expect.poll(kept).toBe(1);
    expect((await move(shardId, shardId)).status).toBe(503);
    expect((await move(other, other)).status).toBe(101);
    await expect.poll(kept).toBe(1);
  });

  it("lets nobody in by a copy that came back since, and may be none", async () => {
    const { shardId, other, move, shard } = await setUp("came-back");
    const { webSocket } = await move(shardId, other);
    const closes: { code: number; reason: string }[] = [];
    const frames: string[] = [];
    webSocket?.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    webSocket?.addEventListener("message", ({ data }) => void frames.push(String(data)));
    webSocket?.accept();
    expect((await move(other, shardId)).status).toBe(101);
    const spy = await runInDurableObject(shard(), (instance) =>
      vi.spyOn(Object.getPrototypeOf(instance) as Pick<typeof instance, "confirmMove">, "confirmMove").mockImplementation(() => {
        throw new Error("unreachable");
      }),
    );
    expect((await move(shardId, other)).status).toBe(503);
    expect((await move(other, other)).status).toBe(503);
    webSocket?.send('{"type":"hello","attempt":2,"received":0}');
    await expect.poll(() => closes).toEqual([{ code: 1012, reason: "moved" }]);
    expect(frames).toEqual([]);
    spy.mockRestore();
  });
});

describe("a Shard object whose devices are silent", () => {
  it("is asked nothing by a pool that is started again, and again", async () => {
    const { connect, countAsked, pool, kept } = await shardOf("silent");
    await connect("a session");
    const asked = await countAsked();
    for (let start = 0; start < 3; start += 1) {
      await evictDurableObject(pool);
      await runDurableObjectAlarm(pool);
    }
    expect([await kept(), asked()]).toEqual([1, 0]);
  });

  it("is asked once where somebody is refused, and not again while nothing changes between them", async () => {
    const { connect, acquire, countAsked, pool, kept } = await shardOf("pressed", 1);
    await connect("a session");
    const asked = await countAsked();
    for (let round = 0; round < 5; round += 1) {
      expect(await acquire(`pressed-${round}`)).toMatchObject({ ok: false });
      await runDurableObjectAlarm(pool);
      pass(11_000);
    }
    expect([await kept(), asked()]).toEqual([1, 1]);
    // What the two agreed on was long ago.
    pass(LATER_MS);
    await acquire("pressed-later");
    await runDurableObjectAlarm(pool);
    expect(asked()).toBe(2);
  });

  it("is asked once after a deployment, which ends every socket", async () => {
    const { connect, countAsked, pool, kept } = await shardOf("deployed");
    await connect("a session");
    const asked = await countAsked();
    await runInDurableObject(pool, (_instance, { storage }) => {
      storage.sql.exec(`UPDATE facts SET value = '"another"' WHERE fact = 'reconciled'`);
    });
    for (let start = 0; start < 2; start += 1) {
      await evictDurableObject(pool);
      await runDurableObjectAlarm(pool);
    }
    expect([await kept(), asked()]).toEqual([1, 1]);
  });
});
