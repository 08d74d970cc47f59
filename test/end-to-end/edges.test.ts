// Real objects before several isolates: what a lease, a queue and a death do between them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { startEdges, type Edges } from "../support/edges.ts";
import { documentsOf, sumOf } from "../support/gateway.ts";

const EDGE_COUNT = 4;
const CAPACITY = 12;
/** An isolate's renewals are further apart while there is room. */
const RENEWAL_MS = 1_000;

let edges: Edges;
let backend: DemoBackend;
let headers: { authorization: string };

beforeAll(async () => {
  backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: CAPACITY, delayMs: 0 });
  edges = await startEdges(EDGE_COUNT);
  await apply({ deadlineMs: 15_000, requestDurationMsMax: 20_000 });
  const { signers } = await edges.state.ensureTenantKeys("acme");
  const token = await mintToken({
    tenant: "acme",
    device: "d-1",
    services: ["echo"],
    className: "gold",
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs: Date.now(),
    lifetimeMs: 600_000,
    signer: signers.EdDSA,
  });
  headers = { authorization: `Bearer ${token}` };
});
afterAll(async () => {
  await edges.stop();
  await backend.close();
});

const apply = async (echo: Readonly<Record<string, unknown>>): Promise<void> =>
  edges.apply(documentsOf({ url: backend.url, capacity: CAPACITY, echo, more: {} }));
const ask = async (edge: number, path: string, init: RequestInit = {}): Promise<number> => {
  const response = await fetch(`${edges.urls[edge % EDGE_COUNT]}/s/echo/${path}`, { ...init, headers });
  await response.arrayBuffer();
  return response.status;
};
const metric = async (name: string): Promise<number> => sumOf(await edges.metrics(), name);

describe("four isolates before one pool", () => {
  it("together never exceed the endpoint, and everybody who can wait is served", { timeout: 60_000 }, async () => {
    const statuses = await Promise.all(Array.from({ length: 96 }, (_, index) => ask(index, "x?delayMs=100")));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(backend.stats().overCapacity).toBe(0);
    expect(backend.stats().inFlightMax).toBeGreaterThan(CAPACITY / 2);
    expect(await metric("tidegate_lease_holders")).toBeGreaterThanOrEqual(EDGE_COUNT);
    expect(await metric("tidegate_slots_overshot_total")).toBe(0);
  });

  it("cost few calls where the load leaves room", { timeout: 60_000 }, async () => {
    // Whoever still holds what a storm before needed would leave another with nothing for a lease: all begin alike.
    await expect.poll(() => metric("tidegate_slots_out"), { timeout: 20_000, interval: 200 }).toBe(0);
    const round = async (): Promise<void> => {
      const statuses = await Promise.all(Array.from({ length: EDGE_COUNT }, (_, edge) => ask(edge, "x")));
      expect(new Set(statuses)).toEqual(new Set([200]));
    };
    const requestsBefore = await metric("tidegate_requests_total");
    const callsOfRounds = async (): Promise<number> => {
      const before = await metric("tidegate_pool_calls_total");
      for (let count = 0; count < 150; count += 1) await round();
      return (await metric("tidegate_pool_calls_total")) - before;
    };
    // What was contended before is over soon: from then on 600 requests cost renewals alone, some seconds apart.
    await expect
      .poll(
        async () => {
          const startedAtMs = performance.now();
          const calls = await callsOfRounds();
          return calls - (EDGE_COUNT * (performance.now() - startedAtMs)) / RENEWAL_MS;
        },
        { timeout: 50_000, interval: 100 },
      )
      .toBeLessThan(600 / 40);
    // What the other isolates measured comes with their next renewals.
    expect(await metric("tidegate_requests_total")).toBeGreaterThan(requestsBefore);
    expect(backend.stats().overCapacity).toBe(0);
  });

  it("lose no slot to devices that go away at any time", { timeout: 60_000 }, async () => {
    const calls = Array.from({ length: 80 }, async (_, index) => {
      const aborter = new AbortController();
      const call = ask(index, `x?bytes=200000&chunks=20&chunkDelayMs=${index % 20}`, { signal: aborter.signal });
      // Some before they have a slot, some while they stream, some not at all.
      if (index % 4 > 0) setTimeout(() => aborter.abort(), index * 7);
      return call.catch(() => 0);
    });
    const statuses = await Promise.all(calls);
    // Those whose device stays.
    expect(statuses.filter((_, index) => index % 4 === 0)).toEqual(Array.from({ length: 20 }, () => 200));
    await expect.poll(() => backend.stats().inFlight).toBe(0);
    await expect.poll(() => metric("tidegate_slots_out"), { timeout: 20_000, interval: 200 }).toBe(0);
    expect(await metric("tidegate_queue_length")).toBe(0);
    // The endpoint may learn a moment after the gateway that a request was cut off: its own count says nothing here.
    expect(await metric("tidegate_slots_overshot_total")).toBe(0);
  });

  it("hand an idle isolate's slots to those who wait within its lease", { timeout: 60_000 }, async () => {
    // The first isolate learns that it needs all slots, and then needs none.
    await Promise.all(Array.from({ length: CAPACITY }, () => ask(0, "x?delayMs=300")));
    const reclaimed = await metric("tidegate_slots_reclaimed_total");
    const statuses = await Promise.all(Array.from({ length: CAPACITY }, () => ask(1, "x?delayMs=50")));
    expect(new Set(statuses)).toEqual(new Set([200]));
    // Given back by whoever had them: no lease had to end for that.
    expect(await metric("tidegate_slots_reclaimed_total")).toBe(reclaimed);
  });
});

// Last: the process that the others used is gone after it.
describe("a process that is killed under load", () => {
  it("leaves its slots to the next one when its leases have ended, and none is used twice meanwhile", { timeout: 60_000 }, async () => {
    // What is counted for whoever died comes back when its requests may have ended.
    await apply({ deadlineMs: 8_000, requestDurationMsMax: 10_000 });
    await expect.poll(() => metric("tidegate_configuration_version")).toBe(2);
    for (let edge = 0; edge < EDGE_COUNT; edge += 1) expect(await ask(edge, "x")).toBe(200);
    const held = Array.from({ length: CAPACITY }, (_, index) => ask(index, "x?bytes=100000&chunks=100&chunkDelayMs=50").catch(() => 0));
    await expect.poll(() => backend.stats().inFlight).toBeGreaterThan(CAPACITY / 2);
    // What runs is named.
    await metric("tidegate_slots_in_use");
    edges = await edges.killAndStartAgain();
    await Promise.all(held);
    await expect.poll(() => backend.stats().inFlight).toBe(0);
    const overBefore = backend.stats().overCapacity;
    const outAtFirst = await metric("tidegate_slots_out");
    expect(outAtFirst).toBeGreaterThan(0);
    // Whoever asks meanwhile gets what is left, or waits.
    const early = await Promise.all(Array.from({ length: 2 * CAPACITY }, (_, index) => ask(index, "x?delayMs=20")));
    for (const status of early) expect([200, 503, 504]).toContain(status);
    expect(backend.stats().overCapacity).toBe(overBefore);
    await expect.poll(() => metric("tidegate_slots_out"), { timeout: 40_000, interval: 250 }).toBe(0);
    expect(await ask(0, "x")).toBe(200);
  });
});
