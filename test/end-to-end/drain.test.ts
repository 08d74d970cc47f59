// Shards are emptied under traffic: by the operator, one or all, turned back, and by an endpoint that leaves the configuration.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { runCli } from "#test/cli/run-cli.ts";
import { startEventsBackend, type EventsBackend } from "../support/events-backend.ts";
import { documentsOf, startTestGateway, type TestGateway } from "../support/gateway.ts";

const SHARDS = { sizeMin: 5, sizeMax: 5, countMin: 1, countMax: 4 };
const CAPACITY = 20;

let gateway: TestGateway;
let events: EventsBackend;
let other: EventsBackend;
const sockets: Socket[] = [];
const plain: WebSocket[] = [];

const apply = async (url: string): Promise<void> => {
  const echo = { endpoints: [{ url, capacity: CAPACITY }], shards: SHARDS };
  const more = { relay: { url: gateway.backend.url, sockets: { mode: "websocket" } } };
  const applied = await gateway.apply(documentsOf({ url: gateway.backend.url, capacity: CAPACITY, echo, more }));
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
};

beforeAll(async () => {
  const states = new Map();
  [events, other] = await Promise.all([startEventsBackend(states), startEventsBackend(states)]);
  gateway = await startTestGateway({ capacity: CAPACITY });
  await apply(events.url);
});
afterAll(async () => Promise.all([gateway.stop(), events.close(), other.close()]));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const socket of plain.splice(0)) socket.terminate();
  await gateway.expectNoSlotInUse();
});

interface Device {
  readonly socket: Socket;
  readonly messages: string[];
  readonly happened: unknown[];
  readonly sent: string[];
  /** Sends until it is told to stop; every answer is awaited then. */
  stop(): Promise<void>;
}

function talkingDevice(device: string): Device {
  const messages: string[] = [];
  const happened: unknown[] = [];
  const sent: string[] = [];
  const token = async (): Promise<string> => gateway.token({ device, services: ["echo", "relay"] });
  const client = new TidegateClient({ url: gateway.url, token });
  const socket = client.connect("echo", {
    onMessage: (payload) => messages.push(String(payload)),
    onLost: (end) => happened.push(end),
    onEnd: (end) => happened.push(end),
  });
  sockets.push(socket);
  const timer = setInterval(() => {
    const message = `${device} ${sent.length}`;
    if (socket.send(message)) sent.push(message);
  }, 20);
  return {
    socket,
    messages,
    happened,
    sent,
    async stop() {
      clearInterval(timer);
      await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(sent.length);
    },
  };
}

async function operate(method: "GET" | "POST" | "DELETE", body?: object) {
  const response = await fetch(`${gateway.url}/v1/drain${method === "GET" ? "?service=echo" : ""}`, {
    method,
    headers: { authorization: `Bearer ${gateway.operatorKey}` },
    ...(body === undefined ? {} : { body: JSON.stringify({ service: "echo", ...body }) }),
  });
  const { shards = [] } = (await response.json()) as { shards?: { shardId: string; state: string }[] };
  return { status: response.status, shards };
}

const statesOf = async (): Promise<string[]> => [...new Set((await operate("GET")).shards.map(({ state }) => state))];

async function shardsInUse(): Promise<string[]> {
  const metrics = await gateway.metrics();
  return [...metrics.matchAll(/^tidegate_shard_size\{service="echo",shard="([^"]+)",state="active"\}/gm)].map(([, shard = ""]) => shard);
}

async function openRaw(service: string, protocols: string[]): Promise<{ socket: WebSocket; frames: string[] }> {
  const token = await gateway.token({ services: ["echo", "relay"] });
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, protocols, {
    headers: { authorization: `Bearer ${token}` },
  });
  plain.push(socket);
  const frames: string[] = [];
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  await once(socket, "open");
  return { socket, frames };
}

const devices = (count: number, name: string): Device[] => Array.from({ length: count }, (_, index) => talkingDevice(`${name}-${index}`));

/** Everything that was sent came back once, in order, and was handled once. */
async function expectNothingLost(talking: readonly Device[], handledBy: readonly EventsBackend[]): Promise<void> {
  await Promise.all(talking.map(async (device) => device.stop()));
  const handled = handledBy.flatMap((backend) => [...backend.handled.values()].flat());
  for (const { messages, sent, happened } of talking) {
    expect(messages).toEqual(sent.map((message) => `echo ${message}`));
    expect(happened).toEqual([]);
    expect(handled.filter((message) => sent.includes(message)).toSorted()).toEqual(sent.toSorted());
  }
}

