// One shard has the sockets that two regions' pools admitted, and is drained, or replaced, under them: each goes on elsewhere, and nothing is
// lost, handled twice or out of order; what is out at home afterwards is what is open, and no region has any of it.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import { REGION_HEADER } from "#shared/placement.ts";
import { startEventsBackend, type EventsBackend } from "../support/events-backend.ts";
import { documentsOf, startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const CAPACITY = 8;
const HOME = "weur";
const AFAR = ["enam", "apac"];
const PATIENT = { timeout: 40_000, interval: 100 };

let gateway: TestGateway;
let events: EventsBackend;
let other: EventsBackend;
const sockets: Socket[] = [];

const metric = async (name: string): Promise<number> => sumOf(await gateway.metrics(), name);

async function apply(url: string): Promise<void> {
  const shards = { sizeMin: CAPACITY, sizeMax: CAPACITY, countMin: 1, countMax: 1 };
  const echo = { endpoints: [{ url, capacity: CAPACITY }], regions: [HOME, ...AFAR], requestDurationMsMax: 2_000, shards };
  const applied = await gateway.apply(documentsOf({ url, capacity: CAPACITY, echo, more: {} }));
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
}

beforeAll(async () => {
  const states = new Map();
  [events, other] = await Promise.all([startEventsBackend(states), startEventsBackend(states)]);
  gateway = await startTestGateway({ capacity: CAPACITY });
  await apply(events.url);
});
afterAll(async () => Promise.all([gateway.stop(), events.close(), other.close()]));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  // Neither a socket's, nor a lease of a region: none stays out anywhere.
  await expect.poll(() => metric("tidegate_slots_out"), PATIENT).toBe(0);
  expect(await metric("tidegate_slots_overshot_total")).toBe(0);
});

interface Device {
  readonly messages: string[];
  readonly sent: string[];
  readonly happened: unknown[];
  /** Sends until then; every answer is awaited. */
  stop(): Promise<void>;
}

function talkingDevice(device: string, region: string): Device {
  const [messages, sent, happened]: [string[], string[], unknown[]] = [[], [], []];
  const openSocket = (url: string, protocols: string[]): WebSocket => {
    const socket = new WebSocket(url, protocols, { headers: { [REGION_HEADER]: region } });
    // Its close says as much.
    socket.on("error", () => undefined);
    return socket;
  };
  const client = new TidegateClient({
    url: gateway.url,
    token: async () => gateway.token({ device }),
    platform: { openSocket },
  });
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
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await expect.poll(() => messages.length, PATIENT).toBe(sent.length);
  };
  return { messages, sent, happened, stop };
}

/** As many in each of two regions, admitted by their pools. */
async function talkAfar(name: string, perRegion: number): Promise<readonly Device[]> {
  const indices = Array.from({ length: perRegion }, (_, index) => index);
  const devices = AFAR.flatMap((region) => indices.map((index) => talkingDevice(`${name}-${region}-${index}`, region)));
  await expect.poll(gateway.slotsInUse, PATIENT).toBe(devices.length);
  await expect.poll(() => devices.every(({ messages }) => messages.length > 0), PATIENT).toBe(true);
  expect(await metric("tidegate_lease_holders")).toBeGreaterThanOrEqual(AFAR.length);
  return devices;
}

async function expectNothingLost(devices: readonly Device[], handledBy: readonly EventsBackend[]): Promise<void> {
  await Promise.all(devices.map(async (device) => device.stop()));
  const handled = handledBy.flatMap((backend) => [...backend.handled.values()].flat());
  for (const { messages, sent, happened } of devices) {
    expect(messages).toEqual(sent.map((message) => `echo ${message}`));
    expect(happened).toEqual([]);
    expect(handled.filter((message) => sent.includes(message)).toSorted()).toEqual(sent.toSorted());
  }
}

async function shardsInUse(): Promise<string[]> {
  const metrics = await gateway.metrics();
  return [...metrics.matchAll(/^tidegate_shard_size\{service="echo",shard="([^"]+)",state="active"\}/gm)].map(([, shard = ""]) => shard);
}

async function drain(method: "GET" | "POST"): Promise<readonly string[]> {
  const response = await fetch(`${gateway.url}/v1/drain${method === "GET" ? "?service=echo" : ""}`, {
    method,
    headers: { authorization: `Bearer ${gateway.operatorKey}` },
    ...(method === "POST" && { body: JSON.stringify({ service: "echo", graceMs: 300 }) }),
  });
  const { shards } = (await response.json()) as { shards: readonly { readonly state: string }[] };
  return [...new Set(shards.map(({ state }) => state))];
}

describe("one shard with sockets of two regions' pools", () => {
  it.for([
    { name: "some", perRegion: 2 },
    { name: "all of its slots", perRegion: CAPACITY / 2 },
  ])("is drained with $name taken: each session moves, and takes its slot along", { timeout: 120_000 }, async ({ name, perRegion }) => {
    const devices = await talkAfar(name.replaceAll(" ", "-"), perRegion);
    const before = await shardsInUse();
    expect(before).toHaveLength(1);
    await drain("POST");
    const slotsOut: number[] = [];
    await expect
      .poll(async () => {
        slotsOut.push(await metric("tidegate_slots_out"));
        return drain("GET");
      }, PATIENT)
      .toEqual(["drained"]);
    await expectNothingLost(devices, [events]);
    expect(Math.max(...slotsOut)).toBeLessThanOrEqual(CAPACITY);
    const after = await shardsInUse();
    expect([after.length, after.includes(before[0] ?? "")]).toEqual([1, false]);
    // Their regions want nothing any more: what is out is home's, and open.
    await expect.poll(() => metric("tidegate_slots_out"), PATIENT).toBe(devices.length);
    expect(await gateway.slotsInUse()).toBe(devices.length);
  });

  it("is replaced with its endpoint: each session goes on at the other one", { timeout: 120_000 }, async () => {
    const devices = await talkAfar("replaced", 2);
    await apply(other.url);
    await expect.poll(() => other.handled.size, PATIENT).toBe(devices.length);
    await expectNothingLost(devices, [events, other]);
    await expect.poll(() => metric("tidegate_slots_out"), PATIENT).toBe(devices.length);
    expect(await gateway.slotsInUse()).toBe(devices.length);
  });
});
