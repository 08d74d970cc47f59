import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const WEBSOCKET = { mode: "websocket" };

let gateway: TestGateway;
/** An endpoint that speaks HTTP and refuses to upgrade. */
let plain: Server;

beforeAll(async () => {
  plain = createServer((_request, response) => response.end("no sockets here"))
    .on("upgrade", (_request, socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"))
    .listen(0, "127.0.0.1");
  await once(plain, "listening");
  gateway = await startTestGateway({
    echo: { sockets: WEBSOCKET },
    more: { plain: { url: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`, sockets: WEBSOCKET } },
  });
});
afterAll(async () => {
  plain.close();
  await gateway.stop();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await gateway.expectNoSlotInUse();
});

/** Opened by the running test; what it leaves open is cut off after it. */
const sockets: WebSocket[] = [];

interface Opened {
  readonly socket: WebSocket;
  /** Messages in order of arrival; binary as Buffer. */
  readonly messages: (string | Buffer)[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

function connectTo(path: string, { protocols = [], token }: { protocols?: string[]; token?: string } = {}): WebSocket {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}${path}`, protocols, { headers });
  // A refused or broken connection is an error event too, which each test sees by other means.
  socket.on("error", () => undefined);
  sockets.push(socket);
  return socket;
}

async function open(path = "/connect/echo", options: { protocols?: string[]; token?: string } = {}): Promise<Opened> {
  const socket = connectTo(path, { token: await gateway.token(), ...options });
  // ws hands Blobs out where the platform's default says so; tests compare bytes.
  socket.binaryType = "nodebuffer";
  const messages: (string | Buffer)[] = [];
  socket.on("message", (data: Buffer, isBinary) => messages.push(isBinary ? data : data.toString()));
  const closed = once(socket, "close").then(([code, reason]: unknown[]) => ({ code: code as number, reason: String(reason) }));
  await once(socket, "open");
  return { socket, messages, closed };
}

/** The TCP connection under a socket, which ws keeps to itself. */
function tcpOf(socket: WebSocket): Socket {
  const { ["_socket"]: tcp } = socket as unknown as { readonly ["_socket"]: Socket };
  return tcp;
}

/** The refusal of an upgrade: its status and problem. */
async function refusedAt(socket: WebSocket): Promise<{ status: number; type: string }> {
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, type: (JSON.parse(text) as { type: string }).type };
}

describe("a socket", () => {
  it("carries text and binary both ways, and takes one slot for its life", async () => {
    const { socket, messages, closed } = await open();
    expect(await gateway.slotsInUse()).toBe(1);
    socket.send("hello");
    socket.send(Buffer.from([0, 1, 254, 255]));
    await expect.poll(() => messages).toEqual(["hello", Buffer.from([0, 1, 254, 255])]);
    socket.close(1000, "done");
    expect(await closed).toEqual({ code: 1000, reason: "done" });
  });

  it("may bring its token as a subprotocol, which is never echoed, beside the application's, which is", async () => {
    const socket = connectTo("/connect/echo", { protocols: ["app.v1", `tidegate.bearer.${await gateway.token()}`] });
    const [[response]] = (await Promise.all([once(socket, "upgrade"), once(socket, "open")])) as [[IncomingMessage], unknown];
    expect(response.headers["sec-websocket-protocol"]).toBe("app.v1");
  });

  it.for([
    { name: "a device's own code", act: (socket: WebSocket) => socket.close(4001, "mine"), want: { code: 4001, reason: "mine" } },
    { name: "no code", act: (socket: WebSocket) => socket.close(), want: { code: 1005, reason: "" } },
  ])("is closed with $name on both sides", async ({ act, want }) => {
    const { socket, closed } = await open();
    act(socket);
    expect(await closed).toEqual(want);
    await expect.poll(() => gateway.backend.stats().sockets).toBe(0);
  });

  it("hears the endpoint's own close", async () => {
    const { socket, closed } = await open("/connect/echo?closeCode=4007&closeReason=enough");
    socket.send("x");
    expect(await closed).toEqual({ code: 4007, reason: "enough" });
  });

  it("hears 1014 when the endpoint's connection breaks", async () => {
    const { socket, closed } = await open("/connect/echo?fault=reset");
    socket.send("x");
    expect((await closed).code).toBe(1014);
  });

  it.for([
    { name: "is cut off", act: (socket: WebSocket) => socket.terminate() },
    { name: "is reset", act: (socket: WebSocket) => tcpOf(socket).resetAndDestroy() },
  ])("gives its slot back when its device $name, and the endpoint hears of it", async ({ act }) => {
    const { socket } = await open();
    act(socket);
    await expect.poll(() => gateway.backend.stats().sockets).toBe(0);
  });

  it("is closed with 1009 for a message of more than 1 MiB, and takes one of exactly that", async () => {
    const { socket, messages, closed } = await open();
    socket.send(Buffer.alloc(1_048_576));
    await expect.poll(() => messages.length).toBe(1);
    socket.send(Buffer.alloc(1_048_577));
    expect((await closed).code).toBe(1009);
    // In bytes, not in characters: a euro sign is three.
    const other = await open();
    other.socket.send("€".repeat(349_526));
    expect((await other.closed).code).toBe(1009);
  });

  it("keeps its slot until the endpoint has answered the close, but not for ever", { timeout: 20_000 }, async () => {
    const deaf = createServer().on("upgrade", (request, socket) => {
      const accept = createHash("sha1")
        .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest("base64");
      socket
        .on("error", () => undefined)
        .write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    });
    await once(deaf.listen(0, "127.0.0.1"), "listening");
    const own = await startTestGateway({
      more: { deaf: { url: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`, sockets: WEBSOCKET } },
    });
    const socket = new WebSocket(`${own.url.replace("http", "ws")}/connect/deaf`, {
      headers: { authorization: `Bearer ${await own.token({ services: ["deaf"] })}` },
    });
    await once(socket, "open");
    socket.terminate();
    await expect.poll(() => socket.readyState).toBe(WebSocket.CLOSED);
    expect(await own.slotsInUse()).toBe(1);
    await expect.poll(own.slotsInUse, { timeout: 15_000 }).toBe(0);
    deaf.closeAllConnections();
    deaf.close();
    await own.stop();
  });

  it("keeps the order of a thousand messages", async () => {
    const { socket, messages } = await open();
    const sent = Array.from({ length: 1_000 }, (_, index) => `message ${index}`);
    for (const message of sent) socket.send(message);
    await expect.poll(() => messages.length).toBe(1_000);
    expect(messages).toEqual(sent);
  });
});

describe("an upgrade", () => {
  it("without a credential is refused before it, with a body", async () => {
    expect(await refusedAt(connectTo("/connect/echo"))).toEqual({ status: 401, type: "/problems/unauthorized" });
  });

  it("whose only subprotocol is the token is told to offer the application's", async () => {
    const socket = connectTo("/connect/echo", { protocols: [`tidegate.bearer.${await gateway.token()}`] });
    expect(await refusedAt(socket)).toEqual({ status: 400, type: "/problems/bad-identifier" });
  });

  it("to a service that is not there is refused with 404", async () => {
    expect(await refusedAt(connectTo("/connect/nowhere", { token: await gateway.token() }))).toEqual({
      status: 404,
      type: "/problems/unknown-service",
    });
  });

  it("that the endpoint refuses is answered with 502", async () => {
    const socket = connectTo("/connect/plain", { token: await gateway.token({ services: ["plain"] }) });
    expect(await refusedAt(socket)).toEqual({ status: 502, type: "/problems/upstream-failed" });
  });

  it("on a forwarding route is told where sockets are opened", async () => {
    expect(await refusedAt(connectTo("/s/echo", { token: await gateway.token() }))).toEqual({
      status: 404,
      type: "/problems/unknown-route",
    });
  });

  it("beyond the service's slots is refused with 503, and those open stay open", async () => {
    const opened = await Promise.all(Array.from({ length: 20 }, () => open()));
    expect(await refusedAt(connectTo("/connect/echo", { token: await gateway.token() }))).toEqual({
      status: 503,
      type: "/problems/expired-in-queue",
    });
    for (const { socket } of opened) expect(socket.readyState).toBe(WebSocket.OPEN);
    for (const { socket } of opened) socket.close();
    await Promise.all(opened.map(({ closed }) => closed));
  });

  it("can be asked about by POST, which takes no slot for longer than the question", async () => {
    const admitted = await gateway.fetch("/connect/echo", { method: "POST" });
    expect(await admitted.json()).toEqual({ verdict: "admitted" });
    expect((await gateway.fetch("/connect/echo", { method: "POST", token: await gateway.token({ services: ["plain"] }) })).status).toBe(
      403,
    );
  });
});
