// What hostile devices and broken endpoints can do to a Shard object: memory within its budget, a precise end, the slot back.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import {
  shardObjectName,
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type ConnectionTerms,
  type SocketAssignment,
} from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { applyServices } from "../../support/worker/configuration.ts";

const EVENTS = { headers: { "content-type": "application/websocket-events" } };
const MIB = 1_048_576;
/** Answers a request with messages; a promise that does not resolve is an endpoint that stalls. */
let answer: (events: readonly SocketEvent[]) => Promise<Response> | Response;
let posts: SocketEvent[][] = [];

beforeEach(() => {
  posts = [];
  answer = () => new Response(null, { status: 204 });
  // The network's, not ours: the test runner has no endpoint to offer.
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const events = new EventParser(2 * MIB).push(init?.body as Uint8Array);
    if ("ok" in events) throw new Error(events.detail);
    posts.push([...events]);
    if (events[0]?.type === "OPEN") return Promise.resolve(new Response(encodeEvents([{ type: "OPEN" }]), EVENTS));
    return answer(events);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

interface Connection {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closes: { code: number; reason: string }[];
}

async function shardOf(service: string, terms?: ConnectionTerms) {
  const version = await applyServices([{ service, capacity: 64, more: { shards: { sizeMin: 64, sizeMax: 64 } } }]);
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const shardId = `${service}-1`;
  const stub = env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId)));
  /** `allowHalfOpen`: it may speak on once the other side has closed. */
  const connect = async (headers: Headers, allowHalfOpen = false): Promise<Connection> => {
    headers.set("upgrade", "websocket");
    const response = await stub.fetch("https://shard/", { headers });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}`);
    const frames: string[] = [];
    const closes: { code: number; reason: string }[] = [];
    socket.addEventListener("message", ({ data }) => void frames.push(String(data).slice(0, 300)));
    socket.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    socket.accept({ allowHalfOpen });
    return { socket, frames, closes };
  };
  let opened = 0;
  const admit = async (isResumable: boolean, allowHalfOpen = false): Promise<Connection> => {
    const slotId = `${service}-${(opened += 1)}`;
    const more = { urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 1_000, configurationVersion: version } as const;
    const acquired = await pool.acquire({ slotId, holder: "edge", service, flow: "acme/gold", ...more });
    if (!acquired.ok) throw new Error("no slot");
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: `d-${opened}`,
      isResumable,
      mode: "http",
      slotId,
      holder: "edge",
      flow: "acme/gold",
      shardId,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 1_000,
      startedAtMs: Date.now(),
      ...(terms === undefined ? {} : { terms }),
    };
    return connect(new Headers({ [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) }), allowHalfOpen);
  };
  const open = async ({ allowHalfOpen = false } = {}): Promise<Connection> => {
    const connection = await admit(true, allowHalfOpen);
    connection.socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => connection.frames.length).toBe(1);
    connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));
    return connection;
  };
  const openPlain = async (): Promise<Connection> => admit(false);
  const resume = async (token: string, hello: { attempt: number; received: number }, device = "d-1"): Promise<Connection> => {
    const { sessionId = "", secret = "" } = parseResumeToken(token) ?? {};
    const resumption = { service, tenant: "acme", device, sessionId, secret };
    const connection = await connect(new Headers({ [SOCKET_RESUMPTION_HEADER]: JSON.stringify(resumption) }));
    connection.socket.send(JSON.stringify({ type: "hello", ...hello }));
    return connection;
  };
  const slots = async (): Promise<number> =>
    (await pool.stats(service, version)).endpoints.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0);
  return { stub, open, openPlain, resume, slots };
}

async function bufferedOf(stub: DurableObjectStub): Promise<number> {
  return runInDurableObject(stub, (instance) => (instance as unknown as { readonly bufferedBytes: number }).bufferedBytes);
}

const tokenOf = ({ frames }: Connection): string => (JSON.parse(frames[0] ?? "{}") as { token: string }).token;

describe("an endpoint that", () => {
  const chunks = (text: string) => new Response(text, EVENTS);
  it.for([
    { name: "names an event that is none", body: () => chunks("HELLO\r\n"), says: "malformed" },
    { name: "says a size that is none", body: () => chunks("TEXT zz\r\n"), says: "malformed" },
    { name: "says a size beyond the largest message", body: () => chunks("TEXT 100001\r\n"), says: "at most 1048576" },
    { name: "says less than it sends", body: () => chunks("TEXT 1\r\nabc\r\n"), says: "longer than it said" },
    { name: "sends a line that does not end", body: () => chunks("T".repeat(5_000)), says: "line" },
    {
      name: "sends what is no UTF-8",
      body: () => new Response(Uint8Array.of(84, 69, 88, 84, 32, 49, 13, 10, 255, 13, 10), EVENTS),
      says: "content",
    },
    { name: "sends more than a window", body: () => chunks(`BINARY 100000\r\n${"x".repeat(MIB)}\r\n`.repeat(3)), says: "bytes" },
    {
      name: "answers a page of HTML",
      body: () => new Response("<html>", { headers: { "content-type": "text/html" } }),
      says: "expected 200",
    },
    { name: "answers with a redirect", body: () => new Response(null, { status: 302, headers: { location: "/" } }), says: "status 302" },
  ])("$name ends the session with 1014 and says why, and the slot is back", async ({ name, body, says }) => {
    const { open, slots } = await shardOf(`g-${name.replaceAll(/[^a-z]/gi, "").toLowerCase()}`);
    answer = body;
    const { socket, frames, closes } = await open();
    socket.send("m1:a");
    await expect.poll(() => closes).toEqual([{ code: 1014, reason: expect.stringContaining(says) as string }]);
    expect(JSON.parse(frames.at(-1) ?? "")).toMatchObject({ type: "end", why: "endpoint", code: 1014, received: 0 });
    await expect.poll(slots).toBe(0);
  });

  it("closes with a code that may not be sent is told to the device as 1014", async () => {
    const { open, slots } = await shardOf("bad-close");
    answer = () => new Response(encodeEvents([{ type: "CLOSE", code: 1006, reason: "x" }]), EVENTS);
    const { socket, closes } = await open();
    socket.send("m1:a");
    await expect.poll(() => closes).toEqual([{ code: 1014, reason: "endpoint went away" }]);
    await expect.poll(slots).toBe(0);
  });

  it("closes without a status is told of no status, as its device is", async () => {
    const { open, slots } = await shardOf("no-status");
    answer = () => new Response(encodeEvents([{ type: "CLOSE", code: null, reason: "" }]), EVENTS);
    const { socket, closes } = await open();
    socket.send("m1:a");
    await expect.poll(() => closes).toEqual([{ code: 1005, reason: "" }]);
    await expect.poll(slots).toBe(0);
    await expect.poll(() => posts.at(-1)).toEqual([{ type: "CLOSE", code: null, reason: "" }]);
  });

  it.for([
    { name: "refuses a message", says: () => new Response(null, { status: 403 }), told: { type: "DISCONNECT" } },
    {
      name: "closes with its answer",
      says: () => new Response(encodeEvents([{ type: "CLOSE", code: 4_001, reason: "" }]), EVENTS),
      told: { type: "CLOSE", code: 4_001, reason: "" },
    },
  ])("$name is not sent what came after, and its device knows that", async ({ name, says, told }) => {
    const { open, stub } = await shardOf(`after-${name.length}`);
    const asked = Promise.withResolvers<void>();
    answer = async () => {
      await asked.promise;
      return says();
    };
    const { socket, frames, closes } = await open();
    for (let index = 1; index <= 100; index += 1) socket.send(`m${index}:x`);
    // All of them wait for the first request's answer.
    await expect.poll(async () => bufferedOf(stub)).toBe(100);
    asked.resolve();
    await expect.poll(() => closes.length).toBe(1);
    await expect.poll(() => posts.at(-1)).toEqual([told]);
    expect(posts).toHaveLength(3);
    const received = told.type === "CLOSE" ? (posts[1]?.length ?? 0) : 0;
    expect(JSON.parse(frames.at(-1) ?? "")).toMatchObject({ type: "end", received });
  });

  it("stalls holds no more of its devices' messages than the budget, and loses none", { timeout: 60_000 }, async () => {
    const { open, resume, stub } = await shardOf("stalls");
    const stalled = Promise.withResolvers<void>();
    const accepted: string[] = [];
    answer = async (events) => {
      await stalled.promise;
      for (const event of events) if (event.type === "TEXT") accepted.push(event.text.slice(0, 20));
      return new Response(null, { status: 204 });
    };
    // Twenty devices with full windows are 40 MiB; 32 MiB is the budget.
    const large = (index: number, sequence: number): string => `device ${index} ${sequence} `.padEnd(MIB, "x");
    const connections: Connection[] = [];
    for (let index = 0; index < 20; index += 1) {
      const connection = await open();
      connections.push(connection);
      for (const sequence of [1, 2]) connection.socket.send(`m${sequence}:${large(index, sequence)}`);
    }
    await expect.poll(() => connections.filter(({ closes }) => closes.length > 0).length).toBeGreaterThan(0);
    expect(new Set(connections.flatMap(({ closes }) => closes.map(({ code, reason }) => `${code} ${reason}`)))).toEqual(
      new Set(["1013 shard-busy"]),
    );
    const buffered = await bufferedOf(stub);
    expect(buffered).toBeLessThanOrEqual(32 * MIB);
    expect(buffered).toBeGreaterThan(20 * MIB);
    stalled.resolve();
    // Who was put off comes back and sends again what was not acknowledged.
    for (const [index, connection] of connections.entries()) {
      if (connection.closes.length === 0) continue;
      let next: Connection | undefined;
      await expect
        .poll(async () => {
          next = await resume(tokenOf(connection), { attempt: 2, received: 0 }, `d-${index + 1}`);
          await expect.poll(() => next?.frames.length ?? 0).toBeGreaterThan(0);
          return (JSON.parse(next.frames[0] ?? "{}") as { type: string }).type;
        })
        .toBe("resumed");
      const { received } = JSON.parse(next?.frames[0] ?? "{}") as { received: number };
      for (let sequence = received + 1; sequence <= 2; sequence += 1) next?.socket.send(`m${sequence}:${large(index, sequence)}`);
    }
    await expect.poll(() => accepted.length, { timeout: 20_000 }).toBe(40);
    expect(new Set(accepted).size).toBe(40);
    await expect.poll(async () => bufferedOf(stub)).toBe(0);
  });
});

describe("a device that", () => {
  it("never acknowledges keeps its window at most, on disk while it is away, and is told when it comes back", async () => {
    const { open, resume, stub, slots } = await shardOf("deaf");
    const connection = await open();
    const push = async (payload: string) => stub.push({ tenant: "acme", device: "d-1", topic: null, payload, pushId: crypto.randomUUID() });
    let taken = 0;
    while ((await push("x".repeat(64 * 1_024))).taken === 1) taken += 1;
    expect(taken).toBe(32);
    expect(await push("x")).toEqual({ taken: 0, full: 1, sent: 0 });
    const bufferedBytes = async () =>
      runInDurableObject(stub, (instance) => (instance as unknown as { readonly bufferedBytes: number }).bufferedBytes);
    expect(await bufferedBytes()).toBe(2 * MIB);
    connection.socket.close(4_000);
    await expect.poll(bufferedBytes).toBe(0);
    const next = await resume(tokenOf(connection), { attempt: 2, received: 0 });
    await expect.poll(() => next.frames.length).toBe(33);
    next.socket.send("a32");
    await expect.poll(async () => (await push("y")).taken).toBe(1);
    next.socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("acknowledges what was never sent is closed with 1002, and can resume", async () => {
    const { open, resume } = await shardOf("liar");
    const connection = await open();
    connection.socket.send("a7");
    await expect.poll(() => connection.closes).toMatchObject([{ code: 1002 }]);
    const next = await resume(tokenOf(connection), { attempt: 2, received: 0 });
    await expect.poll(() => JSON.parse(next.frames[0] ?? "{}") as unknown).toMatchObject({ type: "resumed" });
  });

  it("sends nothing but control frames is closed with 1008, and its slot is back", async () => {
    const { open, slots } = await shardOf("chatty");
    const { socket, closes } = await open();
    // The clock stands still: they are too many at once, however long the machine takes to look at them.
    vi.useFakeTimers({ toFake: ["Date"] });
    for (let index = 0; index < 1_500; index += 1) socket.send("pong");
    await expect.poll(() => closes).toEqual([{ code: 1008, reason: "message-rate" }]);
    await expect.poll(slots).toBe(0);
  });
});

describe("a connection that its device has replaced", () => {
  it("and that still says something while the budget is used up, takes nothing from the session's own", { timeout: 60_000 }, async () => {
    const { open, resume, stub } = await shardOf("replaced");
    const stalled = Promise.withResolvers<void>();
    answer = async () => {
      await stalled.promise;
      return new Response(null, { status: 204 });
    };
    const older = await open({ allowHalfOpen: true });
    for (let index = 0; index < 16; index += 1) {
      const { socket } = await open();
      for (const sequence of [1, 2]) socket.send(`m${sequence}:${"x".repeat(MIB)}`);
    }
    await expect.poll(async () => bufferedOf(stub)).toBe(32 * MIB);
    const newer = await resume(tokenOf(older), { attempt: 2, received: 0 });
    await expect.poll(() => older.closes).toEqual([{ code: 1008, reason: "superseded" }]);
    older.socket.send("m1:late");
    older.socket.close(4_000);
    await expect.poll(async () => runInDurableObject(stub, (_instance, state) => state.getWebSockets().length)).toBe(17);
    stalled.resolve();
    await expect.poll(async () => bufferedOf(stub)).toBe(0);
    newer.socket.send("m1:again");
    await expect.poll(() => newer.frames).toContain("a1");
    expect(posts.flat()).not.toContainEqual({ type: "TEXT", text: "late" });
  });
});

describe("an object that is evicted with sockets open", () => {
  const limits = { messageBytesMax: MIB, messagesPerSecond: null, messageBurst: 1, idleMsMax: null, lifetimeMsMax: null };

  it("still ends the connection whose token expires, at its time, and not the session", async () => {
    const tokenUntilMs = Date.now() + 600_000;
    const { open, stub, slots, resume } = await shardOf("expires", { limits, tokenUntilMs });
    const connection = await open();
    await evictDurableObject(stub);
    // Wakes it, with later times of its own to think of: they must not take the place of the alarm that is set.
    connection.socket.send("m1:a");
    await expect.poll(() => connection.frames.slice(1)).toEqual(["a1"]);
    const alarmAtMs = await runInDurableObject(stub, async (_instance, state) => state.storage.getAlarm());
    expect(alarmAtMs).toBeLessThanOrEqual(tokenUntilMs - 30_000);
    vi.useFakeTimers({ toFake: ["Date"], now: tokenUntilMs - 20_000 });
    await runDurableObjectAlarm(stub);
    await expect.poll(() => connection.frames.at(-1)).toBe('{"type":"drain","reason":"token-expired","graceMs":20000}');
    await evictDurableObject(stub);
    vi.setSystemTime(tokenUntilMs + 1);
    await runDurableObjectAlarm(stub);
    await expect.poll(() => connection.closes).toEqual([{ code: 1008, reason: "token-expired" }]);
    const next = await resume(tokenOf(connection), { attempt: 2, received: 0 });
    await expect.poll(() => JSON.parse(next.frames[0] ?? "{}") as unknown).toMatchObject({ type: "resumed", received: 1 });
    expect(await slots()).toBe(1);
    next.socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("still sees that a connection is idle, and gives its slot back", async () => {
    const { open, stub, slots } = await shardOf("sleeper", { limits: { ...limits, idleMsMax: 60_000 }, tokenUntilMs: null });
    const { closes } = await open();
    await evictDurableObject(stub);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    await runDurableObjectAlarm(stub);
    await expect.poll(() => closes).toEqual([{ code: 1001, reason: "idle" }]);
    await expect.poll(slots).toBe(0);
    expect(posts.at(-1)).toEqual([{ type: "DISCONNECT" }]);
  });

  it("goes on with plain sockets over HTTP, whose endpoint saw one connection", async () => {
    const { openPlain, stub, slots } = await shardOf("plain");
    answer = (events) => new Response(encodeEvents(events), EVENTS);
    const { socket, frames } = await openPlain();
    socket.send("before");
    await expect.poll(() => frames).toEqual(["before"]);
    await evictDurableObject(stub);
    socket.send("after");
    await expect.poll(() => frames).toEqual(["before", "after"]);
    expect([await slots(), await stub.held(["plain-1", "other"])]).toEqual([1, ["plain-1"]]);
    socket.close(1000);
    await expect.poll(slots).toBe(0);
    expect(posts.flat().map(({ type }) => type)).toEqual(["OPEN", "TEXT", "TEXT", "CLOSE"]);
  });

  it("still ends a plain socket over HTTP whose token expires, and gives its slot back", async () => {
    const tokenUntilMs = Date.now() + 600_000;
    const { openPlain, stub, slots } = await shardOf("plain-expires", { limits, tokenUntilMs });
    const { closes } = await openPlain();
    await evictDurableObject(stub);
    vi.useFakeTimers({ toFake: ["Date"], now: tokenUntilMs + 1 });
    await runDurableObjectAlarm(stub);
    await expect.poll(() => closes).toEqual([{ code: 1008, reason: "token-expired" }]);
    await expect.poll(slots).toBe(0);
  });
});
