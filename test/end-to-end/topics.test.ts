// Pushes to topics through the whole gateway, to devices with the SDK whose connections are cut and whose shards are drained.
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import type { PushAnswer } from "#shared/protocol/shard-rpc.ts";
import { startEventsBackend, type EventsBackend } from "../support/events-backend.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { startShakyProxy, type ShakyProxy } from "../support/shaky-proxy.ts";

let gateway: TestGateway;
let events: EventsBackend;
let proxy: ShakyProxy;
const sockets: Socket[] = [];

beforeAll(async () => {
  events = await startEventsBackend();
  const shards = { sizeMin: 1, sizeMax: 4, countMin: 1, countMax: 10 };
  gateway = await startTestGateway({
    capacity: 20,
    echo: { sockets: { mode: "websocket" }, shards },
    more: { events: { url: events.url, shards, deadlineMs: 10_000 } },
  });
  proxy = await startShakyProxy(gateway.port);
});
afterAll(async () => {
  await Promise.all([gateway.stop(), events.close(), proxy.close()]);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  events.topicsOf = () => [];
  await gateway.expectNoSlotInUse();
});

const SERVICES = ["echo", "events"];

/** Resolves when it has a session. */
async function open(service: string, device: string): Promise<{ socket: Socket; messages: string[]; happened: unknown[] }> {
  const messages: string[] = [];
  const online = Promise.withResolvers<void>();
  const happened: unknown[] = [];
  const token = async (): Promise<string> => gateway.token({ services: SERVICES, device });
  const client = new TidegateClient({ url: proxy.url, token, platform: { random: () => 0 } });
  const socket = client.connect(service, {
    onMessage: (payload) => messages.push(String(payload)),
    onOnline: () => online.resolve(),
    onLost: (end) => happened.push(end),
    onEnd: (end) => happened.push(end),
  });
  sockets.push(socket);
  await online.promise;
  return { socket, messages, happened };
}

const post = async (path: string, body: unknown, claims = {}): Promise<Response> =>
  gateway.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    token: await gateway.token({ role: "service", services: SERVICES, ...claims }),
  });

/** Asked again until nobody is without it. Counts whom it reached. */
async function pushToAll(body: {
  readonly service: string;
  readonly topic: string;
  readonly text: string;
  readonly id: string;
}): Promise<number> {
  let reached = 0;
  await expect
    .poll(
      async () => {
        const response = await post("/v1/push", body);
        if (response.status === 503) return "nobody";
        const { taken, full } = (await response.json()) as PushAnswer;
        reached += taken;
        return full;
      },
      { timeout: 20_000 },
    )
    .toBe(0);
  return reached;
}

