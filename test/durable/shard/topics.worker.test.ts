// Pushes to topics: who is on one, for how long, and what an endpoint that speaks GRIP badly can do.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import type { Shard } from "#durable/shard/shard-object.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import {
  shardObjectName,
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type PushAnswer,
  type SocketAssignment,
} from "#shared/protocol/shard-rpc.ts";
import { TOPICS, type TopicAnswer } from "#shared/protocol/topics.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { applyServices } from "../../support/worker/configuration.ts";

/** What the endpoint answers to OPEN, and to a message. */
let greeting: string[] = [];
let answers: (text: string) => string[] = () => [];
let extensions: string | null = "grip";
const text = (content: string): SocketEvent => ({ type: "TEXT", text: content });
const subscribe = (channel: string): string => `c:${JSON.stringify({ type: "subscribe", channel })}`;
const unsubscribe = (channel: string): string => `c:${JSON.stringify({ type: "unsubscribe", channel })}`;

beforeEach(() => {
  greeting = [];
  answers = () => [];
  extensions = "grip";
  // The network's, not ours: the test runner has no endpoint to offer.
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const headers = new Headers({ "content-type": "application/websocket-events" });
    if (extensions !== null) headers.set("sec-websocket-extensions", extensions);
    if (init?.body === undefined) {
      const { 0: ours, 1: theirs } = new WebSocketPair();
      theirs.accept();
      return Promise.resolve(new Response(null, { status: 101, webSocket: ours }));
    }
    const events = new EventParser(1_000_000).push(init?.body as Uint8Array);
    if ("ok" in events) throw new Error(events.detail);
    const said = events.flatMap((event) =>
      event.type === "OPEN"
        ? [{ type: "OPEN" } as const, ...greeting.map(text)]
        : event.type === "TEXT"
          ? answers(event.text).map(text)
          : [],
    );
    return Promise.resolve(new Response(encodeEvents(said), { headers }));
  });
});
afterEach(() => vi.restoreAllMocks());

interface Connection {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closes: { code: number; reason: string }[];
}

