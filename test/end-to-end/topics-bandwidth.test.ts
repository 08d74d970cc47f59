// Pushes to a topic under a bandwidth, while the sessions on it move from one Shard object to another with what waits: each has each push once, in order.
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it, type ExpectStatic } from "vitest";
import WebSocket from "ws";
import { TidegateClient, type Socket } from "#client/index.ts";
import type { PushAnswer } from "#shared/protocol/shard-rpc.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { startShakyProxy, type ShakyProxy } from "../support/shaky-proxy.ts";

const PER_SECOND = 4_000;
const BURST = 32 * 1_024;
const MESSAGE_BYTES = 1_024;
/** Far more than may go while they are pushed. */
const SESSIONS = 8;
const PLAIN = 3;
const PUSHES = 40;
/** Clocks of whole milliseconds, at the pool, the Shard objects and here. */
const CLOCK_MS = 10;

// The two modes wait beside each other, at a gateway each; a gateway's tests come one after the other.
describe.for(["http", "websocket"] as const)(
  "under a bandwidth, with sockets in %s mode, a push to a topic",
  { concurrent: true },
  (mode) => {
    /** The test's own: the imported one knows one test at a time. */
    let expect: ExpectStatic;
    beforeEach((context) => {
      ({ expect } = context);
    });
    let gateway: TestGateway;
    let proxy: ShakyProxy;
    const sockets: Socket[] = [];
    const plain: WebSocket[] = [];
    beforeAll(async () => {
      const shards = { sizeMin: 1, sizeMax: 4, countMin: 1, countMax: 10 };
      gateway = await startTestGateway({ capacity: 24, echo: { sockets: { mode }, shards, deadlineMs: 10_000 } });
      proxy = await startShakyProxy(gateway.port);
    });
    afterAll(async () => {
      await Promise.all([gateway.stop(), proxy.close()]);
    });
    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.close();
      for (const socket of plain.splice(0)) socket.close(1000);
      await gateway.expectNoSlotInUse();
    });

    const limit = async (quota: Readonly<Record<string, unknown>>): Promise<void> => {
      const applied = await gateway.applyQuota("acme", "gold", quota);
      if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
      await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
    };
    const post = async (path: string, body: unknown): Promise<Response> =>
      gateway.fetch(path, { method: "POST", body: JSON.stringify(body), token: await gateway.token({ role: "service" }) });
    const nameOf = (text: string): number => Number.parseInt(text, 10);

    async function openSession(device: string): Promise<{ heard: number[]; ends: unknown[] }> {
      const [heard, ends]: [number[], unknown[]] = [[], []];
      const online = Promise.withResolvers<void>();
      const client = new TidegateClient({ url: proxy.url, token: async () => gateway.token({ device }), platform: { random: () => 0 } });
      const socket = client.connect("echo", {
        onMessage: (payload) => heard.push(nameOf(String(payload))),
        onOnline: () => online.resolve(),
        onLost: (end) => ends.push(end),
        onEnd: (end) => ends.push(end),
      });
      sockets.push(socket);
      await online.promise;
      return { heard, ends };
    }
    async function openPlain(device: string): Promise<{ heard: number[]; closes: number[] }> {
      const headers = { authorization: `Bearer ${await gateway.token({ device })}` };
      const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, { headers });
      const [heard, closes]: [number[], number[]] = [[], []];
      socket.on("message", (data: Buffer) => heard.push(nameOf(data.toString())));
      socket.on("close", (code) => closes.push(code));
      plain.push(socket);
      await once(socket, "open");
      return { heard, closes };
    }
    /** One socket of each of them is on the topic. */
    async function subscribe(devices: readonly string[]): Promise<void> {
      for (const device of devices)
        await expect
          .poll(async () => (await post("/v1/topics", { service: "echo", device, subscribe: ["news"] })).json())
          .toMatchObject({ sockets: 1 });
    }
    /** Repeated until nobody is without it. */
    async function push(name: number): Promise<{ taken: number; sent: number }> {
      const all = { taken: 0, sent: 0 };
      const body = { service: "echo", topic: "news", id: `${mode}-${name}`, text: `${name} `.padEnd(MESSAGE_BYTES, "x") };
      await expect
        .poll(async () => {
          const response = await post("/v1/push", body);
          if (response.status === 503) return "nobody";
          const { taken, full, sent } = (await response.json()) as PushAnswer;
          all.taken += taken;
          all.sent += sent;
          return full;
        })
        .toBe(0);
      return all;
    }
    const operator = async (method: string): Promise<{ shards: { state: string }[] }> => {
      const headers = { authorization: `Bearer ${gateway.operatorKey}` };
      const body = method === "POST" ? { body: JSON.stringify({ service: "echo", graceMs: 500 }) } : {};
      const response = await gateway.fetch(method === "POST" ? "/v1/drain" : "/v1/drain?service=echo", { method, headers, ...body });
      return (await response.json()) as { shards: { state: string }[] };
    };

    it(
      "reaches each session once and in order through a drain of every shard, and each plain socket at most once",
      { timeout: 120_000, concurrent: false },
      async () => {
        await limit({ bandwidthBytesPerSecond: PER_SECOND });
        const names = Array.from({ length: SESSIONS }, (_, index) => `s-${index}`);
        const sessions = await Promise.all(names.map(openSession));
        const plainNames = Array.from({ length: PLAIN }, (_, index) => `p-${index}`);
        const plainOnes = await Promise.all(plainNames.map(openPlain));
        await subscribe([...names, ...plainNames]);
        const startedAtMs = performance.now();
        const counts = { taken: 0, sent: 0 };
        const all = Array.from({ length: PUSHES }, (_, index) => index);
        for (const name of all) {
          // With much that waits everywhere.
          if (name === 10) await operator("POST");
          if (name % 10 === 5) proxy.cut();
          const { taken, sent } = await push(name);
          counts.taken += taken;
          counts.sent += sent;
        }
        const isDrained = async (): Promise<boolean> => (await operator("GET")).shards.every(({ state }) => state === "drained");
        await expect.poll(isDrained, { timeout: 30_000 }).toBe(true);
        // Nobody takes one that it has, wherever it has gone.
        for (const name of all) expect(await push(name), `push ${name} again`).toMatchObject({ taken: 0 });
        const heardBytes = [...sessions, ...plainOnes].reduce((sum, { heard }) => sum + heard.length, 0) * MESSAGE_BYTES;
        expect(heardBytes).toBeLessThanOrEqual(BURST + (PER_SECOND * (performance.now() - startedAtMs + CLOCK_MS)) / 1_000);
        expect(counts.taken).toBe(SESSIONS * PUSHES);
        await limit({});
        for (const { heard } of sessions) await expect.poll(() => heard).toEqual(all);
        expect(sessions.flatMap(({ ends }) => ends)).toEqual([]);
        for (const { heard } of plainOnes) expect(heard).toEqual([...new Set(heard)].toSorted((a, b) => a - b));
        expect(plainOnes.reduce((sum, { heard }) => sum + heard.length, 0)).toBeLessThanOrEqual(counts.sent);
      },
    );

    it("reaches each plain socket that it counts as sent to", { timeout: 60_000, concurrent: false }, async () => {
      await limit({ bandwidthBytesPerSecond: PER_SECOND });
      const names = Array.from({ length: PLAIN }, (_, index) => `q-${index}`);
      const ones = await Promise.all(names.map(openPlain));
      await subscribe(names);
      let sent = 0;
      // More than may wait for any of them.
      const all = Array.from({ length: 300 }, (_, index) => 1_000 + index);
      for (const name of all) ({ sent } = { sent: sent + (await push(name)).sent });
      expect(sent).toBeLessThan(PLAIN * all.length);
      await limit({});
      await expect.poll(() => ones.reduce((sum, { heard }) => sum + heard.length, 0)).toBe(sent);
      for (const { heard, closes } of ones) expect([heard, closes]).toEqual([[...new Set(heard)].toSorted((a, b) => a - b), []]);
    });
  },
);
