// One service in three regions before one backend, over the running gateway: callers are placed by the development override.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REGION_HEADER } from "#shared/placement.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const CAPACITY = 12;
const REGIONS = ["weur", "enam", "apac"];
let gateway: TestGateway;
let token: string;

beforeAll(async () => {
  gateway = await startTestGateway({
    capacity: CAPACITY,
    echo: { regions: REGIONS, deadlineMs: 8_000, requestDurationMsMax: 10_000 },
  });
  token = await gateway.token();
});
afterAll(async () => gateway.stop());

const ask = async (region: string, path = "x", by = token): Promise<number> => {
  const response = await gateway.fetch(`/s/echo/${path}`, { token: by, headers: { [REGION_HEADER]: region } });
  await response.arrayBuffer();
  return response.status;
};
const askMany = async (region: string, count: number, path?: string): Promise<readonly number[]> =>
  Promise.all(Array.from({ length: count }, () => ask(region, path)));
const metric = async (name: string): Promise<number> => sumOf(await gateway.metrics(), name);

/** Applies it, and waits until the isolate knows it; a request of another flow brings it to each pool. */
async function limit(className: string, quota: Readonly<Record<string, unknown>>): Promise<void> {
  const applied = await gateway.applyQuota("acme", className, quota);
  const version = applied.ok ? applied.version : 0;
  await expect.poll(() => metric("tidegate_configuration_version")).toBe(version);
  const bronze = await gateway.token({ className: "bronze" });
  for (const region of REGIONS) {
    const response = await gateway.fetch("/s/echo/x", { token: bronze, headers: { [REGION_HEADER]: region } });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
}

describe("a service in three regions", () => {
  it("serves each, and all together never exceed the endpoint", { timeout: 60_000 }, async () => {
    const rounds = REGIONS.map((region) => askMany(region, 3 * CAPACITY, "x?delayMs=100"));
    const statuses = (await Promise.all(rounds)).flat();
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(gateway.backend.stats().overCapacity).toBe(0);
    expect(gateway.backend.stats().inFlightMax).toBeGreaterThan(CAPACITY / 2);
    expect(await metric("tidegate_slots_overshot_total")).toBe(0);
  });

  it("counts each request once", { timeout: 60_000 }, async () => {
    await expect.poll(() => metric("tidegate_requests_total"), { timeout: 15_000, interval: 250 }).toBe(9 * CAPACITY);
    // Those of the home region are in no region's.
    expect(await metric("tidegate_region_requests_total")).toBe(6 * CAPACITY);
    await ask("enam");
    await ask("weur");
    await expect.poll(() => metric("tidegate_requests_total"), { timeout: 15_000, interval: 250 }).toBe(9 * CAPACITY + 2);
  });

  it("has the slots follow the load from one region to another", { timeout: 60_000 }, async () => {
    // So many at once that one region needs all slots but those of a float.
    for (const region of ["enam", "apac", "weur", "enam"]) {
      const statuses = await askMany(region, 3 * CAPACITY, "x?delayMs=50");
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(gateway.backend.stats().overCapacity).toBe(0);
    }
  });

  it("holds a rate over all regions together, and refuses nobody below it", { timeout: 60_000 }, async () => {
    await limit("gold", { ratePerSecond: 500, burst: 1_000, slots: CAPACITY, queueLengthMax: 300, waitMsMax: 8_000 });
    const within = (await Promise.all(REGIONS.map((region) => askMany(region, 2 * CAPACITY, "x?delayMs=20")))).flat();
    expect(new Set(within)).toEqual(new Set([200]));
    // Another class, whose bucket is full.
    await limit("silver", { ratePerSecond: 1, burst: 64 });
    const silver = await gateway.token({ className: "silver" });
    const startedAtMs = performance.now();
    const statuses = (
      await Promise.all(REGIONS.map(async (region) => Promise.all(Array.from({ length: 60 }, () => ask(region, "x", silver)))))
    ).flat();
    const earned = 64 + Math.ceil((performance.now() - startedAtMs) / 1_000);
    const served = statuses.filter((status) => status === 200).length;
    expect(served).toBeLessThanOrEqual(earned);
    // Half of a burst may be lent at a time.
    expect(served).toBeGreaterThanOrEqual(32);
    expect(statuses).toContain(429);
  });

  it("gives every slot back when nobody asks any more", { timeout: 60_000 }, async () => {
    await expect.poll(() => metric("tidegate_slots_out"), { timeout: 30_000, interval: 500 }).toBe(0);
    expect(await metric("tidegate_queue_length")).toBe(0);
    await gateway.expectNoSlotInUse();
  });
});
