// What a socket may do: each limit is reached, by a plain socket and by a session, and said with its code and its word. What ends one in time
// is in socket-lifetimes.test.ts.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import type { TestGateway } from "../support/gateway.ts";
import { endOf, KINDS, RATE, startLimitedSockets, type LimitedSockets } from "../support/limited-sockets.ts";

let limited: LimitedSockets;
let gateway: TestGateway;

beforeAll(async () => {
  limited = await startLimitedSockets();
  ({ gateway } = limited);
});
afterAll(async () => gateway.stop());
afterEach(async () => {
  limited.closeAll();
  await gateway.expectNoSlotInUse();
});

it("a session is not held to what comes late on a connection that its device has replaced", async () => {
  const older = await limited.open("rated", ["tidegate.v1"]);
  // Half-open: the gateway's close does not arrive there, what its device has said still comes.
  const { ["_socket"]: tcp } = older.socket as unknown as { readonly ["_socket"]: Socket };
  tcp.pause();
  const headers = { authorization: `Bearer ${await limited.token()}` };
  const protocols = ["tidegate.v1", `tidegate.resume.${older.resumeToken}`];
  const socket = limited.keep(new WebSocket(`${gateway.url.replace("http", "ws")}/connect/rated`, protocols, { headers }));
  const frames: string[] = [];
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  await once(socket, "open");
  socket.send('{"type":"hello","attempt":2,"received":0}');
  await expect.poll(() => frames).toHaveLength(1);
  // Its window, which the newer connection sends again, and more than the rate allows with it.
  for (let index = 0; index < 300; index += 1) older.send(`${index}`);
  for (let index = 1; index <= RATE.burst; index += 1) {
    socket.send(`m${index}:${index}`);
    await expect.poll(() => frames).toContain(`m${index}:${index}`);
  }
  tcp.resume();
  expect(await older.closed).toEqual({ code: 1008, reason: "superseded" });
  expect(socket.readyState).toBe(WebSocket.OPEN);
});

describe.for(KINDS)("$kind", ({ protocols }) => {
  const isSession = protocols.length > 0;

  it("that floods is closed with 1008 and message-rate", async () => {
    const { socket, frames, closed, send } = await limited.open("rated", protocols);
    // A session may have its window on the way, beyond its burst; what is acknowledged is not. It takes what it is answered.
    const count = isSession ? 200 : 60;
    const startedAtMs = performance.now();
    for (let index = 0; index < count; index += 1) send(`${index}`);
    if (isSession) {
      await expect.poll(() => frames.filter((frame) => frame.startsWith("m")).length).toBe(count);
      socket.send(`a${count}`);
      for (let index = 0; index < count; index += 1) send(`${index}`);
    }
    expect(await closed).toEqual({ code: 1008, reason: "message-rate" });
    if (isSession) expect(endOf(frames)).toMatchObject({ type: "end", why: "policy", code: 1008, reason: "message-rate" });
    // What came before that was served, and what time has earned; of the rest nothing reached the endpoint.
    const served = frames.filter((frame) => !frame.startsWith("{") && !frame.startsWith("a")).length;
    const earned = (RATE.perSecond * (performance.now() - startedAtMs)) / 1_000;
    expect(served).toBeLessThanOrEqual((isSession ? 300 : RATE.burst) + Math.ceil(earned));
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });

  it("that keeps to its rate goes on", async () => {
    const { frames, send } = await limited.open("rated", protocols);
    for (let index = 0; index < RATE.burst; index += 1) send(`${index}`);
    await expect.poll(() => frames.filter((frame) => !frame.startsWith("a")).length).toBe(RATE.burst);
  });

  it.for([
    { name: "its class's limit", claims: { className: "bronze" }, bytes: 11, fits: 10 },
    { name: "its service's limit", claims: {}, bytes: 1_001, fits: 1_000 },
  ])("that sends more than $name is closed with 1009 and message-size", async ({ claims, bytes, fits }) => {
    const { frames, closed, send } = await limited.open("rated", protocols, claims);
    send("x".repeat(fits));
    await expect.poll(() => frames.filter((frame) => !frame.startsWith("a")).length).toBe(1);
    send("x".repeat(bytes));
    expect(await closed).toEqual({ code: 1009, reason: "message-size" });
    if (isSession) expect(endOf(frames)).toMatchObject({ why: "policy", code: 1009, received: 1 });
  });

  it.for([2, 31, 33])("that sends %i MiB is closed with 1009, and its slot is back", { timeout: 60_000 }, async (mebibytes) => {
    const { socket, closed, send } = await limited.open("echo", protocols);
    send("x".repeat(mebibytes * 1_048_576));
    // The runtime's own limit is 32 MiB: it leaves the end of the connection to the device.
    await expect.poll(() => socket.readyState, { timeout: 30_000 }).toBeGreaterThan(WebSocket.OPEN);
    await gateway.expectNoSlotInUse();
    socket.terminate();
    expect((await closed).code).toBe(1009);
  });
});

describe("a device that opens a thousand sockets", () => {
  const refusedOr = async (socket: WebSocket): Promise<string> => {
    limited.keep(socket);
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
    const bearer = await limited.token();
    const all: WebSocket[] = [];
    const connect = (): WebSocket => {
      const headers = { authorization: `Bearer ${bearer}` };
      const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/counted`, { headers });
      all.push(socket);
      return socket;
    };
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
    for (const socket of all) socket.terminate();
    await gateway.expectNoSlotInUse();
    expect(await refusedOr(connect())).toBe("open");
  });

  it("shares its tenant's limit with the tenant's other devices, and with no other class", async () => {
    const connect = async (device: string, className = "gold") => {
      const headers = { authorization: `Bearer ${await limited.token({ device, className })}` };
      return refusedOr(new WebSocket(`${gateway.url.replace("http", "ws")}/connect/shared`, { headers }));
    };
    expect([await connect("a"), await connect("b"), await connect("c")]).toEqual(["open", "open", "open"]);
    expect(JSON.parse(await connect("d"))).toMatchObject({ status: 429, policies: ["gold-sockets"] });
    expect(await connect("d", "silver")).toBe("open");
  });
});
