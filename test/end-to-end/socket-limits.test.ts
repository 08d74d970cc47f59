// What a socket may do: each limit is reached, by a plain socket and by a session, and said with its code and its word.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import { documentsOf, startTestGateway, type TestGateway } from "../support/gateway.ts";

const SERVICES = {
  rated: { messagesPerSecond: 10, messageBurst: 20, messageBytesMax: 1_000, classes: { bronze: { messageBytesMax: 10 } } },
  idle: { idleMsMax: 1_000 },
  aging: { lifetimeMsMax: 2_000 },
  counted: { perDeviceMax: 8 },
  shared: { perTenantMax: 3 },
  unbound: { closeOnTokenExpiry: false },
  echo: {},
} as const;
type Service = keyof typeof SERVICES;
const SESSION = ["tidegate.v1"];

let gateway: TestGateway;
const sockets: WebSocket[] = [];
const clients: Socket[] = [];

beforeAll(async () => {
  gateway = await startTestGateway({ capacity: 500 });
  const { url } = gateway.backend;
  const more = Object.fromEntries(Object.keys(SERVICES).map((service) => [service, url]));
  const documents = documentsOf({ url, capacity: 500, echo: {}, more }).map(({ file, document }) => {
    const service = /^services\/(.*)\.yaml$/.exec(file)?.[1] as Service | undefined;
    return {
      file,
      document: service === undefined ? document : { ...(document as object), sockets: { mode: "websocket", ...SERVICES[service] } },
    };
  });
  const unique = documents.filter(({ file }, index) => documents.findIndex((other) => other.file === file) === index);
  const applied = await gateway.apply(unique);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
});
afterAll(async () => gateway.stop());
afterEach(async () => {
  // A session that is cut off would be waited for.
  for (const socket of sockets.splice(0)) socket.close(1000);
  for (const client of clients.splice(0)) client.close();
  await expect.poll(gateway.slotsInUse, { timeout: 20_000, interval: 50 }).toBe(0);
});

const token = async (claims: Parameters<TestGateway["token"]>[0] = {}) => gateway.token({ services: Object.keys(SERVICES), ...claims });

interface Opened {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** As the protocol numbers it, or as it is. */
  send(text: string): void;
}

async function open(
  service: Service,
  protocols: string[],
  { isConfirmed = true, ...claims }: Parameters<TestGateway["token"]>[0] & { isConfirmed?: boolean } = {},
): Promise<Opened> {
  const headers = { authorization: `Bearer ${await token(claims)}` };
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, protocols, { headers });
  socket.on("error", () => undefined);
  sockets.push(socket);
  const frames: string[] = [];
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  const closed = once(socket, "close").then(([code, reason]: unknown[]) => ({ code: code as number, reason: String(reason) }));
  await once(socket, "open");
  let count = 0;
  if (protocols.length > 0) {
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    const { token: resume } = JSON.parse(frames.splice(0)[0] ?? "") as { token: string };
    // A session whose device has not is over within 15 seconds.
    if (isConfirmed) socket.send(JSON.stringify({ type: "rotated", token: resume }));
  }
  return { socket, frames, closed, send: (text) => socket.send(protocols.length > 0 ? `m${++count}:${text}` : text) };
}

/** What a session is told before it is closed. */
const endOf = (frames: readonly string[]): unknown => {
  const last = frames.findLast((frame) => frame.startsWith("{"));
  return last === undefined ? null : JSON.parse(last);
};

it("the SDK keeps to its class's rate, through a lost connection too, and nothing it sends is lost", { timeout: 60_000 }, async () => {
  const messages: string[] = [];
  const ends: unknown[] = [];
  const client = new TidegateClient({ url: gateway.url, token: async () => token(), platform: { random: () => 0 } });
  const total = 20 + 60;
  let next = 0;
  let refusals = 0;
  const send = (): void => {
    while (next < total && socket.send(`${next}`)) next += 1;
    if (next < total) refusals += 1;
  };
  let beganAtMs = 0;
  const socket: Socket = client.connect("rated", {
    onMessage: (payload) => messages.push(String(payload)),
    onOnline: (isOnline) => {
      if (!isOnline) return;
      beganAtMs ||= Date.now();
      send();
    },
    onRoom: send,
    onEnd: (end) => ends.push(end),
  });
  clients.push(socket);
  await expect.poll(() => next, { timeout: 50_000 }).toBe(total);
  // At 10 a second after the burst of 20: never faster than that.
  expect(Date.now() - beganAtMs).toBeGreaterThan((1_000 * (total - 20 - 1)) / 10);
  await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(total);
  expect(messages).toEqual(Array.from({ length: total }, (_, index) => `${index}`));
  expect([ends, refusals > 0]).toEqual([[], true]);
});