describe("a push to a topic", () => {
  it(
    "reaches each session on it once and in order, through cuts and a drain of every shard, and nobody else",
    { timeout: 120_000 },
    async () => {
      events.topicsOf = (device) => [Number(device.slice(2)) % 2 === 0 ? "even" : "odd"];
      const devices = await Promise.all(Array.from({ length: 10 }, async (_, index) => open("events", `n-${index}`)));
      const drain = await gateway.fetch("/v1/drain", {
        method: "POST",
        body: JSON.stringify({ service: "events", graceMs: 200 }),
        headers: { authorization: `Bearer ${gateway.operatorKey}` },
      });
      expect(drain.status).toBe(200);
      const isDrained = async (): Promise<boolean> => {
        const progress = await gateway.fetch("/v1/drain?service=events", { headers: { authorization: `Bearer ${gateway.operatorKey}` } });
        const { shards } = (await progress.json()) as { shards: { state: string }[] };
        return shards.every(({ state }) => state === "drained");
      };
      const sent: string[] = [];
      while (sent.length < 20 || !(await isDrained())) {
        const text = `p${sent.length}`;
        if (sent.length % 10 === 5) proxy.cut();
        expect(await pushToAll({ service: "events", topic: "even", text, id: text })).toBe(5);
        sent.push(text);
      }
      for (const [index, { messages }] of devices.entries()) {
        await expect.poll(() => messages, { timeout: 20_000 }).toEqual(index % 2 === 0 ? sent : []);
      }
      expect(devices.flatMap(({ happened }) => happened)).toEqual([]);
      expect(await pushToAll({ service: "events", topic: "odd", text: "x", id: "odd" })).toBe(5);
      await expect.poll(() => devices[1]?.messages).toEqual(["x"]);
    },
  );

  it("reaches a plain socket that its endpoint put on it", async () => {
    events.topicsOf = () => ["news"];
    const token = await gateway.token({ services: SERVICES });
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/events`, { headers: { authorization: `Bearer ${token}` } });
    await once(socket, "open");
    const heard: string[] = [];
    socket.on("message", (data: Buffer) => heard.push(data.toString()));
    socket.send("a");
    await expect.poll(() => heard).toEqual(["echo a"]);
    expect(await (await post("/v1/push", { service: "events", topic: "news", text: "1" })).json()).toEqual({ taken: 0, full: 0, sent: 1 });
    await expect.poll(() => heard).toEqual(["echo a", "1"]);
    socket.close(1000);
    await once(socket, "close");
  });

  it("is another tenant's of the same name to another tenant", async () => {
    events.topicsOf = () => ["news"];
    const { messages } = await open("events", "d-1");
    await expect
      .poll(async () => (await post("/v1/push", { service: "events", topic: "news", text: "1" })).json())
      .toMatchObject({ taken: 1 });
    const others = await post("/v1/push", { service: "events", topic: "news", text: "x" }, { tenant: "globex" });
    expect(await others.json()).toEqual({ taken: 0, full: 0, sent: 0 });
    await post("/v1/push", { service: "events", topic: "news", text: "2" });
    await expect.poll(() => messages).toEqual(["1", "2"]);
  });
});

describe("a service over websocket", () => {
  it("puts its devices' sockets on topics, sessions and plain ones", async () => {
    const { messages } = await open("echo", "d-1");
    const token = await gateway.token();
    const plain = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, { headers: { authorization: `Bearer ${token}` } });
    await once(plain, "open");
    const heard: string[] = [];
    plain.on("message", (data: Buffer) => heard.push(data.toString()));
    expect(await (await post("/v1/topics", { service: "echo", device: "d-1", subscribe: ["a", "b"] })).json()).toEqual({
      sockets: 2,
      full: 0,
    });
    expect(await (await post("/v1/push", { service: "echo", topic: "a", text: "1" })).json()).toEqual({ taken: 1, full: 0, sent: 1 });
    await expect.poll(() => [messages, heard]).toEqual([["1"], ["1"]]);
    expect(await (await post("/v1/topics", { service: "echo", device: "d-1", unsubscribe: ["a"] })).json()).toEqual({
      sockets: 2,
      full: 0,
    });
    expect(await (await post("/v1/push", { service: "echo", topic: "a", text: "x" })).json()).toEqual({ taken: 0, full: 0, sent: 0 });
    expect(await (await post("/v1/topics", { service: "echo", device: "d-2", subscribe: ["a"] })).json()).toEqual({ sockets: 0, full: 0 });
    const tooMany = Array.from({ length: 64 }, (_, index) => `t-${index}`);
    const refused = await post("/v1/topics", { service: "echo", device: "d-1", subscribe: tooMany });
    expect([refused.status, ((await refused.json()) as { type: string }).type]).toEqual([503, "/problems/rejected-capacity"]);
    await expect
      .poll(() => gateway.logs.findLast(({ outcome }) => outcome === "rejected-capacity"))
      .toMatchObject({ status: 503, decidedBy: "shard" });
    plain.close(1000);
    await once(plain, "close");
  });
});

it.for([
  {
    name: "a device's token",
    path: "/v1/topics",
    body: { service: "echo", device: "d-1", subscribe: ["a"] },
    claims: { role: "device" },
    status: 403,
  },
  {
    name: "another service's token",
    path: "/v1/topics",
    body: { service: "echo", device: "d-1" },
    claims: { services: ["events"] },
    status: 403,
  },
  {
    name: "an unknown service",
    path: "/v1/topics",
    body: { service: "nowhere", device: "d-1" },
    claims: { services: ["nowhere"] },
    status: 404,
  },
  { name: "no device", path: "/v1/topics", body: { service: "echo", subscribe: ["a"] }, claims: {}, status: 400 },
  { name: "an empty topic", path: "/v1/topics", body: { service: "echo", device: "d-1", subscribe: [""] }, claims: {}, status: 400 },
  { name: "a topic too long", path: "/v1/push", body: { service: "echo", topic: "x".repeat(257), text: "x" }, claims: {}, status: 400 },
  {
    name: "65 topics",
    path: "/v1/topics",
    body: { service: "echo", device: "d-1", subscribe: Array.from({ length: 65 }, String) },
    claims: {},
    status: 400,
  },
  {
    name: "a device and a topic",
    path: "/v1/push",
    body: { service: "echo", device: "d-1", topic: "a", text: "x" },
    claims: {},
    status: 400,
  },
  { name: "an id with a blank", path: "/v1/push", body: { service: "echo", id: "a b", text: "x" }, claims: {}, status: 400 },
] as const)("$path with $name is refused with $status", async ({ path, body, claims, status }) => {
  expect((await post(path, body, claims)).status).toBe(status);
});
