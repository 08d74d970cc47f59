// What ends a socket in time, by a plain socket and by a session: silence, age, its token; and what the SDK makes of that. The tests wait
// for timers of the gateway, each for another one, so they wait together; none of them is the faster or the slower for its machine.
import { afterAll, beforeAll, describe, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import { endOf, IDLE_MS_MAX, KINDS, RATE, startLimitedSockets, type LimitedSockets } from "../support/limited-sockets.ts";

/** The gateway's clock has whole milliseconds, and so has the timer. */
const CLOCK_MS = 10;
/** Longer than a machine with other work takes to open a socket. */
const TOKEN_MS = 5_000;

let limited: LimitedSockets;
const clients: Socket[] = [];

beforeAll(async () => {
  limited = await startLimitedSockets();
});
afterAll(async () => {
  for (const client of clients) client.close();
  limited.closeAll();
  await limited.gateway.expectNoSlotInUse();
  await limited.gateway.stop();
});

describe.for(KINDS)("$kind", { concurrent: true, timeout: 60_000 }, ({ protocols }) => {
  const isSession = protocols.length > 0;

  it("that says nothing is closed with 1001 and idle, and one that does is not before it has been silent as long", async ({ expect }) => {
    const [quiet, busy] = [await limited.open("idle", protocols), await limited.open("idle", protocols)];
    const sentAtMs: number[] = [];
    const timer = setInterval(() => {
      sentAtMs.push(performance.now());
      busy.send("x");
    }, 100);
    expect(await quiet.closed).toEqual({ code: 1001, reason: "idle" });
    if (isSession) expect(endOf(quiet.frames)).toMatchObject({ why: "policy", code: 1001, reason: "idle" });
    clearInterval(timer);
    expect(await busy.closed).toEqual({ code: 1001, reason: "idle" });
    const answers = busy.frames.filter((frame) => frame.startsWith("m") || frame === "x").length;
    expect(answers).toBeGreaterThan(0);
    // What was answered had come before its silence began: a machine that stalls may end it, but never sooner.
    expect(performance.now() - (sentAtMs[answers - 1] ?? Infinity)).toBeGreaterThan(IDLE_MS_MAX - CLOCK_MS);
  });

  it("whose connection is too old is closed with 1001 and lifetime", async ({ expect }) => {
    const { frames, closed } = await limited.open("aging", protocols, { isConfirmed: false });
    expect(await closed).toEqual({ code: 1001, reason: "lifetime" });
    if (isSession) expect(JSON.parse(frames[0] ?? "")).toMatchObject({ type: "drain", reason: "lifetime" });
  });

  it("whose token expires is closed with 1008 and token-expired, where the service says so", async ({ expect }) => {
    const unbound = await limited.open("unbound", protocols, { lifetimeMs: TOKEN_MS });
    const { frames, closed } = await limited.open("echo", protocols, { lifetimeMs: TOKEN_MS, isConfirmed: false });
    expect(await closed).toEqual({ code: 1008, reason: "token-expired" });
    if (isSession) expect(JSON.parse(frames[0] ?? "")).toMatchObject({ type: "drain", reason: "token-expired" });
    expect(unbound.socket.readyState).toBe(WebSocket.OPEN);
    unbound.socket.close(1000);
    await unbound.closed;
  });
});

describe("a device with the SDK", { concurrent: true, timeout: 60_000 }, () => {
  it("keeps to its class's rate, through a lost connection too, and nothing it sends is lost", async ({ expect }) => {
    const messages: string[] = [];
    const ends: unknown[] = [];
    const { url } = limited.gateway;
    const client = new TidegateClient({ url, token: async () => limited.token(), platform: { random: () => 0 } });
    const total = RATE.burst + 60;
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
    // After the burst never faster than the rate.
    expect(Date.now() - beganAtMs).toBeGreaterThan((1_000 * (total - RATE.burst - 1)) / RATE.perSecond);
    await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(total);
    expect(messages).toEqual(Array.from({ length: total }, (_, index) => `${index}`));
    expect([ends, refusals > 0]).toEqual([[], true]);
  });

  it.for([
    { name: "whose token expires asks for a new one", service: "echo", lifetimeMs: TOKEN_MS },
    { name: "whose connections are too old opens new ones", service: "aging", lifetimeMs: 600_000 },
  ] as const)("$name and sees every answer, once and in order", async ({ service, lifetimeMs }, { expect }) => {
    const asked: boolean[] = [];
    const messages: string[] = [];
    const happened: unknown[] = [];
    let connections = 0;
    const client = new TidegateClient({
      url: limited.gateway.url,
      token: async (isRefused) => {
        asked.push(isRefused);
        return limited.token({ lifetimeMs: asked.length === 1 ? lifetimeMs : 600_000 });
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
    await expect.poll(() => connections, { timeout: 40_000 }).toBe(service === "echo" ? 2 : 3);
    clearInterval(timer);
    await expect.poll(() => messages.length).toBe(sent.length);
    expect({ messages, happened }).toEqual({ messages: sent, happened: [] });
    expect(asked).toEqual(service === "echo" ? [false, true] : [false]);
  });
});