describe("a drain", () => {
  it(
    "of every shard, one after the other, is noticed by no device: nothing lost, doubled or out of order",
    { timeout: 60_000 },
    async () => {
      const talking = devices(6, "rolling");
      await expect.poll(gateway.slotsInUse).toBe(6);
      const before = await shardsInUse();
      expect((await operate("POST", { graceMs: 300 })).shards.map(({ shardId }) => shardId)).toEqual(before);
      await expect.poll(statesOf, { timeout: 40_000, interval: 200 }).toEqual(["drained"]);
      await expectNothingLost(talking, [events]);
      const after = await shardsInUse();
      expect(after).toHaveLength(before.length);
      expect(after.filter((shard) => before.includes(shard))).toEqual([]);
      expect(await gateway.slotsInUse()).toBe(6);
    },
  );

  it(
    "of a service whose every slot is taken takes each slot along: nothing is lost, and nobody who waits gets between",
    { timeout: 90_000 },
    async () => {
      const talking = devices(CAPACITY, "full");
      await expect.poll(gateway.slotsInUse, { timeout: 20_000 }).toBe(CAPACITY);
      const before = await shardsInUse();
      // One more, which keeps asking.
      const waiting = talkingDevice("one-more");
      await operate("POST", { graceMs: 500 });
      const slots: number[] = [];
      await expect
        .poll(
          async () => {
            slots.push(await gateway.slotsInUse());
            return statesOf();
          },
          { timeout: 60_000, interval: 100 },
        )
        .toEqual(["drained"]);
      await expectNothingLost(talking, [events]);
      expect(Math.max(...slots)).toBe(CAPACITY);
      expect((await shardsInUse()).filter((shard) => before.includes(shard))).toEqual([]);
      expect(waiting.messages).toEqual([]);
      for (const { socket } of talking) socket.close();
      await waiting.stop();
      expect(waiting.happened).toEqual([]);
    },
  );

  it("closes with 1012 and its word who does not leave by itself, and plain sockets, at the end of the grace", async () => {
    const { socket: stubborn, frames } = await openRaw("echo", ["tidegate.v1"]);
    stubborn.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    const { socket: relayed } = await openRaw("relay", []);
    const closes = [stubborn, relayed].map(async (socket) => {
      const [code, reason] = (await once(socket, "close")) as [number, Buffer];
      return { code, reason: reason.toString() };
    });
    await operate("POST", { graceMs: 0, reason: "deploy" });
    await operate("POST", { service: "relay", graceMs: 0, reason: "deploy" });
    expect(await Promise.all(closes)).toEqual([
      { code: 1012, reason: "deploy" },
      { code: 1012, reason: "deploy" },
    ]);
    expect(frames[1]).toBe('{"type":"drain","reason":"deploy","graceMs":0}');
    // Nobody confirmed the session: it is over by itself, and its shard with it.
    await expect.poll(statesOf, { timeout: 25_000 }).toEqual(["drained"]);
  });

  it("that is cancelled leaves the devices where they are, and the shard in use", async () => {
    const { socket, frames } = await openRaw("echo", ["tidegate.v1"]);
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    const { token } = JSON.parse(frames[0] ?? "") as { token: string };
    socket.send(JSON.stringify({ type: "rotated", token }));
    const shard = parseResumeToken(token)?.shardId ?? "";
    const before = await shardsInUse();
    await operate("POST", { graceMs: 600_000, shards: [shard] });
    await expect.poll(() => frames[1], { timeout: 10_000 }).toBe('{"type":"drain","reason":"drain","graceMs":600000}');
    expect(await shardsInUse()).not.toContain(shard);
    await operate("DELETE", {});
    await expect.poll(async () => (await operate("GET")).shards, { timeout: 10_000 }).toEqual([]);
    expect(new Set(await shardsInUse())).toEqual(new Set(before));
    socket.send("m1:still here");
    await expect.poll(() => frames.slice(2)).toEqual(["m1:echo still here", "a1"]);
    socket.close(1000);
    await once(socket, "close");
  });

  it.for([
    { name: "a shard that is none", body: { shards: ["echo-999"] }, status: 400 },
    { name: "a reason of two words", body: { reason: "two words" }, status: 400 },
    { name: "too long a grace", body: { graceMs: 3_600_001 }, status: 400 },
    { name: "an unknown key", body: { shard: "echo-1" }, status: 400 },
    { name: "a service that is none", body: { service: "nowhere" }, status: 404 },
  ])("with $name is refused with $status", async ({ body, status }) => {
    expect((await operate("POST", body)).status).toBe(status);
  });

  it("is the operator's", async () => {
    for (const method of ["GET", "POST", "DELETE"]) expect((await fetch(`${gateway.url}/v1/drain`, { method })).status).toBe(401);
    expect((await gateway.fetch("/v1/drain?service=echo")).status).toBe(401);
    const headers = { authorization: `Bearer ${gateway.operatorKey}` };
    expect((await fetch(`${gateway.url}/v1/drain`, { method: "PUT", headers })).status).toBe(405);
  });

  it("is a command, which shows what is left and says how it ended", async () => {
    const [shard = ""] = await shardsInUse();
    await writeFile(join(gateway.state.folder, "operator.key"), `${gateway.operatorKey}\n`);
    const options = ["--url", gateway.url, "--state", gateway.state.folder, "--json"];
    const { exitCode, stdout } = await runCli(["drain", "echo", shard, "--grace", "1s", ...options]);
    expect({ exitCode, ...(JSON.parse(stdout) as object) }).toMatchObject({ exitCode: 0, shards: [{ shardId: shard, state: "drained" }] });
    const refused = await runCli(["drain", "echo", "echo-999", ...options]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("There is no shard echo-999 in use, expected one of");
  });
});

describe("an endpoint that leaves the configuration", () => {
  it("has its devices moved to the one that took its place, which notice nothing", { timeout: 60_000 }, async () => {
    const talking = devices(4, "moved");
    await expect.poll(gateway.slotsInUse).toBe(4);
    await apply(other.url);
    await expect.poll(() => other.handled.size, { timeout: 45_000, interval: 200 }).toBe(4);
    await expectNothingLost(talking, [events, other]);
    expect(await gateway.slotsInUse()).toBe(4);
  });
});
