// Devices that leave all at once: their endpoint hears of each, but never of more at a time than a shard asks it.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { echoOf } from "#scripts/fleet/echo-endpoint.ts";
import { FleetDevice } from "#scripts/fleet/fleet-device.ts";
import { EventParser, EVENTS_CONTENT_TYPE } from "#shared/protocol/websocket-events.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const COUNT = 150;
/** durable/shard/post-permits.ts. */
const FAREWELLS_MAX = 16;

let gateway: TestGateway;
/** Farewells that have come and are not answered. */
const held: (() => void)[] = [];
let told = 0;
let heldMax = 0;
const server = createServer((request, response) => void serve(request, response));

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const answer = (): void => void response.writeHead(200, { "content-type": EVENTS_CONTENT_TYPE }).end(body);
  const events = new EventParser(body.length + 1).push(body);
  if ("ok" in events || !events.some(({ type }) => type === "CLOSE" || type === "DISCONNECT")) return answer();
  told += 1;
  held.push(answer);
  heldMax = Math.max(heldMax, held.length);
}

beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const endpoints = [{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, capacity: COUNT }];
  const shards = { sizeMin: 1, sizeMax: COUNT, countMin: 1, countMax: 1 };
  gateway = await startTestGateway({ echo: { endpoints, shards, sockets: { mode: "http" }, deadlineMs: 60_000 } });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await gateway.stop();
});

it("a shard's sessions that end together tell their endpoint 16 at a time, and each of them does", { timeout: 120_000 }, async () => {
  const devices = Array.from({ length: COUNT }, (_, index) => {
    const name = `d-${index}`;
    return new FleetDevice({
      url: gateway.url,
      service: "echo",
      name,
      answerTo: echoOf,
      token: async () => gateway.token({ device: name }),
    });
  });
  await Promise.all(devices.map(async (device) => device.online()));
  await Promise.all(devices.map(async (device) => device.close()));
  await expect.poll(() => held.length, { timeout: 30_000 }).toBe(FAREWELLS_MAX);
  // Nobody waits for a farewell: the slots are back before the endpoint has heard of all.
  await gateway.expectNoSlotInUse();
  await expect
    .poll(
      () => {
        for (const answer of held.splice(0)) answer();
        return told;
      },
      { timeout: 30_000 },
    )
    .toBe(COUNT);
  expect(heldMax).toBe(FAREWELLS_MAX);
});
