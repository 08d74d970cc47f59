// A tenant's limits at a service, over the running gateway: each one reached, told with its numbers, and not passed.
import { parseList } from "structured-headers";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { holdSlots } from "../support/held-slots.ts";

/** Far more than a slow machine takes for what is looked at meanwhile. */
const DEADLINE_MS = 20_000;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ echo: { deadlineMs: DEADLINE_MS } });
});
afterAll(async () => gateway.stop());
beforeEach(async () => gateway.expectNoSlotInUse());

let version = 1;

/** Applies it, and waits until both the isolate and the pool know it. */
async function limit(quota: Readonly<Record<string, unknown>>): Promise<void> {
  const applied = await gateway.applyQuota("acme", "gold", quota);
  expect(applied).toMatchObject({ ok: true });
  version = applied.ok ? applied.version : version;
  await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(version);
  // Bronze has no limit: its request brings the version to the pool.
  const token = await gateway.token({ className: "bronze" });
  await (await gateway.fetch("/s/echo/x", { token })).arrayBuffer();
}

async function ask(path = "/s/echo/x"): Promise<Response> {
  const response = await gateway.fetch(path);
  await response.clone().arrayBuffer();
  return response;
}

it("a rate admits its burst and not one more than time has earned, over all that ask at once", async () => {
  await limit({ ratePerSecond: 1, burst: 8 });
  const startedAtMs = performance.now();
  const responses = await Promise.all(Array.from({ length: 40 }, () => ask()));
  const elapsedMs = performance.now() - startedAtMs;
  const served = responses.filter(({ status }) => status === 200).length;
  expect(served).toBeGreaterThanOrEqual(8);
  expect(served).toBeLessThanOrEqual(8 + Math.ceil(elapsedMs / 1_000));
  const refused = responses.find(({ status }) => status === 429);
  const [[name, state]] = parseList(refused?.headers.get("ratelimit") ?? "") as unknown as [[string, Map<string, number>]];
  expect([name, state.get("r")]).toEqual(["gold-rate", 0]);
  expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThanOrEqual(state.get("t") ?? Infinity);
  expect(refused?.headers.get("ratelimit-policy")).toContain('"gold-rate";q=8;w=8');
  expect(await refused?.json()).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["gold-rate"] });
});

it("slots with no queue refuse the next at once, by name", async () => {
  await limit({ slots: 2, queueLengthMax: 0 });
  const held = await holdSlots(gateway, 2);
  const refused = await ask();
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["gold-slots", "gold-queue"] });
  await held.release();
});

it("the longest wait ends a wait, though the service would let it wait longer", async () => {
  await limit({ slots: 1, waitMsMax: 200 });
  const held = await holdSlots(gateway, 1);
  const refused = await ask();
  expect(refused.status).toBe(429);
  const [, waitedMs] = /^queue;dur=(\d+);desc="gold"$/.exec(refused.headers.get("server-timing") ?? "") ?? [];
  expect(Number(waitedMs)).toBeGreaterThanOrEqual(200);
  expect(Number(waitedMs)).toBeLessThan(DEADLINE_MS / 2);
  expect(await refused.json()).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["gold-slots", "gold-wait"] });
  await held.release();
});

it("a shadow refuses nobody, and counts whom it would have", async () => {
  await limit({ ratePerSecond: 1, burst: 2, mode: "shadow" });
  const startedAtMs = performance.now();
  const responses = await Promise.all(Array.from({ length: 20 }, () => ask()));
  const earned = Math.ceil((performance.now() - startedAtMs) / 1_000);
  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
  expect(responses[0]?.headers.get("ratelimit")).toBeNull();
  await expect
    .poll(async () => sumOf(await gateway.metrics(), "tidegate_quota_shadow_total"))
    .toBeGreaterThanOrEqual(Math.max(1, 20 - 2 - earned));
  expect(await gateway.metrics()).toMatch(/tidegate_quota_shadow_total\{service="echo",tenant="acme",class="gold",limit="rate"\} \d+/);
});

it("service time that is used up refuses until it has drained", { timeout: 120_000 }, async () => {
  await limit({ cpuSecondsPerSecond: 0.1 });
  expect((await ask("/s/echo/x?delayMs=700")).status).toBe(200);
  const refused = async () => (await ask()).status;
  // Known with the report that follows the request.
  await expect.poll(refused, { interval: 50 }).toBe(429);
  await expect.poll(refused, { timeout: 90_000, interval: 200 }).toBe(200);
});

it("served answers say what is left", async () => {
  await limit({ slots: 10, ratePerSecond: 100, burst: 200 });
  await expect
    .poll(async () => (await ask()).headers.get("ratelimit") ?? "")
    .toMatch(/^"gold-rate";r=\d+;pk=:YWNtZS9lY2hv:, "gold-slots";r=\d+;pk=:YWNtZS9lY2hv:$/);
});
