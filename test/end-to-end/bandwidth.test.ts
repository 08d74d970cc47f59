// A tenant's bandwidth over the running gateway: bodies take what they must, both ways, and end their slots once. Bounds are those of the
// advertised rate, which no machine is too slow for.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { rawHttp } from "../support/raw-http.ts";

const PER_SECOND = 200_000;
/** A second's worth, in whole KiB. */
const BURST = 195 * 1_024;
/** Clocks of whole milliseconds, at the pool and here. */
const CLOCK_MS = 5;
/** A body that has begun to come back goes first as often as not: the other's may take 2 s to arrive. */
const DEADLINE_MS = 6_000;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ echo: { deadlineMs: DEADLINE_MS } });
});
afterAll(async () => gateway.stop());
beforeEach(async () => gateway.expectNoSlotInUse());

/** Applies it, and waits until both the isolate and the pool know it. */
async function limit(quota: Readonly<Record<string, unknown>>): Promise<void> {
  const applied = await gateway.applyQuota("acme", "gold", quota);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
  // Bronze has no limit: its request brings the version to the pool.
  const token = await gateway.token({ className: "bronze" });
  await (await gateway.fetch("/s/echo/x", { token })).arrayBuffer();
}

const leastMs = (bytes: number, perSecond = PER_SECOND, burst = BURST): number => ((bytes - burst) * 1_000) / perSecond - CLOCK_MS;
const outcomesOf = async (outcome: string): Promise<number> =>
  (await gateway.metrics())
    .split("\n")
    .filter((line) => line.startsWith("tidegate_requests_total{") && line.includes('class="gold"') && line.includes(`outcome="${outcome}"`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);

it("a response of 1 MB at 200 kB/s takes what it must, at no moment faster, and says what limits it", async () => {
  await limit({ bandwidthBytesPerSecond: PER_SECOND });
  const startedAtMs = performance.now();
  const response = await gateway.fetch("/s/echo/x?bytes=1000000");
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(leastMs(bytes));
  }
  expect(bytes).toBe(1_000_000);
  await expect
    .poll(async () => (await gateway.fetch("/s/echo/x")).headers.get("ratelimit") ?? "")
    .toMatch(/^"gold-bandwidth";r=\d+;pk=:YWNtZS9lY2hv:$/);
});

it("several at once, and both directions of each, share it", async () => {
  await limit({ bandwidthBytesPerSecond: PER_SECOND });
  const sent = randomBytes(200_000);
  const startedAtMs = performance.now();
  const received = await Promise.all(
    [1, 2].map(async () => {
      const response = await gateway.fetch("/s/echo/x", { method: "POST", body: sent });
      expect(response.status).toBe(200);
      return Buffer.from(await response.arrayBuffer());
    }),
  );
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(leastMs(2 * 2 * sent.length));
  for (const body of received) expect(body.equals(sent)).toBe(true);
});

it("a body whose deadline comes while it waits is refused for the bandwidth, by name", async () => {
  await limit({ bandwidthBytesPerSecond: 1_024 });
  // The endpoint answers once it has the whole; 32 KiB may go at once, and what was lent before the limit was lowered.
  let response = new Response();
  const send = async (): Promise<number> => {
    await response.arrayBuffer();
    response = await gateway.fetch("/s/echo/x", { method: "POST", body: randomBytes(60_000) });
    return response.status;
  };
  await expect.poll(send, { timeout: 4 * DEADLINE_MS }).toBe(429);
  expect(response.headers.get("ratelimit-policy")).toContain('"gold-bandwidth";q=32768;qu="content-bytes";w=32');
  expect(await response.json()).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["gold-bandwidth"] });
});

it("a device that goes away while its response waits ends its slot once", async () => {
  await limit({ bandwidthBytesPerSecond: 10_000 });
  const before = await outcomesOf("cancelled");
  const aborter = new AbortController();
  const response = await gateway.fetch("/s/echo/x?bytes=500000", { signal: aborter.signal });
  await response.body?.getReader().read();
  aborter.abort();
  await gateway.expectNoSlotInUse();
  await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
  await expect.poll(() => outcomesOf("cancelled")).toBe(before + 1);
  expect(sumOf(await gateway.metrics(), "tidegate_slots_overshot_total")).toBe(0);
});

it.for([
  { name: "a declared length", lines: ["Content-Length: 100"], body: "abc" },
  { name: "chunks", lines: ["Transfer-Encoding: chunked"], body: "3\r\nabc\r\n" },
])("a paced body of $name that its device breaks off is answered with 400: the endpoint never has it as whole", async ({ lines, body }) => {
  await limit({ bandwidthBytesPerSecond: PER_SECOND });
  const head = ["POST /s/echo/x HTTP/1.1", "Host: x", `Authorization: Bearer ${await gateway.token()}`, ...lines, "", ""].join("\r\n");
  const answer = await rawHttp(gateway.port, head + body, (socket) => socket.end());
  expect(answer).toMatchObject({ status: 400, body: expect.stringContaining("/problems/body-aborted") as string });
  await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
});

it("a paced response that its endpoint breaks off is broken off for the device, never ended as if whole", async () => {
  await limit({ bandwidthBytesPerSecond: PER_SECOND });
  const before = await outcomesOf("upstream-failed");
  const response = await gateway.fetch("/s/echo/x?bytes=100000&fault=reset-body");
  expect(response.status).toBe(200);
  await expect(response.arrayBuffer()).rejects.toThrow();
  await expect.poll(() => outcomesOf("upstream-failed")).toBe(before + 1);
});

it("a shadow holds nothing back, and counts what it would have", async () => {
  await limit({ bandwidthBytesPerSecond: 1_024, mode: "shadow" });
  const response = await gateway.fetch("/s/echo/x?bytes=1000000");
  expect(response.headers.get("ratelimit")).toBeNull();
  expect((await response.arrayBuffer()).byteLength).toBe(1_000_000);
  const counted = async (): Promise<number> =>
    Number(
      /tidegate_quota_shadow_total\{service="echo",tenant="acme",class="gold",limit="bandwidth"\} (\d+)/.exec(await gateway.metrics())?.[1],
    );
  await expect.poll(counted).toBeGreaterThanOrEqual(1_000_000 - 32_768 - 10 * 1_024);
});

it("a body that waits goes on when the limit is lifted", async () => {
  await limit({ bandwidthBytesPerSecond: 1_024 });
  const response = await gateway.fetch("/s/echo/x?bytes=5000000");
  const whole = response.arrayBuffer();
  await limit({});
  // It would have taken more than an hour.
  expect((await whole).byteLength).toBe(5_000_000);
});
