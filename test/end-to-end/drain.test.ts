// Shards are emptied under traffic: by the operator, one or all, turned back, and by an endpoint that leaves the configuration. What waits for
// graces and sessions' ends has a service of its own and waits beside the others.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import type { Platform } from "#client/platform.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { runCli } from "#test/cli/run-cli.ts";
import { startEventsBackend, type EventsBackend } from "../support/events-backend.ts";
import { documentsOf, startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const SHARDS = { sizeMin: 5, sizeMax: 5, countMin: 1, countMax: 4 };
const CAPACITY = 20;
const SEND_EVERY_MS = 40;
const SERVICES = ["echo", "rolling", "full", "closing", "cancelled", "command", "leaving"] as const;
type Service = (typeof SERVICES)[number] | "relay";

let gateway: TestGateway;
let events: EventsBackend;
let other: EventsBackend;

/** All services with one endpoint, but for the one that leaves it. */
const apply = async (leavingUrl: string): Promise<void> => {
  const of = (service: Service) => ({ url: service === "leaving" ? leavingUrl : events.url, shards: SHARDS });
  const { url, ...echo } = { ...of("echo"), endpoints: [{ url: events.url, capacity: CAPACITY }] };
  const more = Object.fromEntries(SERVICES.filter((service) => service !== "echo").map((service) => [service, of(service)]));
  const relay = { url: gateway.backend.url, sockets: { mode: "websocket" } };
  const applied = await gateway.apply(documentsOf({ url, capacity: CAPACITY, echo, more: { ...more, relay } }));
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
};

beforeAll(async () => {
  const states = new Map();
  [events, other] = await Promise.all([startEventsBackend(states), startEventsBackend(states)]);
  gateway = await startTestGateway({ capacity: CAPACITY });
  await apply(events.url);
});
afterAll(async () => {
  await gateway.expectNoSlotInUse();
  await Promise.all([gateway.stop(), events.close(), other.close()]);
});

interface Device {
  readonly socket: Socket;
  readonly messages: string[];
  readonly happened: unknown[];
  readonly sent: string[];
  /** Sends until it is told to stop; every answer is awaited then. */
  stop(): Promise<void>;
}

async function operate(service: Service, method: "GET" | "POST" | "DELETE", body: object = {}) {
  const response = await fetch(`${gateway.url}/v1/drain${method === "GET" ? `?service=${service}` : ""}`, {
    method,
    headers: { authorization: `Bearer ${gateway.operatorKey}` },
    ...(method === "GET" ? {} : { body: JSON.stringify({ service, ...body }) }),
  });
  const { shards = [] } = (await response.json()) as { shards?: { shardId: string; state: string }[] };
  return { status: response.status, shards };
}

async function openRaw({ onTestFinished }: TestContext, service: Service, protocols: string[]) {
  const token = await gateway.token({ services: [service] });
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, protocols, {
    headers: { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const frames: string[] = [];
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  await once(socket, "open");
  return { socket, frames };
}

/** One service, which no other test has. */
function serviceOf(service: Service, { expect: expectHere, onTestFinished }: TestContext) {
  const talking = (device: string, random: Platform["random"] = Math.random): Device => {
    const [messages, happened, sent]: [string[], unknown[], string[]] = [[], [], []];
    const token = async (): Promise<string> => gateway.token({ device, services: [service] });
    const client = new TidegateClient({ url: gateway.url, token, platform: { random } });
    const socket = client.connect(service, {
      onMessage: (payload) => messages.push(String(payload)),
      onLost: (end) => happened.push(end),
      onEnd: (end) => happened.push(end),
    });
    const timer = setInterval(() => {
      const message = `${device} ${sent.length}`;
      if (socket.send(message)) sent.push(message);
    }, SEND_EVERY_MS);
    onTestFinished(() => {
      clearInterval(timer);
      socket.close();
    });
    const stop = async (): Promise<void> => {
      clearInterval(timer);
      await expectHere.poll(() => messages.length, { timeout: 20_000 }).toBe(sent.length);
    };
    return { socket, messages, happened, sent, stop };
  };
  return {
    talking,
    devices: (count: number, random?: Platform["random"]): Device[] =>
      Array.from({ length: count }, (_, index) => talking(`${service}-${index}`, random)),
    async slotsInUse(): Promise<number> {
      const lines = (await gateway.metrics()).split("\n").filter((line) => line.includes(`service="${service}"`));
      return sumOf(lines.join("\n"), "tidegate_slots_in_use");
    },
    states: async (): Promise<string[]> => [...new Set((await operate(service, "GET")).shards.map(({ state }) => state))],
    async shardsInUse(): Promise<string[]> {
      const active = new RegExp(`^tidegate_shard_size\\{service="${service}",shard="([^"]+)",state="active"\\}`, "gm");
      return [...(await gateway.metrics()).matchAll(active)].map(([, shard = ""]) => shard);
    },
    /** Everything that was sent came back once, in order, and was handled once. */
    async expectNothingLost(all: readonly Device[], handledBy: readonly EventsBackend[]): Promise<void> {
      await Promise.all(all.map(async (device) => device.stop()));
      const handled = handledBy.flatMap((backend) => [...backend.handled.values()].flat());
      for (const { messages, sent, happened } of all) {
        expectHere(messages).toEqual(sent.map((message) => `echo ${message}`));
        expectHere(happened).toEqual([]);
        expectHere(handled.filter((message) => sent.includes(message)).toSorted()).toEqual(sent.toSorted());
      }
    },
  };
}

describe("a drain", { concurrent: true, timeout: 90_000 }, () => {
  it("of every shard, one after the other, is noticed by no device: nothing lost, doubled or out of order", async (context) => {
    const { expect: expectHere } = context;
    const { devices, slotsInUse, shardsInUse, states, expectNothingLost } = serviceOf("rolling", context);
    const talking = devices(6);
    await expectHere.poll(slotsInUse).toBe(6);
    const before = await shardsInUse();
    const draining = await operate("rolling", "POST", { graceMs: 300 });
    expectHere(draining.shards.map(({ shardId }) => shardId)).toEqual(before);
    await expectHere.poll(states, { timeout: 60_000, interval: 200 }).toEqual(["drained"]);
    await expectNothingLost(talking, [events]);
    const after = await shardsInUse();
    expectHere(after).toHaveLength(before.length);
    expectHere(after.filter((shard) => before.includes(shard))).toEqual([]);
    expectHere(await slotsInUse()).toBe(6);
  });

  it("of a service whose every slot is taken takes each slot along: nothing is lost, and nobody who waits gets between", async (context) => {
    const { expect: expectHere } = context;
    const { devices, talking: talk, slotsInUse, shardsInUse, states, expectNothingLost } = serviceOf("full", context);
    const talking = devices(CAPACITY);
    await expectHere.poll(slotsInUse, { timeout: 20_000 }).toBe(CAPACITY);
    const before = await shardsInUse();
    // One more, which keeps asking.
    const waiting = talk("one-more");
    await operate("full", "POST", { graceMs: 500 });
    const slots: number[] = [];
    await expectHere
      .poll(
        async () => {
          slots.push(await slotsInUse());
          return states();
        },
        { timeout: 60_000, interval: 100 },
      )
      .toEqual(["drained"]);
    await expectNothingLost(talking, [events]);
    expectHere(Math.max(...slots)).toBe(CAPACITY);
    expectHere((await shardsInUse()).filter((shard) => before.includes(shard))).toEqual([]);
    expectHere(waiting.messages).toEqual([]);
    for (const { socket } of talking) socket.close();
    await waiting.stop();
    expectHere(waiting.happened).toEqual([]);
  });

  it("closes with 1012 and its word who does not leave by itself, and plain sockets, at the end of the grace", async (context) => {
    const { expect: expectHere } = context;
    const { states } = serviceOf("closing", context);
    const { socket: stubborn, frames } = await openRaw(context, "closing", ["tidegate.v1"]);
    stubborn.send('{"type":"hello","attempt":1,"received":0}');
    await expectHere.poll(() => frames.length).toBe(1);
    const { socket: relayed } = await openRaw(context, "relay", []);
    const closes = [stubborn, relayed].map(async (socket) => {
      const [code, reason] = (await once(socket, "close")) as [number, Buffer];
      return { code, reason: reason.toString() };
    });
    await operate("closing", "POST", { graceMs: 0, reason: "deploy" });
    await operate("relay", "POST", { graceMs: 0, reason: "deploy" });
    expectHere(await Promise.all(closes)).toEqual([
      { code: 1012, reason: "deploy" },
      { code: 1012, reason: "deploy" },
    ]);
    expectHere(frames[1]).toBe('{"type":"drain","reason":"deploy","graceMs":0}');
    // Nobody confirmed the session: it is over by itself, and its shard with it.
    await expectHere.poll(states, { timeout: 40_000 }).toEqual(["drained"]);
  });

  it("that is cancelled leaves the devices where they are, and the shard in use", async (context) => {
    const { expect: expectHere } = context;
    const { shardsInUse } = serviceOf("cancelled", context);
    const { socket, frames } = await openRaw(context, "cancelled", ["tidegate.v1"]);
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expectHere.poll(() => frames.length).toBe(1);
    const { token } = JSON.parse(frames[0] ?? "") as { token: string };
    socket.send(JSON.stringify({ type: "rotated", token }));
    const shard = parseResumeToken(token)?.shardId ?? "";
    const before = await shardsInUse();
    await operate("cancelled", "POST", { graceMs: 600_000, shards: [shard] });
    await expectHere.poll(() => frames[1]).toBe('{"type":"drain","reason":"drain","graceMs":600000}');
    expectHere(await shardsInUse()).not.toContain(shard);
    await operate("cancelled", "DELETE");
    await expectHere.poll(async () => (await operate("cancelled", "GET")).shards).toEqual([]);
    expectHere(new Set(await shardsInUse())).toEqual(new Set(before));
    socket.send("m1:still here");
    await expectHere.poll(() => frames.slice(2)).toEqual(["m1:echo still here", "a1"]);
    socket.close(1000);
    await once(socket, "close");
  });

  it("is a command, which shows what is left and says how it ended", async (context) => {
    const { expect: expectHere } = context;
    await (await gateway.fetch("/s/command/x", { token: await gateway.token({ services: ["command"] }) })).arrayBuffer();
    const [shard = ""] = await serviceOf("command", context).shardsInUse();
    await writeFile(join(gateway.state.folder, "operator.key"), `${gateway.operatorKey}\n`);
    const options = ["--url", gateway.url, "--state", gateway.state.folder, "--json"];
    const { exitCode, stdout } = await runCli(["drain", "command", shard, "--grace", "1s", ...options]);
    const told = { exitCode, ...(JSON.parse(stdout) as object) };
    expectHere(told).toMatchObject({ exitCode: 0, shards: [{ shardId: shard, state: "drained" }] });
    const refused = await runCli(["drain", "command", "command-999", ...options]);
    expectHere(refused.exitCode).toBe(1);
    expectHere(refused.stderr).toContain("There is no shard command-999 in use, expected one of");
  });
});

describe("an endpoint that leaves the configuration", { concurrent: true, timeout: 90_000 }, () => {
  it("has its devices moved to the one that took its place, which notice nothing", async (context) => {
    const { expect: expectHere } = context;
    const { devices, slotsInUse, expectNothingLost } = serviceOf("leaving", context);
    // Told a grace of half a minute, each goes within its first tenth.
    const talking = devices(4, () => Math.random() / 10);
    await expectHere.poll(slotsInUse).toBe(4);
    await apply(other.url);
    await expectHere.poll(() => other.handled.size, { timeout: 60_000, interval: 200 }).toBe(4);
    await expectNothingLost(talking, [events, other]);
    expectHere(await slotsInUse()).toBe(4);
  });
});

describe("a call to drain", () => {
  it.for([
    { name: "a shard that is none", body: { shards: ["echo-999"] }, status: 400 },
    { name: "a reason of two words", body: { reason: "two words" }, status: 400 },
    { name: "too long a grace", body: { graceMs: 3_600_001 }, status: 400 },
    { name: "an unknown key", body: { shard: "echo-1" }, status: 400 },
    { name: "a service that is none", body: { service: "nowhere" }, status: 404 },
  ])("with $name is refused with $status", async ({ body, status }) => {
    expect((await operate("echo", "POST", body)).status).toBe(status);
  });

  it("is the operator's", async () => {
    for (const method of ["GET", "POST", "DELETE"]) expect((await fetch(`${gateway.url}/v1/drain`, { method })).status).toBe(401);
    expect((await gateway.fetch("/v1/drain?service=echo")).status).toBe(401);
    const headers = { authorization: `Bearer ${gateway.operatorKey}` };
    expect((await fetch(`${gateway.url}/v1/drain`, { method: "PUT", headers })).status).toBe(405);
  });
});