const KINDS = [
  { kind: "a plain socket", protocols: [] as string[] },
  { kind: "a session", protocols: SESSION },
] as const;

describe.for(KINDS)("$kind", ({ protocols }) => {
  const isSession = protocols.length > 0;

  it("that floods is closed with 1008 and message-rate", async () => {
    const { socket, frames, closed, send } = await open("rated", [...protocols]);
    // A session may have its window on the way, beyond its burst; what is acknowledged is not. It takes what it is answered.
    const count = isSession ? 200 : 60;
    for (let index = 0; index < count; index += 1) send(`${index}`);
    if (isSession) {
      await expect.poll(() => frames.filter((frame) => frame.startsWith("m")).length, { timeout: 10_000 }).toBe(count);
      socket.send(`a${count}`);
      for (let index = 0; index < count; index += 1) send(`${index}`);
    }
    expect(await closed).toEqual({ code: 1008, reason: "message-rate" });
    if (isSession) expect(endOf(frames)).toMatchObject({ type: "end", why: "policy", code: 1008, reason: "message-rate" });
    // What came before that was served; of the rest nothing reached the endpoint.
    expect(frames.filter((frame) => !frame.startsWith("{") && !frame.startsWith("a")).length).toBeLessThan(isSession ? 300 : 40);
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });

  it("that keeps to its rate goes on", async () => {
    const { frames, send } = await open("rated", [...protocols]);
    for (let index = 0; index < 20; index += 1) send(`${index}`);
    await expect.poll(() => frames.filter((frame) => !frame.startsWith("a")).length).toBe(20);
  });

  it.for([
    { name: "its class's limit", claims: { className: "bronze" }, bytes: 11, fits: 10 },
    { name: "its service's limit", claims: {}, bytes: 1_001, fits: 1_000 },
  ])("that sends more than $name is closed with 1009 and message-size", async ({ claims, bytes, fits }) => {
    const { frames, closed, send } = await open("rated", [...protocols], claims);
    send("x".repeat(fits));
    await expect.poll(() => frames.filter((frame) => !frame.startsWith("a")).length).toBe(1);
    send("x".repeat(bytes));
    expect(await closed).toEqual({ code: 1009, reason: "message-size" });
    if (isSession) expect(endOf(frames)).toMatchObject({ why: "policy", code: 1009, received: 1 });
  });

  it.for([2, 31, 33])("that sends %i MiB is closed with 1009, and its slot is back", { timeout: 40_000 }, async (mebibytes) => {
    const { socket, closed, send } = await open("echo", [...protocols]);
    send("x".repeat(mebibytes * 1_048_576));
    // The runtime's own limit is 32 MiB: it leaves the end of the connection to the device.
    await expect.poll(() => socket.readyState, { timeout: 10_000 }).toBeGreaterThan(WebSocket.OPEN);
    await gateway.expectNoSlotInUse();
    socket.terminate();
    expect((await closed).code).toBe(1009);
  });

  it("that says nothing is closed with 1001 and idle, and one that does is not", { timeout: 20_000 }, async () => {
    const [quiet, busy] = [await open("idle", [...protocols]), await open("idle", [...protocols])];
    const timer = setInterval(() => busy.send("x"), 200);
    expect(await quiet.closed).toEqual({ code: 1001, reason: "idle" });
    if (isSession) expect(endOf(quiet.frames)).toMatchObject({ why: "policy", code: 1001, reason: "idle" });
    expect(busy.socket.readyState).toBe(WebSocket.OPEN);
    clearInterval(timer);
    expect(await busy.closed).toEqual({ code: 1001, reason: "idle" });
  });

  it("whose connection is too old is closed with 1001 and lifetime", async () => {
    const { frames, closed } = await open("aging", [...protocols], { isConfirmed: false });
    expect(await closed).toEqual({ code: 1001, reason: "lifetime" });
    if (isSession) expect(JSON.parse(frames[0] ?? "")).toMatchObject({ type: "drain", reason: "lifetime" });
  });

  it("whose token expires is closed with 1008 and token-expired, where the service says so", { timeout: 20_000 }, async () => {
    const unbound = await open("unbound", [...protocols], { lifetimeMs: 1_000 });
    const { frames, closed } = await open("echo", [...protocols], { lifetimeMs: 1_000, isConfirmed: false });
    expect(await closed).toEqual({ code: 1008, reason: "token-expired" });
    if (isSession) expect(JSON.parse(frames[0] ?? "")).toMatchObject({ type: "drain", reason: "token-expired" });
    expect(unbound.socket.readyState).toBe(WebSocket.OPEN);
    unbound.socket.close(1000);
    await unbound.closed;
  });
});