async function serviceOf(service: string) {
  const version = await applyServices([{ service, capacity: 64, more: { shards: { sizeMin: 32, sizeMax: 32 } } }]);
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const shard = (number = 1) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, `${service}-${number}`)));
  let opened = 0;
  const connect = async (number: number, headers: Record<string, string>): Promise<Connection> => {
    const response = await shard(number).fetch("https://shard/", { headers: { upgrade: "websocket", ...headers } });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}: ${JSON.stringify([...response.headers])}`);
    const frames: string[] = [];
    const closes: { code: number; reason: string }[] = [];
    socket.addEventListener("message", ({ data }) => void frames.push(String(data)));
    socket.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    socket.accept();
    return { socket, frames, closes };
  };
  const admit = async (more: Partial<SocketAssignment> = {}, number = 1): Promise<Connection> => {
    const slotId = `${service}-${(opened += 1)}`;
    const asked = { urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 1_000, configurationVersion: version } as const;
    const acquired = await pool.acquire({ slotId, holder: "edge", service, flow: "acme/gold", ...asked });
    if (!acquired.ok) throw new Error("no slot");
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: `d-${opened}`,
      isResumable: true,
      mode: "http",
      slotId,
      holder: "edge",
      flow: "acme/gold",
      shardId: `${service}-${number}`,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 1_000,
      startedAtMs: Date.now(),
      ...more,
    };
    return connect(number, { [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) });
  };
  const hello = async (connection: Connection, attempt = 1, received = 0): Promise<Connection> => {
    connection.socket.send(JSON.stringify({ type: "hello", attempt, received }));
    await expect.poll(() => connection.frames.length).toBeGreaterThan(0);
    connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));
    return connection;
  };
  const open = async (more: Partial<SocketAssignment> = {}): Promise<Connection> => hello(await admit(more));
  const resume = async (token: string, device: string, at: { attempt: number; received: number }): Promise<Connection> => {
    const { sessionId = "", secret = "" } = parseResumeToken(token) ?? {};
    const resumption = { service, tenant: "acme", device, sessionId, secret };
    return hello(await connect(1, { [SOCKET_RESUMPTION_HEADER]: JSON.stringify(resumption) }), at.attempt, at.received);
  };
  const push = async (
    topic: string,
    payload: string,
    { tenant = "acme", number = 1, pushId = crypto.randomUUID() } = {},
  ): Promise<PushAnswer> => shard(number).push({ tenant, device: null, topic, payload, pushId });
  const change = async (device: string, changes: { subscribe?: string[]; unsubscribe?: string[] }): Promise<TopicAnswer> =>
    shard().subscribe({
      tenant: "acme",
      device,
      changes: [
        ...(changes.unsubscribe ?? []).map((topic) => ({ kind: "unsubscribe", topic }) as const),
        ...(changes.subscribe ?? []).map((topic) => ({ kind: "subscribe", topic }) as const),
      ],
    });
  const rows = async (number = 1): Promise<number> =>
    runInDurableObject(shard(number), (_instance, state) => Number(state.storage.sql.exec("SELECT COUNT(*) AS n FROM topics").one()["n"]));
  const faults = async (): Promise<unknown> => {
    await runDurableObjectAlarm(shard());
    return (await pool.stats(service, version)).counters.socketFaults;
  };
  return { shard, admit, open, hello, resume, push, change, rows, faults };
}

const tokenOf = ({ frames }: Connection): string => (JSON.parse(frames[0] ?? "{}") as { token: string }).token;
/** Without what a session has of its own accord. */
const messagesOf = ({ frames }: Connection): string[] => frames.filter((frame) => frame.startsWith("m"));

/** As many subscriptions as that, of nobody who is there. */
async function fill(stub: DurableObjectStub<Shard>, count: number): Promise<void> {
  await runInDurableObject(stub, (_instance, state) => {
    const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)";
    state.storage.sql.exec(`${numbers} INSERT INTO topics SELECT 's', CAST(i AS TEXT), 'acme' FROM n`, count);
  });
  // It counts them once.
  await evictDurableObject(stub);
}

describe("a session on a topic", () => {
  it("is put there and taken off by its endpoint's control messages, of which its device sees nothing", async () => {
    const { open, push } = await serviceOf("grip");
    greeting = [subscribe("news"), "m:hello"];
    answers = (said) => [said === "leave" ? unsubscribe("news") : subscribe(said), `m:${said}`];
    const [first, second] = [await open(), await open()];
    await expect.poll(() => [messagesOf(first), messagesOf(second)]).toEqual([["m1:hello"], ["m1:hello"]]);
    expect(await push("news", "1")).toEqual({ taken: 2, full: 0, sent: 0 });
    first.socket.send("m1:leave");
    await expect.poll(() => messagesOf(first)).toEqual(["m1:hello", "m2:1", "m3:leave"]);
    expect(await push("news", "2")).toEqual({ taken: 1, full: 0, sent: 0 });
    expect(await push("room", "x")).toEqual({ taken: 0, full: 0, sent: 0 });
    first.socket.send("m2:room");
    await expect.poll(() => messagesOf(first)).toContain("m4:room");
    expect(await push("room", "3")).toEqual({ taken: 1, full: 0, sent: 0 });
    await expect.poll(() => messagesOf(first).at(-1)).toBe("m5:3");
    expect(messagesOf(second)).toEqual(["m1:hello", "m2:1", "m3:2"]);
  });

  it("is on its own tenant's: another's of the same name is another", async () => {
    const { open, push } = await serviceOf("tenants");
    greeting = [subscribe("news")];
    const [ours, theirs] = [await open(), await open({ tenant: "globex" })];
    expect(await push("news", "acme's")).toEqual({ taken: 1, full: 0, sent: 0 });
    expect(await push("news", "globex's", { tenant: "globex" })).toEqual({ taken: 1, full: 0, sent: 0 });
    await expect.poll(() => [messagesOf(ours), messagesOf(theirs)]).toEqual([["m1:acme's"], ["m1:globex's"]]);
  });

  it("stays there through the object's eviction and its device's absence, and gets each push once, in order", async () => {
    const { shard, open, resume, push } = await serviceOf("lasting");
    greeting = [subscribe("news")];
    const first = await open();
    await evictDurableObject(shard());
    await push("news", "1");
    await expect.poll(() => messagesOf(first)).toEqual(["m1:1"]);
    first.socket.close(4_000);
    await expect.poll(() => first.closes.length).toBe(1);
    await evictDurableObject(shard());
    for (const payload of ["2", "3"]) expect(await push("news", payload)).toEqual({ taken: 1, full: 0, sent: 0 });
    await evictDurableObject(shard());
    const second = await resume(tokenOf(first), "d-1", { attempt: 2, received: 1 });
    await expect.poll(() => messagesOf(second)).toEqual(["m2:2", "m3:3"]);
    await push("news", "4");
    await expect.poll(() => messagesOf(second)).toEqual(["m2:2", "m3:3", "m4:4"]);
  });

  it("takes its topics along when it moves, and a push that is asked of both shards once", async () => {
    const { shard, open, admit, hello, push, rows } = await serviceOf("moving");
    greeting = [subscribe("news")];
    answers = (said) => [`m:echo ${said}`];
    const first = await open();
    const pushId = "one push";
    expect(await push("news", "1", { pushId })).toEqual({ taken: 1, full: 0, sent: 0 });
    const { sessionId = "", secret = "", shardId = "" } = parseResumeToken(tokenOf(first)) ?? {};
    await shard().drain({ reason: "move", graceMs: 60_000 });
    const second = await hello(await admit({ device: "d-1", movedFrom: { shardId, slotId: "moving-1", sessionId, secret } }, 2), 2, 0);
    await expect.poll(() => messagesOf(second)).toEqual(["m1:1"]);
    expect(await push("news", "1", { pushId, number: 2 })).toEqual({ taken: 0, full: 0, sent: 0, had: 1 });
    expect([await rows(1), await rows(2)]).toEqual([0, 1]);
    await evictDurableObject(shard(2));
    expect(await push("news", "2")).toEqual({ taken: 0, full: 0, sent: 0 });
    expect(await push("news", "2", { number: 2 })).toEqual({ taken: 1, full: 0, sent: 0 });
    // Its endpoint's marks are known where it went.
    second.socket.send("m1:a");
    await expect.poll(() => messagesOf(second)).toEqual(["m1:1", "m2:2", "m3:echo a"]);
  });

  it("stays where it is, with its topics, where the other shard has no room for them", async () => {
    const { shard, open, admit, resume, push, rows } = await serviceOf("no-room");
    greeting = [subscribe("news"), subscribe("more")];
    const first = await open();
    await fill(shard(2), TOPICS.perShardMax - 1);
    const { sessionId = "", secret = "", shardId = "" } = parseResumeToken(tokenOf(first)) ?? {};
    const movedFrom = { shardId, slotId: "no-room-1", sessionId, secret };
    await expect(admit({ device: "d-1", movedFrom }, 2)).rejects.toThrow("could not be moved");
    expect([await rows(1), await rows(2)]).toEqual([2, TOPICS.perShardMax - 1]);
    const second = await resume(tokenOf(first), "d-1", { attempt: 2, received: 0 });
    expect(await push("news", "1")).toEqual({ taken: 1, full: 0, sent: 0 });
    await expect.poll(() => messagesOf(second)).toEqual(["m1:1"]);
  });

  it("leaves nothing behind when it ends", async () => {
    const { open, rows, push } = await serviceOf("ending");
    greeting = [subscribe("a"), subscribe("b")];
    const { socket } = await open();
    expect(await rows()).toBe(2);
    socket.close(1000);
    await expect.poll(() => rows()).toBe(0);
    expect(await push("a", "x")).toEqual({ taken: 0, full: 0, sent: 0 });
  });
});

describe("an endpoint that", () => {
  it("does not speak GRIP says what it says to the device", async () => {
    const { open, rows } = await serviceOf("no-grip");
    extensions = null;
    greeting = [subscribe("news"), "m:x"];
    const connection = await open();
    await expect.poll(() => messagesOf(connection)).toEqual([`m1:${subscribe("news")}`, "m2:m:x"]);
    expect(await rows()).toBe(0);
  });

  it.for([
    { kind: "a session", isResumable: true, numbered: "m1:" },
    { kind: "a plain socket", isResumable: false, numbered: "" },
  ])("marks the largest message says it to $kind, and one that is larger by a byte is too large", async ({ isResumable, numbered }) => {
    const { admit, hello } = await serviceOf(`largest-${isResumable ? "session" : "plain"}`);
    const largest = "x".repeat(RESUME.messageBytesMax);
    answers = (said) => [`m:${largest}${said}`];
    const open = async (): Promise<Connection> => (isResumable ? hello(await admit()) : admit({ isResumable }));
    const [fits, tooLarge] = [await open(), await open()];
    fits.socket.send(numbered);
    await expect.poll(() => fits.frames.includes(`${numbered}${largest}`)).toBe(true);
    expect(fits.closes).toEqual([]);
    tooLarge.socket.send(`${numbered}y`);
    await expect.poll(() => tooLarge.closes).toMatchObject([{ code: 1014, reason: expect.stringContaining("expected at most") as string }]);
  });

  it("says garbage is counted, and neither its device nor the session is any the worse for it", async () => {
    const { open, faults, rows, push } = await serviceOf("garbage");
    greeting = ["c:{", subscribe(""), "unmarked", 'c:{"type":"detach"}', "m:hello", subscribe("news")];
    const connection = await open();
    await expect.poll(() => messagesOf(connection)).toEqual(["m1:hello"]);
    expect([await rows(), await push("news", "1")]).toEqual([1, { taken: 1, full: 0, sent: 0 }]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 });
    try {
      await expect.poll(faults).toEqual({ malformed: 1, "bad-channel": 1, unmarked: 1, unsupported: 1 });
    } finally {
      vi.useRealTimers();
    }
    expect(connection.closes).toEqual([]);
  });

  it("wants more topics than a session may have gets as many as it may", async () => {
    const { open, rows, faults, change } = await serviceOf("many");
    greeting = Array.from({ length: TOPICS.perSocketMax + 3 }, (_, index) => subscribe(`t-${index}`));
    await open();
    expect(await rows()).toBe(TOPICS.perSocketMax);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 });
    try {
      await expect.poll(faults).toEqual({ "too-many-topics": 3 });
    } finally {
      vi.useRealTimers();
    }
    // All of it or nothing.
    expect(await change("d-1", { unsubscribe: ["t-0"], subscribe: ["x", "y"] })).toEqual({ sockets: 0, full: 1 });
    expect(await change("d-1", { unsubscribe: ["t-0"], subscribe: ["x"] })).toEqual({ sockets: 1, full: 0 });
    expect(await rows()).toBe(TOPICS.perSocketMax);
  });

  it("wants more topics than a shard may have is refused them", async () => {
    const { shard, open, rows, change } = await serviceOf("full");
    await fill(shard(), TOPICS.perShardMax - 1);
    await open();
    expect(await change("d-1", { subscribe: ["a", "b"] })).toEqual({ sockets: 0, full: 1 });
    expect(await change("d-1", { subscribe: ["a"] })).toEqual({ sockets: 1, full: 0 });
    expect(await rows()).toBe(TOPICS.perShardMax);
  });
});

describe("a plain socket", () => {
  it("over HTTP is on its endpoint's topics, also when the object has slept, until it is gone", async () => {
    const { shard, admit, push, rows } = await serviceOf("plain");
    greeting = [subscribe("news"), "m:hello"];
    const { socket, frames } = await admit({ isResumable: false });
    await expect.poll(() => frames).toEqual(["hello"]);
    await evictDurableObject(shard());
    expect(await push("news", "1")).toEqual({ taken: 0, full: 0, sent: 1 });
    expect(await shard().push({ tenant: "acme", device: "d-1", topic: null, payload: "2", pushId: "2" })).toEqual({
      taken: 0,
      full: 0,
      sent: 1,
    });
    expect(await shard().push({ tenant: "acme", device: "d-2", topic: null, payload: "x", pushId: "3" })).toEqual({
      taken: 0,
      full: 0,
      sent: 0,
    });
    await expect.poll(() => frames).toEqual(["hello", "1", "2"]);
    socket.close(1000);
    await expect.poll(() => rows()).toBe(0);
  });

  it("that is joined to its endpoint's is on the topics that its service names, as long as it lives", async () => {
    const { admit, push, change } = await serviceOf("relayed");
    const { socket, frames, closes } = await admit({ isResumable: false, mode: "websocket" });
    expect(await push("news", "x")).toEqual({ taken: 0, full: 0, sent: 0 });
    expect(await change("d-1", { subscribe: ["news"] })).toEqual({ sockets: 1, full: 0 });
    expect(await change("d-2", { subscribe: ["news"] })).toEqual({ sockets: 0, full: 0 });
    const many = Array.from({ length: TOPICS.perSocketMax }, (_, index) => `t-${index}`);
    expect(await change("d-1", { subscribe: many })).toEqual({ sockets: 0, full: 1 });
    expect(await push("news", "1")).toEqual({ taken: 0, full: 0, sent: 1 });
    expect(await push("news", "2", { tenant: "globex" })).toEqual({ taken: 0, full: 0, sent: 0 });
    await expect.poll(() => frames).toEqual(["1"]);
    socket.close(1000);
    await expect.poll(() => closes.length).toBe(1);
    await expect.poll(async () => push("news", "2")).toEqual({ taken: 0, full: 0, sent: 0 });
  });
});

it("a session of a service over websocket is on the topics that its service names", async () => {
  const { open, push, change } = await serviceOf("upstream");
  const connection = await open({ mode: "websocket" });
  expect(await change("d-1", { subscribe: ["news"] })).toEqual({ sockets: 1, full: 0 });
  expect(await push("news", "1")).toEqual({ taken: 1, full: 0, sent: 0 });
  await expect.poll(() => messagesOf(connection)).toEqual(["m1:1"]);
  expect(await change("d-1", { unsubscribe: ["news"] })).toEqual({ sockets: 1, full: 0 });
  expect(await push("news", "2")).toEqual({ taken: 0, full: 0, sent: 0 });
});
