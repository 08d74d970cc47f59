// What a tenant may use over all its services, over the running gateway. Bounds are those of the advertised limit, which no machine is
// too slow for.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const PER_SECOND = 200_000;
/** Two seconds' worth, in whole KiB. */
const BURST = 2 * 195 * 1_024;
/** Clocks of whole milliseconds, at the quota, the pools and here. */
const CLOCK_MS = 10;
const DEADLINE_MS = 8_000;

let gateway: TestGateway;
let other: DemoBackend;
beforeAll(async () => {
  other = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: 20, delayMs: 0 });
  gateway = await startTestGateway({
    echo: { deadlineMs: DEADLINE_MS },
    more: { second: { url: other.url, deadlineMs: DEADLINE_MS }, hasty: { url: other.url, deadlineMs: 3_000 } },
  });
});
afterAll(async () => {
  await gateway.stop();
  await other.close();
});
beforeEach(async () => gateway.expectNoSlotInUse());

/** Applies it, and waits until the isolate and both pools know it. */
async function limit(total: Readonly<Record<string, unknown>>): Promise<void> {
  const applied = await gateway.applyTotal("acme", total);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
}

const fetchOf = async (service: string, path: string, init: RequestInit = {}): Promise<Response> =>
  gateway.fetch(`/s/${service}/${path}`, { ...init, token: await gateway.token({ services: ["echo", "second", "hasty"] }) });
const leastMs = (bytes: number): number => ((bytes - BURST) * 1_000) / PER_SECOND - CLOCK_MS;

it("two services' bodies share it, both directions: together they take what they must, at no moment faster", async () => {
  await limit({ bandwidthBytesPerSecond: PER_SECOND });
  const sent = randomBytes(300_000);
  const startedAtMs = performance.now();
  let bytes = 0;
  await Promise.all(
    ["echo", "second"].map(async (service) => {
      const response = await fetchOf(service, "x", { method: "POST", body: sent });
      expect(response.status).toBe(200);
      expect(response.headers.get("ratelimit") ?? "").not.toContain("gold-bandwidth");
      const parts: Uint8Array[] = [];
      for await (const chunk of response.body ?? []) {
        parts.push(chunk);
        // What came back had been sent.
        bytes += 2 * chunk.byteLength;
        expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(leastMs(bytes));
      }
      expect(Buffer.concat(parts).equals(sent)).toBe(true);
    }),
  );
  expect(bytes).toBe(4 * sent.length);
  await expect
    .poll(async () => (await fetchOf("second", "x")).headers.get("ratelimit") ?? "")
    .toMatch(/^"total-bandwidth";r=\d+;pk=:YWNtZQ==:$/);
  await expect
    .poll(async () => sumOf(await gateway.metrics(), "tidegate_tenant_body_bytes_total"), { timeout: 15_000 })
    .toBeGreaterThanOrEqual(4 * sent.length);
});

it("a body whose deadline comes while it waits is refused for it, by name, and the operator is told so", { timeout: 60_000 }, async () => {
  await limit({ bandwidthBytesPerSecond: 1_024 });
  // The endpoint answers once it has the whole: more than may go at once, and than was lent before the quota heard of the lower limit.
  let response = new Response();
  const send = async (): Promise<number> => {
    await response.body?.cancel();
    response = await fetchOf("hasty", "x", { method: "POST", body: randomBytes(400_000) });
    return response.status;
  };
  await expect.poll(send, { timeout: 50_000 }).toBe(429);
  expect(response.headers.get("ratelimit-policy")).toBe('"total-bandwidth";q=65536;qu="content-bytes";w=64;pk=:YWNtZQ==:');
  const problem = (await response.json()) as { instance: string };
  expect(problem).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["total-bandwidth"] });
  const asked = await gateway.fetch(problem.instance, { headers: { authorization: `Bearer ${gateway.operatorKey}` } });
  expect(await asked.json()).toMatchObject({ violated: [{ policy: "total-bandwidth", kind: "total-bandwidth", quota: 65_536 }] });
});

it("a shadow holds nothing back, and counts what it would have", async () => {
  await limit({ bandwidthBytesPerSecond: 1_024, mode: "shadow" });
  const response = await fetchOf("second", "x?bytes=1000000");
  expect(response.headers.get("ratelimit")).toBeNull();
  expect((await response.arrayBuffer()).byteLength).toBe(1_000_000);
  const counted = async (): Promise<number> =>
    Number(/tidegate_tenant_quota_shadow_total\{tenant="acme",limit="bandwidth"\} (\d+)/.exec(await gateway.metrics())?.[1]);
  await expect.poll(counted, { timeout: 15_000 }).toBeGreaterThanOrEqual(1_000_000 - 65_536 - 20 * 1_024);
});

it("a rate is two services' together: never one more than its burst and what time has earned", async () => {
  await limit({ ratePerSecond: 5, burst: 40 });
  // The quota has the new limit once a pool has asked it.
  await (await fetchOf("echo", "x")).arrayBuffer();
  await (await fetchOf("second", "x")).arrayBuffer();
  const startedAtMs = performance.now();
  const responses = await Promise.all(Array.from({ length: 160 }, (_, index) => fetchOf(index % 2 === 0 ? "echo" : "second", "x")));
  const elapsedMs = performance.now() - startedAtMs;
  const bodies = await Promise.all(responses.map(async (response) => response.json()));
  const served = responses.filter(({ status }) => status === 200).length;
  expect(served).toBeLessThanOrEqual(40 + Math.ceil((5 * (elapsedMs + CLOCK_MS)) / 1_000));
  expect(served).toBeGreaterThanOrEqual(10);
  const refused = responses.findIndex(({ status }) => status === 429);
  expect(bodies[refused]).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["total-rate"] });
});
