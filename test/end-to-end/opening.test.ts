// An endpoint over HTTP that fails the request which opens a socket: asked again where it has said nothing, and never more than its service allows.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { startEventsBackend, type EventsBackend, type Fault } from "../support/events-backend.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
let events: EventsBackend;
const SERVICES = ["twice", "often", "once"];
const sockets: WebSocket[] = [];
/** Openings that the endpoint saw. */
let seen = 0;

beforeAll(async () => {
  events = await startEventsBackend();
  const { url } = events;
  // Thrifty: what a service earns is its second retry in two thousand.
  const retry = { budgetRatio: 0.0005 };
  const shards = { sizeMin: 20, sizeMax: 20 };
  gateway = await startTestGateway({
    more: {
      twice: { url, shards, retry: { budgetRatio: 1 } },
      often: { url, shards, retry: { ...retry, attemptsMax: 5 } },
      once: { url, shards, retry: { ...retry, attemptsMax: 1 } },
    },
  });
});
afterAll(async () => Promise.all([gateway.stop(), events.close()]));
afterEach(async () => {
  events.openFaultOf = () => null;
  events.openEndOf = () => null;
  for (const socket of sockets.splice(0)) socket.close(1000);
  await gateway.expectNoSlotInUse();
});

function failAs(faults: readonly (Fault | "stall")[]): void {
  seen = 0;
  events.openFaultOf = () => faults[seen++] ?? null;
}

/** The status of the answer to the upgrade, and why where it is not 101. */
async function open(service: string, isSession: boolean): Promise<{ status: number; type?: string; detail?: string; timing?: string }> {
  const token = await gateway.token({ services: SERVICES });
  const protocols = isSession ? ["tidegate.v1", `tidegate.bearer.${token}`] : [];
  const headers = isSession ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, protocols, { headers });
  socket.on("error", () => undefined);
  const refused = once(socket, "unexpected-response").then(async ([, response]: unknown[]) => {
    let body = "";
    for await (const chunk of response as IncomingMessage) body += String(chunk);
    const { statusCode: status = 0, headers: told } = response as IncomingMessage;
    return { ...(JSON.parse(body) as { type: string; detail: string }), status, timing: String(told["server-timing"]) };
  });
  const opened = once(socket, "open").then(() => {
    sockets.push(socket);
    if (isSession) socket.send('{"type":"hello","attempt":1,"received":0}');
    return { status: 101 };
  });
  // The one that does not happen is not waited for.
  opened.catch(() => undefined);
  return Promise.race([refused, opened]);
}

describe.for([
  { kind: "a plain socket", isSession: false },
  { kind: "a session", isSession: true },
])("$kind whose endpoint", ({ isSession }) => {
  it.for(["reset-before", "reset-after"] as const)("breaks off before it answers (%s) opens all the same", async (fault) => {
    failAs([fault]);
    expect(await open("twice", isSession)).toEqual({ status: 101 });
    expect(seen).toBe(2);
  });

  it("breaks off each time is refused with 502, after as many attempts as its service has", async () => {
    failAs(Array.from({ length: 10 }, () => "reset-before" as const));
    const { status, type, detail } = await open("twice", isSession);
    expect([status, type, detail]).toEqual([
      502,
      "/problems/upstream-failed",
      expect.stringContaining("could not be reached, in 2 attempts"),
    ]);
    expect(seen).toBe(2);
  });

  it("breaks off where its service allows one attempt is asked once", async () => {
    failAs(["reset-before"]);
    expect((await open("once", isSession)).status).toBe(502);
    expect(seen).toBe(1);
  });

  it.for([
    { fault: "refuse", says: "status 503" },
    { fault: "forbid", says: "status 403" },
    { fault: "garbage", says: "ends within an event" },
  ] as const)("answers with $fault is asked once", async ({ fault, says }) => {
    failAs([fault]);
    const { status, detail } = await open("twice", isSession);
    expect([status, detail]).toEqual([502, expect.stringContaining(says)]);
    expect(seen).toBe(1);
  });

  it("says nothing is refused with 504 at its deadline, and asked once", async () => {
    failAs(["stall"]);
    const { status, type, detail, timing } = await open("twice", isSession);
    expect(timing).toMatch(/^queue;dur=\d+;desc="gold", upstream;dur=\d{3,}$/);
    expect([status, type, detail]).toEqual([504, "/problems/upstream-timeout", "The endpoint did not take the socket within 1000 ms."]);
    expect(seen).toBe(1);
  });
});

describe("an endpoint that takes a socket and ends it with the same answer", () => {
  const url = (): string => `${gateway.url.replace("http", "ws")}/connect/twice`;
  const headers = async () => ({ authorization: `Bearer ${await gateway.token({ services: SERVICES })}` });

  it.for([
    { end: { type: "CLOSE", code: 4_003, reason: "banned" }, told: { why: "closed", code: 4_003, reason: "banned" } },
    { end: { type: "DISCONNECT" }, told: { why: "endpoint", code: 1014, reason: "the endpoint disconnected" } },
  ] as const)("tells a session's device with $end.type, and has the slot back", async ({ end, told }) => {
    events.openEndOf = () => end;
    const socket = new WebSocket(url(), ["tidegate.v1"], { headers: await headers() });
    const frames: unknown[] = [];
    socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString())));
    const closed = once(socket, "close");
    await once(socket, "open");
    await gateway.expectNoSlotInUse();
    socket.send('{"type":"hello","attempt":1,"received":0}');
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([told.code, told.reason]);
    expect(frames).toEqual([{ type: "end", received: 0, sent: 0, ...told }]);
  });

  it("has a plain socket's slot back without its device's answer", async () => {
    events.openEndOf = () => ({ type: "CLOSE", code: 4_003, reason: "banned" });
    const { authorization } = await headers();
    const upgrade = ["GET /connect/twice HTTP/1.1", "Host: gateway", "Connection: Upgrade", "Upgrade: websocket"];
    const key = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", `Authorization: ${authorization}`];
    // It reads, and says nothing.
    const tcp = connect({ host: "127.0.0.1", port: gateway.port, allowHalfOpen: true });
    let read = "";
    tcp.on("data", (chunk) => (read += chunk.toString("latin1")));
    tcp.write(`${[...upgrade, ...key].join("\r\n")}\r\n\r\n`);
    await expect.poll(() => read).toMatch(/^HTTP\/1.1 101 [^]*\r\n\r\n[^]*banned$/);
    await gateway.expectNoSlotInUse();
    expect(tcp.readableEnded).toBe(false);
    tcp.destroy();
  });
});

it("an endpoint that breaks off for everybody is asked no more again than the budget has", async () => {
  failAs(Array.from({ length: 100 }, () => "reset-before" as const));
  for (let device = 0; device < 8; device += 1) expect((await open("often", device % 2 === 0)).status).toBe(502);
  // One each, and the three that a service begins with.
  expect(seen).toBe(8 + 3);
});
