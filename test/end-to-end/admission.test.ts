// How requests get their slots: from the isolate's lease, from the pool's queue, or not; at which endpoint; and once more
// where an endpoint failed.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { documentsOf, startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { holdSlots } from "../support/held-slots.ts";

let gateway: TestGateway;
let backends: DemoBackend[];
/** Resets so many connections before it answers. */
let flaky: Server;
let resetsLeft = 0;
const resets: string[] = [];

const BALANCES = ["rendezvous", "roundRobin", "leastConnections", "twoChoices"] as const;
const CAPACITY = 4;

beforeAll(async () => {
  const start = () => startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: CAPACITY, delayMs: 0 });
  backends = await Promise.all([start(), start(), start()]);
  flaky = createServer((request, response) => {
    resets.push(request.method ?? "");
    resetsLeft -= 1;
    if (resetsLeft >= 0) request.socket.resetAndDestroy();
    else response.end("served");
  }).listen(0, "127.0.0.1");
  await once(flaky, "listening");
  gateway = await startTestGateway();
  await applyAll();
});
afterAll(async () => {
  flaky.closeAllConnections();
  flaky.close();
  await Promise.all(backends.map((backend) => backend.close()));
  await gateway.stop();
});

/** One service for each way to balance, over three endpoints; one before the endpoint that fails. */
async function applyAll(): Promise<void> {
  const endpoints = backends.map(({ url }) => ({ url, capacity: CAPACITY }));
  const balanced = BALANCES.map((balance) => ({ service: balance.toLowerCase(), endpoints, balance, deadlineMs: 5_000 }));
  const flakyUrl = `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`;
  const more = [
    ...balanced,
    { service: "flaky", endpoints: [{ url: flakyUrl, capacity: 10 }], retry: { budgetRatio: 0.2, attemptsMax: 3 } },
  ];
  const documents = documentsOf({ url: gateway.backend.url, capacity: 20, echo: {}, more: {} }).map(({ file, document }) =>
    file === "tenants/acme.yaml"
      ? {
          file,
          document: {
            ...(document as object),
            services: Object.fromEntries(["echo", ...more.map(({ service }) => service)].map((name) => [name, { gold: {}, bronze: {} }])),
          },
        }
      : { file, document },
  );
  const applied = await gateway.apply([...documents, ...more.map((document) => ({ file: `services/${document.service}.yaml`, document }))]);
  expect(applied).toMatchObject({ ok: true });
  // Isolates follow a new version within seconds.
  const token = await gateway.token({ services: ["flaky"] });
  await vi.waitFor(async () => expect((await gateway.fetch("/s/flaky/x", { token })).status).toBe(200), { timeout: 15_000, interval: 100 });
}

