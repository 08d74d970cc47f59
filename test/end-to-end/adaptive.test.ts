// An endpoint that works on fewer requests at once than is configured, behind the running gateway: real latency, real workerd.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const CAPACITY = 40;
const WORKERS = 4;
const SERVICE_MS = 10;

/** Serves so many at a time, the others in order. */
class SlowBackend {
  inFlightMax = 0;
  served = 0;
  /** Told with every answer; null: it tells nothing. */
  load: number | null = null;
  #inFlight = 0;
  #busy = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #server = createServer((_request, response) => void this.#serve(response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(response: ServerResponse): Promise<void> {
    this.#inFlight += 1;
    this.inFlightMax = Math.max(this.inFlightMax, this.#inFlight);
    if (this.#busy === WORKERS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    await sleep(SERVICE_MS);
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy -= 1;
    else next();
    this.#inFlight -= 1;
    this.served += 1;
    if (this.load !== null) response.setHeader("endpoint-load-metrics", `JSON {"application_utilization":${this.load}}`);
    response.end("served");
  }
}

const backend = new SlowBackend();
let gateway: TestGateway;
beforeAll(async () => {
  const endpoints = [{ url: await backend.listen(), capacity: CAPACITY }];
  gateway = await startTestGateway({ echo: { endpoints, deadlineMs: 10_000, concurrency: { mode: "adaptive" } } });
});
afterAll(async () => {
  await gateway.stop();
  await backend.close();
});
beforeEach(async () => gateway.expectNoSlotInUse());

const limitNow = async (): Promise<number> => sumOf(await gateway.metrics(), "tidegate_slots_limit");

it("by its word, an endpoint is given less while it says it is full, and more again; the device sees nothing of that", async () => {
  const ask = async (): Promise<void> => {
    const response = await gateway.fetch("/s/echo/x");
    expect(response.headers.get("endpoint-load-metrics")).toBeNull();
    await response.arrayBuffer();
  };
  await ask();
  expect(await limitNow()).toBe(CAPACITY);
  backend.load = 2;
  const limitAfterAsking = async (): Promise<number> => {
    await ask();
    return limitNow();
  };
  await expect.poll(limitAfterAsking, { timeout: 20_000, interval: 200 }).toBeLessThanOrEqual(CAPACITY / 2);
  expect(await limitNow()).toBeGreaterThanOrEqual(CAPACITY / 10);
  expect(await gateway.metrics()).toMatch(/^tidegate_endpoint_load_ratio\{service="echo",endpoint="[^"]+"\} 2$/m);
  expect(sumOf(await gateway.metrics(), "tidegate_slots_capacity")).toBe(CAPACITY);
  backend.load = 0.01;
  await expect.poll(limitAfterAsking, { timeout: 60_000, interval: 200 }).toBe(CAPACITY);
  backend.load = null;
}, 90_000);

it("by its latency, an endpoint is given what it works on and some more, and does as much as before", async () => {
  const token = await gateway.token();
  let isOver = false;
  const clients = Array.from({ length: 2 * CAPACITY }, async () => {
    while (!isOver) await (await gateway.fetch("/s/echo/x", { token })).arrayBuffer();
  });
  await expect.poll(limitNow, { timeout: 80_000, interval: 250 }).toBeLessThan(CAPACITY / 2);
  expect(await limitNow()).toBeGreaterThanOrEqual(CAPACITY / 10);
  // What runs when the limit falls ends by itself; from then on the endpoint itself sees no more than the limit.
  await expect
    .poll(
      async () => {
        const [before, limit] = [backend.served, await limitNow()];
        backend.inFlightMax = 0;
        await expect.poll(() => backend.served).toBeGreaterThan(before + 100);
        return backend.inFlightMax <= Math.max(limit, await limitNow());
      },
      { timeout: 30_000 },
    )
    .toBe(true);
  isOver = true;
  await Promise.all(clients);
  expect(sumOf(await gateway.metrics(), "tidegate_slots_overshot_total")).toBe(0);
}, 150_000);