describe("a device with the SDK", () => {
  it.for([
    { name: "whose token expires asks for a new one", service: "echo", lifetimeMs: 2_000 },
    { name: "whose connections are too old opens new ones", service: "aging", lifetimeMs: 600_000 },
  ] as const)("$name and sees every answer, once and in order", { timeout: 30_000 }, async ({ service, lifetimeMs }) => {
    const asked: boolean[] = [];
    const messages: string[] = [];
    const happened: unknown[] = [];
    let connections = 0;
    const client = new TidegateClient({
      url: gateway.url,
      token: async (isRefused) => {
        asked.push(isRefused);
        return token({ lifetimeMs: asked.length === 1 ? lifetimeMs : 600_000 });
      },
    });
    const socket = client.connect(service, {
      onMessage: (payload) => messages.push(String(payload)),
      onOnline: (isOnline) => (connections += Number(isOnline)),
      onLost: (end) => happened.push(end),
      onEnd: (end) => happened.push(end),
    });
    clients.push(socket);
    const sent: string[] = [];
    const timer = setInterval(() => {
      if (socket.send(`${sent.length}`)) sent.push(`${sent.length}`);
    }, 20);
    await expect.poll(() => connections, { timeout: 20_000 }).toBe(service === "echo" ? 2 : 3);
    clearInterval(timer);
    await expect.poll(() => messages.length).toBe(sent.length);
    expect({ messages, happened }).toEqual({ messages: sent, happened: [] });
    expect(asked).toEqual(service === "echo" ? [false, true] : [false]);
  });
});

describe("a device that opens a thousand sockets", () => {
  const refusedOr = async (socket: WebSocket): Promise<string> => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    const opened = once(socket, "open").then(() => "open");
    const refused = once(socket, "unexpected-response").then(async ([, response]: unknown[]) => {
      let text = "";
      for await (const chunk of response as IncomingMessage) text += String(chunk);
      const { status, type, detail, "violated-policies": policies } = JSON.parse(text) as Record<string, unknown>;
      return JSON.stringify({ status, type, detail, policies });
    });
    return Promise.race([opened, refused]);
  };

  it("gets as many as it may, the rest is refused precisely, and slots come back", { timeout: 60_000 }, async () => {
    const bearer = await token();
    const connect = () =>
      new WebSocket(`${gateway.url.replace("http", "ws")}/connect/counted`, { headers: { authorization: `Bearer ${bearer}` } });
    const answers: string[] = [];
    for (let batch = 0; batch < 10; batch += 1)
      answers.push(...(await Promise.all(Array.from({ length: 100 }, async () => refusedOr(connect())))));
    expect(answers.filter((answer) => answer === "open")).toHaveLength(8);
    const refusals = new Set(answers.filter((answer) => answer !== "open"));
    expect([...refusals].map((text) => JSON.parse(text) as unknown)).toEqual([
      {
        status: 429,
        type: "/problems/rejected-quota",
        detail: "Your device has 8 sockets at this service, expected at most 8.",
        policies: ["gold-sockets"],
      },
    ]);
    expect(await gateway.slotsInUse()).toBe(8);
    for (const socket of sockets.splice(0)) socket.terminate();
    await gateway.expectNoSlotInUse();
    expect(await refusedOr(connect())).toBe("open");
  });

  it("shares its tenant's limit with the tenant's other devices, and with no other class", async () => {
    const connect = async (device: string, className = "gold") => {
      const headers = { authorization: `Bearer ${await token({ device, className })}` };
      return refusedOr(new WebSocket(`${gateway.url.replace("http", "ws")}/connect/shared`, { headers }));
    };
    expect([await connect("a"), await connect("b"), await connect("c")]).toEqual(["open", "open", "open"]);
    expect(JSON.parse(await connect("d"))).toMatchObject({ status: 429, policies: ["gold-sockets"] });
    expect(await connect("d", "silver")).toBe("open");
  });
});
