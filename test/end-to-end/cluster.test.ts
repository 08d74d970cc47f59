// Several processes on one bucket, each with a part of the objects: the one with the pool is killed while the others wait for its
// answers, and what it held comes back. Nobody else dies of it, and the one that died takes part again.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { startCluster, type Cluster, type Member } from "../support/cluster.ts";
import { documentsOf, sumOf } from "../support/gateway.ts";

const MEMBER_COUNT = 4;
const CAPACITY = 12;
/** What was seen of a request whose process died. */
const DIED = 0;

let cluster: Cluster;
let backend: DemoBackend;
let headers: { authorization: string };

async function ask({ url }: Pick<Member, "url">, path: string): Promise<number> {
  try {
    const response = await fetch(`${url}/s/echo/${path}`, { headers });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return DIED;
  }
}

async function metricOf({ url }: Pick<Member, "url">, metric: string): Promise<number> {
  return sumOf(await (await fetch(`${url}/metrics`)).text(), metric);
}

/** Asks until it is served; what it was told before that. */
async function insist(member: Member): Promise<number[]> {
  const seen: number[] = [];
  for (let status = await ask(member, "x?delayMs=20"); status !== 200; status = await ask(member, "x?delayMs=20")) {
    seen.push(status);
    if (!member.isRunning) break;
  }
  return seen;
}

describe("a cluster whose process with the pool is killed under load", () => {
  beforeAll(async () => {
    backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: CAPACITY, delayMs: 0 });
    cluster = await startCluster(MEMBER_COUNT);
    await cluster.apply(
      documentsOf({ url: backend.url, capacity: CAPACITY, echo: { deadlineMs: 10_000, requestDurationMsMax: 12_000 }, more: {} }),
    );
    const { signers } = await cluster.state.ensureTenantKeys("acme");
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
    await cluster.stop();
    await backend.close();
  });

  it("refuses while nobody has the pool, uses no slot twice, and has every slot back afterwards", { timeout: 180_000 }, async () => {
    const [owner, ...others] = cluster.members as readonly [Member, ...Member[]];
    // Whoever asks for an object first has it.
    expect(await ask(owner, "x")).toBe(200);
    const mixed = Array.from({ length: 8 * CAPACITY }, async (_, index) =>
      ask(cluster.members[index % MEMBER_COUNT] ?? owner, "x?delayMs=100"),
    );
    expect(new Set(await Promise.all(mixed))).toEqual(new Set([200]));
    expect(backend.stats().overCapacity).toBe(0);

    const held = Array.from({ length: CAPACITY }, async (_, index) =>
      ask(cluster.members[index % MEMBER_COUNT] ?? owner, "x?bytes=100000&chunks=100&chunkDelayMs=80"),
    );
    await expect.poll(() => backend.stats().inFlight).toBeGreaterThan(CAPACITY / 2);
    // More than there are slots, from all who will be left, for as long as it takes: a refusal says so, and takes no slot.
    const flood = others.flatMap((member) => Array.from({ length: CAPACITY }, async () => insist(member)));
    // The pool has them wait: their calls are under way when it dies.
    await expect.poll(async () => metricOf(owner, "tidegate_queue_length")).toBeGreaterThan(0);
    await owner.kill();
    const verdict = await fetch(`${others[0]?.url}/connect/echo`, { method: "POST", headers });
    expect(await verdict.json()).toMatchObject({ status: 503, type: "/problems/rejected-capacity" });
    const seen = new Set((await Promise.all(flood)).flat());
    await Promise.all(held);
    const panics = cluster.logs.filter((line) => line.includes("panicked")).join("\n");
    expect(others.filter(({ isRunning }) => !isRunning).length, panics).toBe(0);
    for (const status of seen) expect([503, 504]).toContain(status);
    expect(seen).toContain(503);
    expect(backend.stats().overCapacity).toBe(0);
    const [last] = others as [Member, ...Member[]];
    await expect.poll(async () => metricOf(last, "tidegate_slots_out"), { timeout: 60_000, interval: 500 }).toBe(0);

    const counted = async (): Promise<string> => (await fetch(`${last.url}/metrics`)).text();
    await expect.poll(counted).toMatch(/^tidegate_edge_refusals_total\{.*outcome="rejected-capacity".*\} [1-9]/m);

    const again = [await owner.restart(), ...others];
    const served = Array.from({ length: 8 * CAPACITY }, async (_, index) => ask(again[index % MEMBER_COUNT] ?? last, "x?delayMs=100"));
    expect(new Set(await Promise.all(served))).toEqual(new Set([200]));
    expect(backend.stats().overCapacity).toBe(0);
    await expect.poll(async () => metricOf(last, "tidegate_slots_out"), { timeout: 60_000, interval: 500 }).toBe(0);
  });
});
