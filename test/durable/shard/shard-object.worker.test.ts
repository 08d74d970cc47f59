import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { shardObjectName, SOCKET_ASSIGNMENT_HEADER, SOCKET_RESUMPTION_HEADER, type SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { SessionStore } from "#durable/shard/session-store.ts";
import { applyServices } from "../../support/worker/configuration.ts";

/** What the endpoint was sent, and how it answers messages. */
let posted: { headers: Headers; events: SocketEvent[] }[] = [];
let answer: (texts: readonly string[]) => SocketEvent[] | Response = (texts) =>
  texts.map((text) => ({ type: "TEXT", text: `echo ${text}` }));

beforeEach(() => {
  posted = [];
  answer = (texts) => texts.map((text) => ({ type: "TEXT", text: `echo ${text}` }));
  // The network's, not ours: the test runner has no endpoint to offer.
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const parser = new EventParser(1_000_000);
    const events = parser.push(init?.body as Uint8Array);
    if ("ok" in events) throw new Error(events.detail);
    posted.push({ headers: new Headers(init?.headers), events: [...events] });
    if (events[0]?.type === "OPEN") return answerWith([{ type: "OPEN" }]);
    const answered = answer(events.flatMap((event) => (event.type === "TEXT" ? [event.text] : [])));
    return Promise.resolve(answered instanceof Response ? answered : answerWith(answered));
  });
});
afterEach(() => vi.restoreAllMocks());

function answerWith(events: readonly SocketEvent[]): Response {
  return new Response(encodeEvents(events), { headers: { "content-type": "application/websocket-events" } });
}

interface Connection {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closes: { code: number; reason: string }[];
}

