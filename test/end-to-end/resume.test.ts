import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Payload, type Socket, type SocketOptions } from "#client/index.ts";
import { startEventsBackend, type EventsBackend, type Fault } from "../support/events-backend.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { startShakyProxy, type ShakyProxy } from "../support/shaky-proxy.ts";

let gateway: TestGateway;
let events: EventsBackend;
let proxy: ShakyProxy;
const sockets: Socket[] = [];

beforeAll(async () => {
  events = await startEventsBackend();
  gateway = await startTestGateway({ echo: { sockets: { mode: "websocket" } }, more: { events: events.url } });
  proxy = await startShakyProxy(gateway.port);
});
afterAll(async () => {
  await Promise.all([gateway.stop(), events.close(), proxy.close()]);
});
afterEach(async () => {
  events.faultOf = () => null;
  for (const socket of sockets.splice(0)) socket.close();
  await gateway.expectNoSlotInUse();
});

interface Opened {
  readonly socket: Socket;
  readonly messages: string[];
  readonly happened: unknown[];
}

function open(service: string, options: Partial<SocketOptions> = {}): Opened {
  const messages: string[] = [];
  const happened: unknown[] = [];
  const token = async (): Promise<string> => gateway.token({ services: ["echo", "events"] });
  const client = new TidegateClient({ url: proxy.url, token, platform: { random: () => 0 } });
  const socket = client.connect(service, {
    onMessage: (payload: Payload) => messages.push(typeof payload === "string" ? payload : Buffer.from(payload).toString()),
    onLost: (end) => happened.push(end),
    onEnd: (end) => happened.push(end),
    ...options,
  });
  sockets.push(socket);
  return { socket, messages, happened };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index}`);

/** Sends with a cut of every connection after each so many answers. */
async function talk({ socket, messages }: Opened, { count, cutEvery }: { count: number; cutEvery: number }): Promise<void> {
  const before = messages.length;
  for (const [index, message] of numbered(count).entries()) {
    await expect.poll(() => socket.send(message), { timeout: 20_000 }).toBe(true);
    if (index % cutEvery === cutEvery - 1) {
      await expect.poll(() => messages.length - before, { timeout: 20_000, interval: 5 }).toBeGreaterThan(index - cutEvery);
      proxy.cut();
    }
  }
  await expect.poll(() => messages.length - before, { timeout: 20_000 }).toBe(count);
}

describe("a device with the SDK", () => {
  it("sees every answer once and in order, however often its connection is cut, on one slot", { timeout: 60_000 }, async () => {
    const opened = open("echo");
    const connectionsBefore = proxy.connections;
    await talk(opened, { count: 300, cutEvery: 30 });
    expect(opened.messages).toEqual(numbered(300));
    // Ten cuts, but one that falls into a reconnection is no more than that.
    expect(proxy.connections - connectionsBefore).toBeGreaterThan(4);
    expect(await gateway.slotsInUse()).toBe(1);
    expect(gateway.backend.stats().sockets).toBe(1);
  });

  it("gives its slot back where it is closed while its connection is gone", async () => {
    const { socket, messages, happened } = open("echo", { onOnline: (isOnline) => !isOnline && socket.close() });
    socket.send("x");
    await expect.poll(() => messages).toEqual(["x"]);
    proxy.cut();
    await expect.poll(() => happened).toMatchObject([{ kind: "closed", code: 1000, unacknowledged: [], missed: null }]);
  });

  it("carries binary of a mebibyte", async () => {
    const sizes: number[] = [];
    const { socket } = open("echo", { onMessage: (payload) => sizes.push(payload.length) });
    await expect.poll(() => socket.send(new Uint8Array(1_048_576))).toBe(true);
    await expect.poll(() => sizes).toEqual([1_048_576]);
  });

  it("hears the endpoint's close with its code, also over HTTP", async () => {
    const { socket, happened, messages } = open("events");
    socket.send("three");
    socket.send("close");
    await expect.poll(() => happened).toMatchObject([{ kind: "closed", code: 4_009, reason: "as asked" }]);
    expect(messages).toEqual(["1", "2", "3", "echo close"]);
  });

  it("has its messages handled once each by an endpoint that fails before and after", { timeout: 60_000 }, async () => {
    const faults: Fault[] = [null, "refuse", null, "reset-after", null, "reset-before", null, "garbage", null];
    events.faultOf = (index) => faults[index % faults.length] ?? null;
    const before = new Set(events.handled.keys());
    const opened = open("events");
    await talk(opened, { count: 60, cutEvery: 20 });
    expect(opened.messages).toEqual(numbered(60).map((message) => `echo ${message}`));
    const [session = ""] = [...events.handled.keys()].filter((key) => !before.has(key));
    expect(events.handled.get(session)).toEqual(numbered(60));
  });

  it("is told when its endpoint says no, with what was not acknowledged", async () => {
    events.faultOf = (index) => (index >= events.requests - 1 ? "forbid" : null);
    const { socket, happened } = open("events");
    socket.send("in doubt");
    await expect.poll(() => happened.length).toBe(1);
    expect(happened).toMatchObject([{ why: "endpoint", code: 1014, unacknowledged: [{ payload: "in doubt" }], missed: null }]);
  });

  it("tells the endpoint that it left", async () => {
    const before = new Set(events.handled.keys());
    const { socket, messages } = open("events");
    socket.send("x");
    await expect.poll(() => messages).toEqual(["echo x"]);
    // Sessions of other tests may end meanwhile; this one has handled a message.
    const [session = ""] = [...events.handled].find(([key, handled]) => !before.has(key) && handled.length > 0) ?? [];
    socket.close();
    await expect.poll(() => events.others.get(session)).toEqual([{ type: "OPEN" }, { type: "CLOSE", code: 1000, reason: "" }]);
  });
});

describe("a push", () => {
  const push = async (body: unknown, token?: string): Promise<Response> =>
    gateway.fetch("/v1/push", { method: "POST", body: JSON.stringify(body), token: token ?? (await gateway.token({ role: "service" })) });

  it("reaches the device it is for, also when it is away, once and in order", async () => {
    const online = Promise.withResolvers<void>();
    const { messages } = open("echo", { onOnline: () => online.resolve() });
    await online.promise;
    expect(await (await push({ service: "echo", device: "d-1", text: "1" })).json()).toEqual({ taken: 1, full: 0, sent: 0 });
    await expect.poll(() => messages).toEqual(["1"]);
    proxy.cut();
    for (const text of ["2", "3"]) expect((await push({ service: "echo", text })).status).toBe(200);
    await push({ service: "echo", base64: "NA==" });
    await expect.poll(() => messages).toEqual(["1", "2", "3", "4"]);
    expect(await (await push({ service: "echo", device: "d-2", text: "other" })).json()).toEqual({ taken: 0, full: 0, sent: 0 });
  });

  it("says when a window is full, and does not touch the session", { timeout: 60_000 }, async () => {
    const token = await gateway.token();
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, ["tidegate.v1", `tidegate.bearer.${token}`]);
    await once(socket, "open");
    socket.send('{"type":"hello","attempt":1,"received":0}');
    const large = "x".repeat(1_048_576);
    for (const taken of [1, 1]) expect(await (await push({ service: "echo", text: large })).json()).toEqual({ taken, full: 0, sent: 0 });
    const full = await push({ service: "echo", text: "x" });
    expect([full.status, full.headers.has("retry-after")]).toEqual([503, true]);
    await expect
      .poll(() => gateway.logs.findLast(({ outcome }) => outcome === "rejected-capacity"))
      .toMatchObject({ status: 503, decidedBy: "shard" });
    socket.send("a1");
    await expect.poll(async () => (await push({ service: "echo", text: "x" })).status).toBe(200);
    socket.close(1000);
    await once(socket, "close");
  });

  it.for([
    { name: "a device's token", body: { service: "echo", text: "x" }, claims: { role: "device" } as const, status: 403 },
    { name: "a token of another service", body: { service: "echo", text: "x" }, claims: { services: ["events"] }, status: 403 },
    { name: "an unknown service", body: { service: "nowhere", text: "x" }, claims: { services: ["nowhere"] }, status: 404 },
    { name: "both kinds of content", body: { service: "echo", text: "x", base64: "" }, claims: {}, status: 400 },
    { name: "no content", body: { service: "echo" }, claims: {}, status: 400 },
    { name: "an unknown key", body: { service: "echo", text: "x", channel: "t" }, claims: {}, status: 400 },
    { name: "what is no base64", body: { service: "echo", base64: "?" }, claims: {}, status: 400 },
    { name: "too large a message", body: { service: "echo", text: "x".repeat(1_048_577) }, claims: {}, status: 413 },
    { name: "a body of too many bytes", body: { service: "echo", text: "x".repeat(6 * 1_048_576 + 4_096) }, claims: {}, status: 413 },
  ])("with $name is refused with $status", async ({ body, claims, status }) => {
    expect((await push(body, await gateway.token({ role: "service", ...claims }))).status).toBe(status);
  });

  it("without a credential is refused with 401, and with another method with 405", async () => {
    expect((await fetch(`${gateway.url}/v1/push`, { method: "POST", body: "{}" })).status).toBe(401);
    expect((await fetch(`${gateway.url}/v1/push`)).status).toBe(405);
  });
});

describe("the wire", () => {
  async function raw(
    protocols: string[],
    path = "/connect/echo",
  ): Promise<{ socket: WebSocket; frames: string[]; closed: Promise<number> }> {
    const token = await gateway.token({ services: ["echo", "events"] });
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}${path}`, ["tidegate.v1", `tidegate.bearer.${token}`, ...protocols]);
    const frames: string[] = [];
    socket.on("message", (data: Buffer) => frames.push(data.toString()));
    const closed = once(socket, "close").then(([code]: unknown[]) => code as number);
    await once(socket, "open");
    expect(socket.protocol).toBe("tidegate.v1");
    return { socket, frames, closed };
  }

  const tokenOf = (frame: string | undefined): string => (JSON.parse(frame ?? "") as { token: string }).token;

  it("is as docs/protocol.md has it", async () => {
    const { socket, frames, closed } = await raw([]);
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    expect(JSON.parse(frames[0] ?? "")).toEqual({
      type: "welcome",
      session: expect.any(String),
      token: expect.any(String),
      reportMs: 5_000,
    });
    socket.send(`{"type":"rotated","token":"${tokenOf(frames[0])}"}`);
    socket.send("m1:hello");
    await expect.poll(() => frames.slice(1).toSorted()).toEqual(["a1", "m1:hello"]);
    socket.send("ping");
    await expect.poll(() => frames.at(-1)).toBe("pong");
    socket.terminate();
    const next = await raw([`tidegate.resume.${tokenOf(frames[0])}`]);
    next.socket.send('{"type":"hello","attempt":2,"received":0}');
    await expect.poll(() => next.frames.slice(1)).toEqual(["m1:hello"]);
    expect(JSON.parse(next.frames[0] ?? "")).toMatchObject({ type: "resumed", received: 1 });
    next.socket.send("a1");
    next.socket.close(1000);
    expect([await closed, await next.closed]).toEqual([1006, 1000]);
  });

  it("takes a token from its own device only, and an old one not at all once the next was used", async () => {
    const { socket, frames } = await raw([]);
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    const first = `tidegate.resume.${tokenOf(frames[0])}`;
    const stranger = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, [
      "tidegate.v1",
      `tidegate.bearer.${await gateway.token({ device: "d-2" })}`,
      first,
    ]);
    const said: string[] = [];
    stranger.on("message", (data: Buffer) => said.push(data.toString()));
    await once(stranger, "open");
    stranger.send('{"type":"hello","attempt":9,"received":0}');
    expect(((await once(stranger, "close")) as unknown[])[0]).toBe(1008);
    expect(said.map((text) => JSON.parse(text) as unknown)).toMatchObject([{ type: "end", why: "unknown" }]);
    const second = await raw([first]);
    second.socket.send('{"type":"hello","attempt":2,"received":0}');
    await expect.poll(() => second.frames.length).toBe(1);
    const next = tokenOf(second.frames[0]);
    const third = await raw([`tidegate.resume.${next}`]);
    third.socket.send('{"type":"hello","attempt":3,"received":0}');
    await expect.poll(() => third.frames.length).toBe(1);
    expect(await second.closed).toBe(1008);
    const old = await raw([first]);
    old.socket.send('{"type":"hello","attempt":4,"received":0}');
    expect(await old.closed).toBe(1008);
    third.socket.close(1000);
    await third.closed;
  });

  it.for([
    { name: "no hello first", first: "m1:x", code: 1002 },
    { name: "garbage", first: "{", code: 1002 },
  ])("with $name is closed with $code", async ({ first, code }) => {
    const { socket, closed } = await raw([]);
    socket.send(first);
    expect(await closed).toBe(code);
  });

  it("refuses a token of another service before the upgrade", async () => {
    const token = await gateway.token({ services: ["echo", "events"] });
    const resume = `tidegate.resume.events-1.${"s".repeat(16)}.${"x".repeat(22)}`;
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, ["tidegate.v1", `tidegate.bearer.${token}`, resume]);
    socket.on("error", () => undefined);
    const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(400);
    socket.terminate();
  });
});
