// A tenant's bandwidth over the running gateway, for messages of sockets and bodies of requests together. Bounds are those of the advertised
// rate, which no machine is too slow for.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it, type ExpectStatic } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const PER_SECOND = 200_000;
const BURST = 195 * 1_024;
/** Clocks of whole milliseconds, at the quota, the pools, the Shard object and here. */
const CLOCK_MS = 10;
const MESSAGE_BYTES = 4 * 1_024;
const MESSAGES = 40;

// The two modes wait beside each other, at a gateway each; a gateway's tests come one after the other.
describe.for(["http", "websocket"] as const)("messages of sockets in %s mode", { concurrent: true }, (mode) => {
  /** The test's own: the imported one knows one test at a time. */
  let expect: ExpectStatic;
  beforeEach((context) => {
    ({ expect } = context);
  });
  let gateway: TestGateway;
  let other: DemoBackend;
  const sockets: WebSocket[] = [];
  const clients: Socket[] = [];
  beforeAll(async () => {
    other = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: 20, delayMs: 0 });
    gateway = await startTestGateway({
      echo: { sockets: { mode }, deadlineMs: 20_000 },
      more: { second: { url: other.url, deadlineMs: 20_000 } },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await other.close();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close(1000);
    for (const client of clients.splice(0)) client.close();
    await gateway.expectNoSlotInUse();
  });

  const token = async (): Promise<string> => gateway.token({ services: ["echo", "second"] });
  const known = async (applied: Awaited<ReturnType<TestGateway["applyQuota"]>>): Promise<void> => {
    if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
    await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
  };
  const message = (name: number): string => `${name} `.padEnd(MESSAGE_BYTES, "x");

  /** A session of the SDK's, which sends them all and has each of them echoed. */
  async function talkInSession(passed: (bytes: number) => void): Promise<void> {
    const client = new TidegateClient({ url: gateway.url, token, platform: { random: () => 0 } });
    const got: string[] = [];
    const done = Promise.withResolvers<void>();
    let next = 0;
    const send = (): void => {
      while (next < MESSAGES && socket.send(message(next))) next += 1;
    };
    const socket: Socket = client.connect("echo", {
      onMessage: (payload) => {
        got.push(String(payload).split(" ")[0] ?? "");
        passed(2 * MESSAGE_BYTES);
        if (got.length === MESSAGES) done.resolve();
      },
      onOnline: (isOnline) => isOnline && send(),
      onRoom: send,
      onEnd: (end) => done.reject(new Error(JSON.stringify(end))),
    });
    clients.push(socket);
    await done.promise;
    expect(got).toEqual(Array.from({ length: MESSAGES }, (_, name) => `${name}`));
  }

  async function talkPlainly(passed: (bytes: number) => void): Promise<void> {
    const headers = { authorization: `Bearer ${await token()}` };
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, [], { headers });
    sockets.push(socket);
    await once(socket, "open");
    const got: string[] = [];
    const done = Promise.withResolvers<void>();
    socket.on("message", (data: Buffer) => {
      got.push(data.toString().split(" ")[0] ?? "");
      passed(2 * MESSAGE_BYTES);
      if (got.length === MESSAGES) done.resolve();
    });
    socket.on("close", (code, reason) => done.reject(new Error(`${code} ${String(reason)}`)));
    for (let name = 0; name < MESSAGES; name += 1) socket.send(message(name));
    await done.promise;
    expect(got).toEqual(Array.from({ length: MESSAGES }, (_, name) => `${name}`));
  }

  async function post(service: string, passed: (bytes: number) => void): Promise<void> {
    const sent = randomBytes(100_000);
    const response = await gateway.fetch(`/s/${service}/x`, { method: "POST", body: sent, token: await token() });
    expect(response.status).toBe(200);
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      // What came back had been sent.
      passed(2 * chunk.byteLength);
    }
    expect(bytes).toBe(sent.length);
  }

  /** At no moment faster than the rate lets; returns what has passed. */
  function held(burst: number): { passed: (bytes: number) => void; bytes: () => number } {
    const startedAtMs = performance.now();
    let sum = 0;
    const passed = (bytes: number): void => {
      sum += bytes;
      expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(((sum - burst) * 1_000) / PER_SECOND - CLOCK_MS);
    };
    return { passed, bytes: () => sum };
  }

  it(
    "share their flow's bandwidth with bodies of requests: together they take what they must",
    { timeout: 60_000, concurrent: false },
    async () => {
      await known(await gateway.applyQuota("acme", "gold", { bandwidthBytesPerSecond: PER_SECOND }));
      const before = sumOf(await gateway.metrics(), "tidegate_body_bytes_total");
      // A message at the most is paid for in advance, at the Shard object.
      const { passed, bytes } = held(BURST + MESSAGE_BYTES);
      await Promise.all([talkInSession(passed), talkPlainly(passed), post("echo", passed)]);
      expect(bytes()).toBe(4 * MESSAGES * MESSAGE_BYTES + 200_000);
      const counted = async (): Promise<number> => sumOf(await gateway.metrics(), "tidegate_body_bytes_total") - before;
      await expect.poll(counted, { timeout: 15_000 }).toBe(bytes());
    },
  );

  it("share their tenant's total with bodies of another service", { timeout: 60_000, concurrent: false }, async () => {
    await known(await gateway.applyTotal("acme", { bandwidthBytesPerSecond: PER_SECOND }));
    const { passed, bytes } = held(2 * BURST + MESSAGE_BYTES);
    await Promise.all([talkInSession(passed), talkPlainly(passed), post("second", passed)]);
    expect(bytes()).toBe(4 * MESSAGES * MESSAGE_BYTES + 200_000);
    await expect
      .poll(async () => sumOf(await gateway.metrics(), "tidegate_tenant_body_bytes_total"), { timeout: 15_000 })
      .toBeGreaterThanOrEqual(bytes());
  });
});
