// Any WebSocket client before any HTTP backend: plain sockets of a service in `http` mode.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { startEventsBackend, type EventsBackend } from "../support/events-backend.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
let events: EventsBackend;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  events = await startEventsBackend();
  const limited = { url: events.url, sockets: { messagesPerSecond: 5, messageBurst: 5, messageBytesMax: 100, idleMsMax: 2_000 } };
  gateway = await startTestGateway({ more: { events: events.url, limited } });
});
afterAll(async () => {
  await gateway.expectNoSlotInUse();
  await Promise.all([gateway.stop(), events.close()]);
});

let opening: Promise<unknown> = Promise.resolve();

/** One at a time: which connection is new at the endpoint says which one it is. */
async function open(service: "events" | "limited" = "events", protocols: string[] = []) {
  const opened = opening.then(async () => openNow(service, protocols));
  opening = opened.catch(() => undefined);
  return opened;
}

async function openNow(service: "events" | "limited", protocols: string[]) {
  const headers = { authorization: `Bearer ${await gateway.token({ services: ["events", "limited"] })}` };
  const before = new Set(events.others.keys());
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, protocols, { headers });
  sockets.push(socket);
  const messages: string[] = [];
  socket.on("message", (data: Buffer, isBinary) => messages.push(isBinary ? `binary ${data.toString()}` : data.toString()));
  const closed = once(socket, "close").then(([code, reason]: unknown[]) => ({ code: code as number, reason: String(reason) }));
  await once(socket, "open");
  const [connection = ""] = [...events.others.keys()].filter((key) => !before.has(key));
  return { socket, messages, closed, connection };
}

describe("a plain socket over HTTP", () => {
  afterEach(async () => {
    events.faultOf = () => null;
    for (const socket of sockets.splice(0)) socket.terminate();
    await gateway.expectNoSlotInUse();
  });

  it("carries text and binary, in order, each once, on one slot", async () => {
    const { socket, messages, connection } = await open();
    expect(await gateway.slotsInUse()).toBe(1);
    const sent = Array.from({ length: 200 }, (_, index) => `m${index}`);
    for (const message of sent) socket.send(message);
    await expect.poll(() => messages.length).toBe(200);
    expect(messages).toEqual(sent.map((message) => `echo ${message}`));
    expect(events.handled.get(connection)).toEqual(sent);
    socket.send(Buffer.from("bytes"));
    await expect.poll(() => messages.at(-1)).toBe("echo bytes");
  });

  it("gives its endpoint what sessions keep for themselves: a ping is the application's", async () => {
    const { socket, messages } = await open();
    socket.send("ping");
    await expect.poll(() => messages).toEqual(["echo ping"]);
  });

  it("has the subprotocol that its endpoint selects", async () => {
    const { socket } = await open("events", ["app.v1", "app.v2"]);
    expect(socket.protocol).toBe("app.v1");
  });

  it("closes with its code at the other side, whichever side it was", async () => {
    const own = await open();
    own.socket.close(4_001, "mine");
    expect(await own.closed).toEqual({ code: 4_001, reason: "" });
    await expect.poll(() => events.others.get(own.connection)?.at(-1)).toEqual({ type: "CLOSE", code: 4_001, reason: "mine" });
    const theirs = await open();
    theirs.socket.send("close");
    expect(await theirs.closed).toEqual({ code: 4_009, reason: "as asked" });
    expect(theirs.messages).toEqual(["echo close"]);
  });

  it("tells its endpoint when its device is cut off", async () => {
    const { socket, connection } = await open();
    socket.terminate();
    await expect.poll(() => events.others.get(connection)?.at(-1)).toEqual({ type: "DISCONNECT" });
  });

  it.for(["refuse", "reset-before", "reset-after", "garbage", "forbid"] as const)(
    "is closed with 1014 where a request fails (%s), which is not repeated",
    async (fault) => {
      const { socket, closed, connection } = await open();
      events.faultOf = () => fault;
      const before = events.requests;
      socket.send("x");
      expect((await closed).code).toBe(1014);
      expect(events.requests - before).toBe(1);
      await expect.poll(() => events.others.get(connection)?.at(-1)).toEqual({ type: "DISCONNECT" });
    },
  );

  it("whose endpoint does not take it is refused before it opens", async () => {
    const headers = { authorization: `Bearer ${await gateway.token()}` };
    // An HTTP service that knows nothing of events.
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo?status=404`, { headers });
    socket.on("error", () => undefined);
    sockets.push(socket);
    const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(502);
    response.resume();
  });

  it.for([
    {
      name: "floods",
      act: (socket: WebSocket) => Array.from({ length: 20 }, () => socket.send("x")),
      want: { code: 1008, reason: "message-rate" },
    },
    {
      name: "sends too much at once",
      act: (socket: WebSocket) => socket.send("x".repeat(101)),
      want: { code: 1009, reason: "message-size" },
    },
  ])("is closed when it $name, and its endpoint is told", async ({ act, want }) => {
    const { socket, closed, connection } = await open("limited");
    act(socket);
    expect(await closed).toEqual(want);
    await expect.poll(() => events.others.get(connection)?.at(-1)).toEqual({ type: "CLOSE", code: 1001, reason: want.reason });
  });
});

// The runtime ends a connection that is closed while its object has nothing else to do 10 s later, when that sleeps: they wait together.
describe("a plain socket over HTTP that a timer closes", { concurrent: true }, () => {
  it("has said nothing for too long: with 1001, and its endpoint is told", async ({ expect: expectHere }) => {
    const { closed, connection } = await open("limited");
    expectHere(await closed).toEqual({ code: 1001, reason: "idle" });
    await expectHere.poll(() => events.others.get(connection)?.at(-1)).toEqual({ type: "CLOSE", code: 1001, reason: "idle" });
  });

  it("is on a shard whose drain's grace is over: with 1012", async ({ expect: expectHere }) => {
    const { closed } = await open();
    const body = JSON.stringify({ service: "events", graceMs: 0, reason: "deploy" });
    await fetch(`${gateway.url}/v1/drain`, { method: "POST", headers: { authorization: `Bearer ${gateway.operatorKey}` }, body });
    expectHere(await closed).toEqual({ code: 1012, reason: "deploy" });
  });
});
