// What devices say of their sockets: validated, bounded, per shard and flow in /metrics; who lies spoils its own flow's figures.
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { TidegateClient } from "#client/index.ts";
import { THIS_PLATFORM } from "#client/platform.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway({ echo: { sockets: { mode: "websocket" } } });
});
afterAll(async () => gateway.stop());

const REPORT = {
  service: "echo",
  shard: "echo-1",
  durationMs: 10_000,
  messagesSent: 100,
  messagesReceived: 50,
  bytesSent: 1_000,
  bytesReceived: 500,
  drops: 1,
  latenciesMs: [10, 20, 30],
};

const send = async (body: unknown, claims: Parameters<TestGateway["token"]>[0] = {}): Promise<Response> =>
  gateway.fetch("/v1/report", { method: "POST", body: JSON.stringify(body), token: await gateway.token(claims) });

/** Of one flow and shard. */
async function valueOf(metric: string, { tenant = "acme", shard = "echo-1" } = {}): Promise<number> {
  const start = `${metric}{service="echo",shard="${shard}",tenant="${tenant}",class="gold"} `;
  const line = (await gateway.metrics()).split("\n").find((text) => text.startsWith(start));
  return line === undefined ? 0 : Number(line.slice(start.length));
}

describe("a report", () => {
  it("is counted for its shard and flow, latencies as quantiles within 1 %", async () => {
    expect((await send(REPORT, { device: "r-1" })).status).toBe(204);
    expect((await send({ ...REPORT, latenciesMs: [20, 20] }, { device: "r-2" })).status).toBe(204);
    expect(await valueOf("tidegate_device_reports_total")).toBe(2);
    expect(await valueOf("tidegate_device_messages_sent_total")).toBe(200);
    expect(await valueOf("tidegate_device_bytes_received_total")).toBe(1_000);
    expect(await valueOf("tidegate_device_drops_total")).toBe(2);
    const median = await valueOf("tidegate_device_latency_median_seconds");
    expect(Math.abs(median - 0.02)).toBeLessThanOrEqual(0.0002);
  });

  it("that lies is its own flow's, and no other's", async () => {
    const before = await valueOf("tidegate_device_latency_p99_seconds");
    const lie = { ...REPORT, latenciesMs: Array.from({ length: 64 }, () => 600_000), messagesSent: 2 ** 40 };
    expect((await send(lie, { tenant: "globex", device: "liar" })).status).toBe(204);
    expect(await valueOf("tidegate_device_latency_p99_seconds", { tenant: "globex" })).toBeGreaterThan(500);
    expect(await valueOf("tidegate_device_latency_p99_seconds")).toBe(before);
  });

  it("of a shard that is none is counted for none", async () => {
    expect((await send({ ...REPORT, shard: "events-7" }, { device: "r-3" })).status).toBe(204);
    expect(await valueOf("tidegate_device_reports_total", { shard: "" })).toBe(1);
  });

  it("that follows too soon is refused with 429 and when to come back, and not counted", async () => {
    expect((await send(REPORT, { device: "r-4" })).status).toBe(204);
    const before = await valueOf("tidegate_device_reports_total");
    const second = await send(REPORT, { device: "r-4" });
    expect([second.status, second.headers.has("retry-after")]).toEqual([429, true]);
    await expect
      .poll(() => gateway.logs.findLast(({ outcome }) => outcome === "rejected-quota"))
      .toMatchObject({ status: 429, decidedBy: "edge" });
    expect(await valueOf("tidegate_device_reports_total")).toBe(before);
  });

  it.for([
    { name: "what is no object", body: [], status: 400 },
    { name: "a number below nothing", body: { ...REPORT, drops: -1 }, status: 400 },
    { name: "a number beyond all measure", body: { ...REPORT, bytesSent: 2 ** 41 }, status: 400 },
    { name: "a latency beyond all patience", body: { ...REPORT, latenciesMs: [600_001] }, status: 400 },
    { name: "too many latencies", body: { ...REPORT, latenciesMs: Array.from({ length: 65 }, () => 1) }, status: 400 },
    { name: "an unknown key", body: { ...REPORT, cpu: 1 }, status: 400 },
    { name: "too large a body", body: { ...REPORT, shard: "x".repeat(5_000) }, status: 400 },
    { name: "a service that is none", body: { ...REPORT, service: "other" }, status: 404 },
  ])("with $name is refused with $status", async ({ body, status }) => {
    expect((await send(body, { device: "r-5" })).status).toBe(status);
  });

  it("of a service that its token does not name is refused with 403", async () => {
    expect((await send(REPORT, { device: "r-6", services: ["other"] })).status).toBe(403);
  });

  it("without a token is refused with 401, also where it is no report, and with another method with 405", async () => {
    for (const body of [JSON.stringify(REPORT), "{"])
      expect((await fetch(`${gateway.url}/v1/report`, { method: "POST", body })).status).toBe(401);
    expect((await fetch(`${gateway.url}/v1/report`)).status).toBe(405);
  });
});

