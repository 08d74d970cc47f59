// Sockets of a service in three regions, over the running gateway: granted where the device is, counted at home, told of by both.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import WebSocket from "ws";
import { REGION_HEADER } from "#shared/placement.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const REGIONS = ["weur", "enam", "apac"];
const PATIENT = { timeout: 15_000, interval: 50 };
/** What a request is told that finds no slot in time. */
const UNSERVED = [429, 503, 504];
const SESSION = "tidegate.v1";
let gateway: TestGateway;
let token: string;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  gateway = await startTestGateway({
    capacity: 1,
    echo: { regions: REGIONS, deadlineMs: 2_000, requestDurationMsMax: 2_000, sockets: { mode: "websocket" } },
  });
  token = await gateway.token();
});
afterAll(async () => gateway.stop());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await expect.poll(() => metric("tidegate_slots_in_use"), PATIENT).toBe(0);
  expect(gateway.backend.stats().overCapacity).toBe(0);
  expect(await metric("tidegate_slots_overshot_total")).toBe(0);
});

const metric = async (name: string): Promise<number> => sumOf(await gateway.metrics(), name);

interface Connected {
  readonly socket: WebSocket;
  readonly messages: string[];
  /** 101, or why not. */
  readonly status: Promise<number>;
}

function connect(region: string, protocols: readonly string[] = []): Connected {
  const headers = { authorization: `Bearer ${token}`, [REGION_HEADER]: region };
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, [...protocols], { headers });
  socket.on("error", () => undefined);
  sockets.push(socket);
  const messages: string[] = [];
  socket.on("message", (data: Buffer) => messages.push(data.toString()));
  const opened = once(socket, "open").then(() => 101);
  const refused = once(socket, "unexpected-response").then(([, response]) => (response as IncomingMessage).statusCode ?? 0);
  const status = Promise.race([opened, refused]);
  status.catch(() => undefined);
  return { socket, messages, status };
}

async function open(region: string, protocols: readonly string[] = []): Promise<Connected> {
  const connected = connect(region, protocols);
  expect(await connected.status).toBe(101);
  return connected;
}

const ask = async (region: string): Promise<number> => {
  const response = await gateway.fetch("/s/echo/x", { token, headers: { [REGION_HEADER]: region } });
  await response.arrayBuffer();
  return response.status;
};

it("one slot is a socket's in one region, or another region's, and comes back with the socket's end", { timeout: 60_000 }, async () => {
  const { socket, messages } = await open("apac");
  socket.send("from afar");
  await expect.poll(() => messages).toEqual(["from afar"]);
  expect([await metric("tidegate_slots_in_use"), gateway.backend.stats().sockets]).toEqual([1, 1]);
  const answers = await Promise.all([...REGIONS.map(ask), ...REGIONS.map(async (region) => connect(region).status)]);
  for (const status of answers) expect(UNSERVED).toContain(status);
  expect([await metric("tidegate_slots_in_use"), gateway.backend.stats().sockets]).toEqual([1, 1]);
  // What a region refused is told there; what became of the socket, at home.
  expect(await metric("tidegate_region_requests_total")).toBeGreaterThan(0);
  const before = (await metric("tidegate_requests_total")) - (await metric("tidegate_region_requests_total"));
  socket.close(1000);
  await expect.poll(() => metric("tidegate_slots_in_use"), PATIENT).toBe(0);
  const after = (await metric("tidegate_requests_total")) - (await metric("tidegate_region_requests_total"));
  expect(after).toBe(before + 1);
  await expect.poll(() => ask("enam"), PATIENT).toBe(200);
});

it("a device that goes while it waits in its region leaves no slot", { timeout: 60_000 }, async () => {
  const { socket } = await open("weur");
  const { socket: waiting } = connect("enam");
  await expect.poll(() => metric("tidegate_queue_length"), PATIENT).toBe(1);
  waiting.terminate();
  socket.close(1000);
  await expect.poll(() => ask("apac"), PATIENT).toBe(200);
  await expect.poll(() => gateway.backend.stats().sockets, PATIENT).toBe(0);
});

it("a push reaches it, and its session comes back by way of another region on the slot it has", { timeout: 60_000 }, async () => {
  const { socket, messages } = await open("apac", [SESSION]);
  socket.send('{"type":"hello","attempt":1,"received":0}');
  await expect.poll(() => messages.length).toBe(1);
  const { token: resume } = JSON.parse(messages[0] ?? "") as { token: string };
  socket.send(JSON.stringify({ type: "rotated", token: resume }));
  const service = await gateway.token({ role: "service" });
  const body = JSON.stringify({ service: "echo", device: "d-1", text: "for you" });
  const pushed = await gateway.fetch("/v1/push", { method: "POST", token: service, body });
  expect(await pushed.json()).toMatchObject({ taken: 1 });
  await expect.poll(() => messages.join()).toContain("for you");
  socket.terminate();
  const again = await open("enam", [SESSION, `tidegate.resume.${resume}`]);
  again.socket.send('{"type":"hello","attempt":2,"received":1}');
  await expect.poll(() => again.messages.length).toBe(1);
  expect(JSON.parse(again.messages[0] ?? "")).toMatchObject({ type: "resumed" });
  expect(await metric("tidegate_slots_in_use")).toBe(1);
  again.socket.close(1000);
  await once(again.socket, "close");
});
