// Devices behind front processes: the gateway's process has no file for any of them, and sees what they do as if there were no front.
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { childOf } from "#bench/gateway/cpu-time.ts";
import { EventParser, EVENTS_CONTENT_TYPE } from "#shared/protocol/websocket-events.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { rawHttp } from "../support/raw-http.ts";

const DEVICES = 60;

let gateway: TestGateway;
/** What the endpoint was told of sockets that ended. */
const ends: string[] = [];
const server = createServer((request, response) => void serve(request, response));

/** Answers every opening and message with the same, and keeps no connection: those are files too. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const events = new EventParser(body.length + 1).push(body);
  if (!("ok" in events)) for (const event of events) if (event.type === "CLOSE") ends.push(`${event.code} ${event.reason}`);
  if (!("ok" in events)) for (const { type } of events) if (type === "DISCONNECT") ends.push(type);
  response.writeHead(200, { "content-type": EVENTS_CONTENT_TYPE, connection: "close" }).end(body);
}

beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const endpoints = [{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, capacity: 2 * DEVICES }];
  gateway = await startTestGateway({
    more: { held: { url: "", endpoints, sockets: { mode: "http" }, deadlineMs: 20_000 } },
    frontCount: 2,
  });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await gateway.stop();
});

/** Opens a plain socket of a device of its own. */
async function open(service: string, device: string): Promise<WebSocket> {
  const token = await gateway.token({ device, services: ["echo", "held"] });
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  socket.on("error", () => undefined);
  await once(socket, "open");
  return socket;
}

const filesOf = (leashPid: number): number => readdirSync(`/proc/${childOf(leashPid)}/fd`).length;

describe("front processes", () => {
  it("hold the devices' connections, and the gateway's process holds none", async () => {
    const { leashPid, frontLeashPids } = gateway.process;
    // What is opened once, objects' databases among it, is not counted.
    const first = await open("held", "d-first");
    const filesOfFronts = (): number => frontLeashPids.reduce((sum, pid) => sum + filesOf(pid), 0);
    const before = { gateway: filesOf(leashPid), fronts: filesOfFronts() };
    const sockets = await Promise.all(Array.from({ length: DEVICES }, async (_, index) => open("held", `d-${index}`)));
    expect(filesOfFronts() - before.fronts).toBeGreaterThanOrEqual(DEVICES);
    // Its connections to the endpoint end with each answer.
    await expect.poll(() => filesOf(leashPid) - before.gateway).toBeLessThan(DEVICES / 4);
    for (const socket of [first, ...sockets]) socket.close(1000);
    await gateway.expectNoSlotInUse();
    await expect.poll(filesOfFronts).toBeLessThan(before.fronts + DEVICES / 4);
  });

  it("carry text and binary in order, and every close with its code", async () => {
    const socket = await open("echo", "d-echo");
    const sent = Array.from({ length: 500 }, (_, index) => `m${index}`);
    const received: string[] = [];
    socket.on("message", (data: Buffer) => received.push(data.toString()));
    let end = "";
    socket.once("close", (code, reason: Buffer) => (end = `${code} ${reason.toString()}`));
    const came = async (count: number): Promise<void> => expect.poll(() => [received.length, end]).toEqual([count, ""]);
    // No more at once than may wait for an endpoint that is given little of the machine.
    for (let from = 0; from < sent.length; from += 100) {
      for (const message of sent.slice(from, from + 100)) socket.send(message);
      await came(from + 100);
    }
    socket.send(Buffer.alloc(1_048_576, "b"));
    await came(sent.length + 1);
    expect(received.slice(0, -1)).toEqual(sent);
    expect(received.at(-1)).toHaveLength(1_048_576);
    const closed = once(socket, "close");
    socket.close(4321, "bye");
    expect((await closed)[0]).toBe(4321);
    const other = await open("held", "d-close");
    other.close(4322, "so long");
    await expect.poll(() => ends).toContain("4322 so long");
  });

  it("let the gateway know of a device that is gone: a socket's, and a request's whose answer streams", async () => {
    const gone = await open("held", "d-gone");
    const before = ends.filter((end) => end === "DISCONNECT").length;
    gone.terminate();
    await expect.poll(() => ends.filter((end) => end === "DISCONNECT").length).toBe(before + 1);
    const aborter = new AbortController();
    const response = await gateway.fetch("/s/echo/long?bytes=2000000&chunks=200&chunkDelayMs=20", { signal: aborter.signal });
    expect(response.status).toBe(200);
    aborter.abort();
    await gateway.expectNoSlotInUse();
    await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
  });

  it("resolve a path's dots before the gateway sees it", async () => {
    const answer = await rawHttp(gateway.port, "GET /s/echo/../../livez HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining("ok") as string });
  });

  it("leave a body that its device ends half-way to the deadline: the endpoint never has it as whole", async () => {
    const head = `POST /s/echo/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await gateway.token()}\r\nContent-Length: 100\r\n\r\n`;
    const answer = await rawHttp(gateway.port, `${head}abc`, (socket) => socket.end());
    expect(answer).toMatchObject({ status: 504, body: expect.stringContaining("/problems/upstream-timeout") as string });
    await gateway.expectNoSlotInUse();
    await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
  });
});