describe("the SDK", () => {
  const REPORT_INTERVAL_MS = 10_000;

  it("reports what its socket measured, on that socket, with the shard that it is on", { timeout: 60_000 }, async () => {
    const before = await valueOf("tidegate_device_messages_sent_total");
    const messages: string[] = [];
    const posted: string[] = [];
    const due: (() => void)[] = [];
    const client = new TidegateClient({
      url: gateway.url,
      token: async () => gateway.token({ device: "sdk" }),
      reportIntervalMs: REPORT_INTERVAL_MS,
      platform: {
        // Its interval is over when we say so.
        after(delayMs, run) {
          if (delayMs !== REPORT_INTERVAL_MS) return THIS_PLATFORM.after(delayMs, run);
          due.push(run);
          return () => undefined;
        },
        fetch: async (url, init) => {
          posted.push(url);
          return fetch(url, init);
        },
      },
    });
    const socket = client.connect("echo", { onMessage: (payload) => messages.push(String(payload)) });
    for (let index = 0; index < 5; index += 1) socket.send(`${index}`);
    await expect.poll(() => messages.length).toBe(5);
    due[0]?.();
    // And again when it is over again.
    expect(due).toHaveLength(2);
    await expect.poll(async () => valueOf("tidegate_device_messages_sent_total"), { timeout: 40_000, interval: 250 }).toBe(before + 5);
    expect(posted).toEqual([]);
    socket.close();
    await gateway.expectNoSlotInUse();
  });
});

describe("a report in band", () => {
  const IN_BAND = { type: "report", ...REPORT, service: undefined, shard: undefined };

  async function open(): Promise<{ socket: WebSocket; frames: string[]; closed: Promise<unknown[]> }> {
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, [
      "tidegate.v1",
      `tidegate.bearer.${await gateway.token()}`,
    ]);
    const frames: string[] = [];
    socket.on("message", (data: Buffer) => frames.push(data.toString()));
    const closed = once(socket, "close");
    await once(socket, "open");
    socket.send('{"type":"hello","attempt":1,"received":0}');
    await expect.poll(() => frames.length).toBe(1);
    const welcome = JSON.parse(frames[0] ?? "") as { token: string; reportMs: number };
    expect(welcome.reportMs).toBe(5_000);
    socket.send(JSON.stringify({ type: "rotated", token: welcome.token }));
    return { socket, frames, closed };
  }

  it("is counted like one of its own request, and a second one too soon is not", { timeout: 30_000 }, async () => {
    const reports = async (): Promise<number> =>
      (await valueOf("tidegate_device_reports_total")) + (await valueOf("tidegate_device_reports_total", { shard: "" }));
    const before = [await reports(), await valueOf("tidegate_device_drops_total")];
    const { socket, closed } = await open();
    socket.send(JSON.stringify(IN_BAND));
    socket.send(JSON.stringify(IN_BAND));
    await expect.poll(reports, { timeout: 15_000, interval: 250 }).toBe((before[0] ?? 0) + 1);
    expect(await valueOf("tidegate_device_drops_total")).toBe((before[1] ?? 0) + 1);
    expect((await gateway.metrics()).split("\n").filter((line) => line.startsWith("tidegate_socket_faults_total{"))).toEqual([
      'tidegate_socket_faults_total{service="echo",fault="report-too-soon"} 1',
    ]);
    socket.close(1000);
    await closed;
  });

  it("beyond its bounds ends the connection and says which", async () => {
    const { socket, closed } = await open();
    socket.send(JSON.stringify({ ...IN_BAND, drops: 0.5 }));
    const [code, reason] = await closed;
    expect([code, String(reason)]).toEqual([1002, "a report's drops is no whole number from 0 to 1099511627776"]);
    socket.terminate();
    // Its session can be resumed for two minutes.
  });
});