async function shardOf(service: string) {
  const version = await applyServices([{ service, capacity: 2 }]);
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const shardId = `${service}-1`;
  const stub = env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId)));
  const connect = async (headers: Headers): Promise<Connection> => {
    headers.set("upgrade", "websocket");
    const response = await stub.fetch("https://shard/", { headers });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}: ${JSON.stringify([...response.headers])}`);
    const frames: string[] = [];
    const closes: { code: number; reason: string }[] = [];
    socket.addEventListener("message", ({ data }) => frames.push(String(data)));
    socket.addEventListener("close", ({ code, reason }) => closes.push({ code, reason }));
    socket.accept();
    return { socket, frames, closes };
  };
  const open = async (slotId: string): Promise<Connection> => {
    const acquired = await pool.acquire({
      slotId,
      holder: "edge",
      service,
      flow: "acme/gold",
      urgency: 3,
      affinityKey: null,
      kind: "socket",
      waitMsMax: 1_000,
      configurationVersion: version,
    });
    if (!acquired.ok) throw new Error("no slot");
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: "d-1",
      isResumable: true,
      mode: "http",
      slotId,
      holder: "edge",
      flow: "acme/gold",
      shardId,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 1_000,
      startedAtMs: Date.now(),
    };
    const connection = await connect(new Headers({ [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) }));
    connection.socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => connection.frames.length).toBe(1);
    return connection;
  };
  const resume = async (token: string, hello: { attempt: number; received: number }): Promise<Connection> => {
    const { sessionId = "", secret = "" } = parseResumeToken(token) ?? {};
    const resumption = { service, tenant: "acme", device: "d-1", sessionId, secret };
    const connection = await connect(new Headers({ [SOCKET_RESUMPTION_HEADER]: JSON.stringify(resumption) }));
    connection.socket.send(JSON.stringify({ type: "hello", ...hello }));
    return connection;
  };
  const slots = async (): Promise<number> =>
    (await pool.stats(service, version)).endpoints.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0);
  return { stub, open, resume, slots };
}

const tokenOf = ({ frames }: Connection): string => (JSON.parse(frames[0] ?? "{}") as { token: string }).token;
const confirm = (connection: Connection): void => connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));

describe("a session over HTTP", () => {
  it("names itself and its messages to the endpoint, and acknowledges what that has answered", async () => {
    const { open } = await shardOf("named");
    const connection = await open("1");
    connection.socket.send("m1:a");
    await expect.poll(() => connection.frames.slice(1)).toEqual(["m1:echo a", "a1"]);
    connection.socket.send("m2:b");
    await expect.poll(() => connection.frames.slice(3)).toEqual(["m2:echo b", "a2"]);
    const headers = posted.map((post) =>
      ["connection-id", "tidegate-session", "tidegate-sequence", "tidegate-confirmed"].map((name) => post.headers.get(name)),
    );
    const { sessionId } = parseResumeToken(tokenOf(connection)) ?? {};
    expect(headers).toEqual([
      [sessionId, sessionId, null, null],
      [sessionId, sessionId, "1", "0"],
      [sessionId, sessionId, "2", "1"],
    ]);
  });

  it("outlives the object's eviction with its connection open, and numbers on", async () => {
    const { stub, open, slots } = await shardOf("evicted");
    const connection = await open("1");
    confirm(connection);
    connection.socket.send("m1:a");
    await expect.poll(() => connection.frames.length).toBe(3);
    await evictDurableObject(stub);
    connection.socket.send("a1");
    connection.socket.send("m2:b");
    await expect.poll(() => connection.frames.slice(3)).toEqual(["m2:echo b", "a2"]);
    expect(await slots()).toBe(1);
    connection.socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("keeps for its device on disk what was not acknowledged, and nothing else", async () => {
    const { stub, open, resume } = await shardOf("kept");
    const connection = await open("1");
    connection.socket.send("m1:a");
    connection.socket.send("m2:b");
    await expect.poll(() => connection.frames.length).toBeGreaterThan(3);
    connection.socket.send("a1");
    const stored = async (): Promise<number> =>
      runInDurableObject(stub, (_instance, state) => Number(state.storage.sql.exec("SELECT COUNT(*) AS n FROM messages").one()["n"]));
    await expect.poll(stored).toBe(1);
    connection.socket.close(4_000);
    await evictDurableObject(stub);
    const next = await resume(tokenOf(connection), { attempt: 2, received: 1 });
    await expect.poll(() => next.frames.slice(1)).toEqual(["m2:echo b"]);
    expect(JSON.parse(next.frames[0] ?? "")).toMatchObject({ type: "resumed", received: 2 });
    next.socket.send("a2");
    await expect.poll(stored).toBe(0);
  });

  it("keeps the answers to one request in one row, and sends those again that its device has not acknowledged", async () => {
    const { stub, open, resume } = await shardOf("one-row");
    answer = () => ["1", "2", "3"].map((text) => ({ type: "TEXT", text }));
    const connection = await open("1");
    connection.socket.send("m1:a");
    await expect.poll(() => connection.frames.slice(1)).toEqual(["m1:1", "m2:2", "m3:3", "a1"]);
    const rows = async (): Promise<unknown> =>
      runInDurableObject(stub, (_instance, state) => state.storage.sql.exec("SELECT sequence, count, text FROM messages").toArray());
    expect(await rows()).toEqual([{ sequence: 3, count: 3, text: '["1","2","3"]' }]);
    connection.socket.send("a2");
    connection.socket.close(4_000);
    await expect.poll(() => connection.closes.length).toBe(1);
    await evictDurableObject(stub);
    const next = await resume(tokenOf(connection), { attempt: 2, received: 2 });
    await expect.poll(() => next.frames.slice(1)).toEqual(["m3:3"]);
    next.socket.send("a3");
    await expect.poll(rows).toEqual([]);
    // Numbers go on, though no message is left to tell them.
    await evictDurableObject(stub);
    next.socket.send("m2:b");
    await expect.poll(() => next.frames.slice(2)).toEqual(["m4:1", "m5:2", "m6:3", "a2"]);
  });

  it("answers a ping without being woken", async () => {
    const { stub, open } = await shardOf("ping");
    const connection = await open("1");
    await evictDurableObject(stub);
    connection.socket.send("ping");
    await expect.poll(() => connection.frames.at(-1)).toBe("pong");
    const timestamps = await runInDurableObject(stub, (_instance, state) =>
      state.getWebSockets().map((socket) => state.getWebSocketAutoResponseTimestamp(socket) !== null),
    );
    expect(timestamps).toEqual([true]);
  });

  it("gives its slot back when it expires, tells its endpoint, and its device when that comes", async () => {
    const { stub, open, resume, slots } = await shardOf("expiring");
    const connection = await open("1");
    confirm(connection);
    connection.socket.send("m1:a");
    await expect.poll(() => connection.frames.length).toBe(3);
    connection.socket.close(4_000);
    await expect.poll(() => connection.closes.length).toBe(1);
    expect(await slots()).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 121_000 });
    try {
      await runDurableObjectAlarm(stub);
      await expect.poll(slots).toBe(0);
    } finally {
      vi.useRealTimers();
    }
    expect(posted.at(-1)?.events).toEqual([{ type: "DISCONNECT" }]);
    const late = await resume(tokenOf(connection), { attempt: 2, received: 0 });
    await expect.poll(() => late.closes).toEqual([{ code: 1008, reason: "session expired" }]);
    expect(JSON.parse(late.frames[0] ?? "")).toMatchObject({ type: "end", why: "expired", received: 1, sent: 1 });
  });

  it("is over with 1013 when its endpoint says more than its window holds, and the slot is back", async () => {
    const { open, slots } = await shardOf("flooded");
    answer = () => Array.from({ length: 257 }, () => ({ type: "TEXT", text: "x" }));
    const connection = await open("1");
    connection.socket.send("m1:a");
    await expect.poll(() => connection.closes).toMatchObject([{ code: 1013 }]);
    expect(JSON.parse(connection.frames.at(-1) ?? "")).toMatchObject({ type: "end", why: "overflow", received: 0, sent: 0 });
    await expect.poll(slots).toBe(0);
  });

  it("ends the connection of a device that floods, and keeps its session within bounds", async () => {
    const { stub, open } = await shardOf("flooding");
    const stalled = Promise.withResolvers<void>();
    const connection = await open("1");
    vi.mocked(globalThis.fetch).mockImplementationOnce(async () => {
      await stalled.promise;
      return answerWith([]);
    });
    for (let sequence = 1; sequence <= 300; sequence += 1) connection.socket.send(`m${sequence}:x`);
    await expect.poll(() => connection.closes).toMatchObject([{ code: 1002, reason: expect.stringContaining("window") }]);
    stalled.resolve();
    const facts = async (): Promise<unknown> =>
      runInDurableObject(stub, (_instance, state) => {
        const [row] = state.storage.sql.exec<{ facts: string }>("SELECT facts FROM sessions").toArray();
        return JSON.parse(row?.facts ?? "null") as unknown;
      });
    await expect.poll(facts).toMatchObject({ received: 256, end: null });
  });

  it("sends its device nothing that is not written: the output gate holds only what is sent after a write", async () => {
    const happened: string[] = [];
    const { save } = SessionStore.prototype;
    vi.spyOn(SessionStore.prototype, "save").mockImplementation(function (this: SessionStore, ...args) {
      happened.push(args[1].appended.length > 0 ? "write" : "note");
      return save.apply(this, args);
    });
    const { open } = await shardOf("gated");
    const connection = await open("1");
    const { send } = WebSocket.prototype;
    vi.spyOn(WebSocket.prototype, "send").mockImplementation(function (this: WebSocket, data) {
      if (typeof data === "string" && data.includes("echo")) happened.push("send");
      return send.call(this, data);
    });
    for (let sequence = 1; sequence <= 3; sequence += 1) connection.socket.send(`m${sequence}:x`);
    await expect.poll(() => connection.frames.filter((frame) => frame.includes("echo")).length).toBe(3);
    const [first] = happened.filter((what) => what !== "note");
    expect(first).toBe("write");
  });

  it("gives its slot back when its device ends it", async () => {
    const { open, slots, stub } = await shardOf("ended");
    const connection = await open("1");
    expect(await slots()).toBe(1);
    connection.socket.close(1000);
    await expect.poll(slots).toBe(0);
    expect(await stub.held(["1"])).toEqual([]);
  });
});
