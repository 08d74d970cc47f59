// Requests that have no slot ask their pool with others' calls, and hear by them: also when the request goes in whose context such a call was made.
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { holdSlots } from "../support/held-slots.ts";

const CAPACITY = 4;
let gateway: TestGateway;
let token: string;

beforeAll(async () => {
  gateway = await startTestGateway({ capacity: CAPACITY, echo: { deadlineMs: 20_000 } });
  token = await gateway.token();
});
afterAll(async () => gateway.stop());

const queueLength = async (): Promise<number> => sumOf(await gateway.metrics(), "tidegate_queue_length");
/** Calls so far in which requests asked. */
const exchanges = async (): Promise<number> => {
  const line = (await gateway.metrics())
    .split("\n")
    .find((one) => one.startsWith('tidegate_pool_calls_total{service="echo",call="exchange"}'));
  return Number(line?.slice(line.lastIndexOf(" ") + 1));
};

/** A device that asks and can go away in the midst of it. */
function device(path: string): Socket {
  const socket = connect(gateway.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`GET /s/echo/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return socket;
}

const ask = async (path: string): Promise<number> => {
  const answer = await gateway.fetch(`/s/echo/${path}`, { token });
  await answer.text();
  return answer.status;
};

it("whoever waits is served though the devices go away in whose requests the calls were made that stand for all", async () => {
  const held = await holdSlots(gateway, CAPACITY);
  const first = device("goes");
  await expect.poll(queueLength).toBe(1);
  const statuses = Promise.all(Array.from({ length: 3 * CAPACITY }, async () => ask("stays")));
  await expect.poll(queueLength).toBe(1 + 3 * CAPACITY);
  // The newest call stands, and it is this one's.
  const last = device("goes");
  await expect.poll(queueLength).toBe(2 + 3 * CAPACITY);
  for (const socket of [first, last]) socket.resetAndDestroy();
  await expect.poll(queueLength).toBe(3 * CAPACITY);
  await held.release();
  expect(new Set(await statuses)).toEqual(new Set([200]));
  expect(gateway.backend.stats().overCapacity).toBe(0);
  await gateway.expectNoSlotInUse();
});

it("of many that wait together those whose devices go leave the queue, and the others are served", async () => {
  const held = await holdSlots(gateway, CAPACITY);
  const going = Array.from({ length: 10 }, (_, index) => device(`goes-${index}`));
  const statuses = Promise.all(Array.from({ length: 10 }, async () => ask("stays")));
  await expect.poll(queueLength).toBe(20);
  for (const socket of going) socket.resetAndDestroy();
  await expect.poll(queueLength).toBe(10);
  await held.release();
  expect(new Set(await statuses)).toEqual(new Set([200]));
  await gateway.expectNoSlotInUse();
  // None of those who went was granted one that had to end by itself.
  expect(sumOf(await gateway.metrics(), "tidegate_slots_reclaimed_total")).toBe(0);
});

it("whoever waits for longer than a call may stand asks again, and is served", async () => {
  const held = await holdSlots(gateway, CAPACITY);
  const statuses = Promise.all(Array.from({ length: 3 }, async () => ask("patient")));
  await expect.poll(queueLength).toBe(3);
  const before = await exchanges();
  await expect.poll(exchanges).toBeGreaterThan(before + 1);
  expect(await queueLength()).toBe(3);
  await held.release();
  expect(await statuses).toEqual([200, 200, 200]);
  await gateway.expectNoSlotInUse();
});