async function callsOf(service: string): Promise<number> {
  const lines = (await gateway.metrics()).split("\n").filter((line) => line.startsWith(`tidegate_pool_calls_total{service="${service}"`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

describe("an isolate with a lease", () => {
  it("serves one request after another with hardly a call to the pool", async () => {
    const token = await gateway.token();
    await (await gateway.fetch("/s/echo/warm", { token })).text();
    const before = await callsOf("echo");
    for (let count = 0; count < 100; count += 1)
      expect((await (await gateway.fetch("/s/echo/x", { token })).text()).length).toBeGreaterThan(0);
    expect((await callsOf("echo")) - before).toBeLessThanOrEqual(6);
    expect(await gateway.metrics()).toMatch(
      /tidegate_requests_total\{service="echo",tenant="acme",class="gold",outcome="admitted-local"\} \d{3}/,
    );
  });

  it("gives everything back when its requests have ended and no more come", { timeout: 60_000 }, async () => {
    await (await gateway.fetch("/s/echo/x")).text();
    await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_slots_out"), { timeout: 40_000, interval: 200 }).toBe(0);
    expect(sumOf(await gateway.metrics(), "tidegate_slots_reclaimed_total")).toBe(0);
  });
});

describe("more requests than slots", () => {
  it("are refused where their deadline passes first, and told when to come back", async () => {
    const token = await gateway.token();
    const held = await holdSlots(gateway, 20);
    const refused = await Promise.all(Array.from({ length: 10 }, () => gateway.fetch("/s/echo/x", { token })));
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
    const [first] = refused;
    if (first === undefined) throw new Error("nobody was refused");
    expect(first.headers.get("content-type")).toBe("application/problem+json");
    expect(Number(first.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(first.headers.get("proxy-status")).toMatch(/^tidegate; error=connection_limit_reached; details="/);
    expect(["/problems/expired-in-queue", "/problems/rejected-capacity"]).toContain(((await first.json()) as { type: string }).type);
    await held.release();
    expect(gateway.backend.stats().overCapacity).toBe(0);
    await gateway.expectNoSlotInUse();
  });

  it("let one go whose device resets its connection while it waits", async () => {
    const token = await gateway.token();
    const held = await holdSlots(gateway, 20);
    const socket: Socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`GET /s/echo/waits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    const queueLength = async (): Promise<number> => sumOf(await gateway.metrics(), "tidegate_queue_length");
    await expect.poll(queueLength).toBe(1);
    socket.resetAndDestroy();
    // Neither by its deadline nor by a slot: nobody has given one back.
    const told = () => gateway.logs.filter(({ path }) => path === "/s/echo/waits").map(({ outcome }) => outcome);
    await expect.poll(told).toEqual(["cancelled"]);
    expect(await queueLength()).toBe(0);
    expect(gateway.backend.stats().inFlight).toBe(20);
    await held.release();
    await gateway.expectNoSlotInUse();
  });
});

describe("three endpoints", () => {
  it.for(BALANCES)("together take what each may take, and none more: %s", { timeout: 60_000 }, async (balance) => {
    const service = balance.toLowerCase();
    const token = await gateway.token({ services: [service], device: "d-1" });
    const ask = async (path: string): Promise<number> => {
      const answer = await gateway.fetch(`/s/${service}/${path}`, { token });
      await answer.text();
      return answer.status;
    };
    await ask("warm");
    const statuses = await Promise.all(Array.from({ length: 3 * CAPACITY * 2 }, () => ask("x?delayMs=300")));
    expect(new Set(statuses)).toEqual(new Set([200]));
    for (const backend of backends) {
      expect(backend.stats().overCapacity).toBe(0);
      expect(backend.stats().inFlightMax).toBe(CAPACITY);
    }
    await gateway.expectNoSlotInUse();
  });

  it("meet a device's requests at one of them, under rendezvous, and different devices' at all", async () => {
    const portOf = async (device: string): Promise<string> => {
      const token = await gateway.token({ services: ["rendezvous"], device });
      const before = backends.map((backend) => backend.stats().served);
      await (await gateway.fetch("/s/rendezvous/x", { token })).text();
      await expect.poll(() => backends.some((backend, index) => backend.stats().served > (before[index] ?? 0))).toBe(true);
      return String(backends.findIndex((backend, index) => backend.stats().served > (before[index] ?? 0)));
    };
    const same = [];
    for (let count = 0; count < 8; count += 1) same.push(await portOf("d-7"));
    expect(new Set(same).size).toBe(1);
    const all = new Set<string>();
    for (let device = 0; device < 24; device += 1) all.add(await portOf(`device-${device}`));
    expect(all.size).toBe(3);
  });

  it("each get their turn under roundRobin, but for one that has no slot here when it comes", async () => {
    const token = await gateway.token({ services: ["roundrobin"] });
    const isLocal = async (): Promise<boolean> => {
      const answer = await gateway.fetch("/s/roundrobin/x", { token });
      await answer.arrayBuffer();
      return answer.headers.get("server-timing")?.startsWith("queue") === false;
    };
    // After a storm the pool chooses, until the isolate's next renewal.
    await expect.poll(isLocal, { timeout: 15_000 }).toBe(true);
    await expect.poll(() => backends.map((backend) => backend.stats().inFlight)).toEqual([0, 0, 0]);
    const before = backends.map((backend) => backend.stats().served);
    for (let count = 0; count < 12; count += 1) await (await gateway.fetch("/s/roundrobin/x", { token })).text();
    const parts = (): number[] => backends.map((backend, index) => backend.stats().served - (before[index] ?? 0));
    await expect.poll(() => parts().reduce((sum, part) => sum + part, 0)).toBe(12);
    for (const part of parts()) expect(part).toBeGreaterThanOrEqual(2);
  });
});

describe("an endpoint that breaks off before it answers", () => {
  const attempts = async (init: RequestInit, failures: number): Promise<{ status: number; sent: number }> => {
    resetsLeft = failures;
    resets.length = 0;
    const answer = await gateway.fetch("/s/flaky/x", { ...init, token: await gateway.token({ services: ["flaky"] }) });
    await answer.text();
    return { status: answer.status, sent: resets.length };
  };

  it.for([
    { name: "a GET again", init: {}, failures: 1, want: { status: 200, sent: 2 } },
    { name: "a PUT without a body again", init: { method: "PUT" }, failures: 1, want: { status: 200, sent: 2 } },
    { name: "a POST once", init: { method: "POST" }, failures: 1, want: { status: 502, sent: 1 } },
    {
      name: "a POST with an Idempotency-Key again",
      init: { method: "POST", headers: { "idempotency-key": '"k"' } },
      failures: 1,
      want: { status: 200, sent: 2 },
    },
    { name: "a PUT whose body was sent once", init: { method: "PUT", body: "x" }, failures: 1, want: { status: 502, sent: 1 } },
    { name: "at most attemptsMax times", init: {}, failures: 9, want: { status: 502, sent: 3 } },
  ])("is sent $name", async ({ init, failures, want }) => {
    // Earned back by what is served.
    for (let count = 0; count < 20; count += 1) expect(await attempts({}, 0)).toEqual({ status: 200, sent: 1 });
    expect(await attempts(init, failures)).toEqual(want);
    await gateway.expectNoSlotInUse();
  });

  it("is sent no more than a part of the requests again", async () => {
    const results = [];
    for (let count = 0; count < 60; count += 1) results.push(await attempts({}, 9));
    const sent = results.reduce((sum, result) => sum + result.sent, 0);
    expect(sent).toBeLessThanOrEqual(60 + 10 + 60 * 0.2 + 1);
    expect(results.at(-1)).toMatchObject({ status: 502 });
  });
});
