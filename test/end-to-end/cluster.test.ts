// Several processes on one bucket, each with a part of the objects: the one with the pool is killed under load, and what it held
// comes back. workerd's cluster mode is experimental, and now and then a process that was not killed panics while it looks for
// the dead one's objects: that is one death more here, and the reason why this runs in the long mode alone.
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

async function slotsOut({ url }: Pick<Member, "url">): Promise<number> {
  return sumOf(await (await fetch(`${url}/metrics`)).text(), "tidegate_slots_out");
}

const isAlive = async (member: Member): Promise<boolean> => (await ask(member, "x")) !== DIED;

describe.runIf(process.env["TIDEGATE_LONG"] === "1")("a cluster whose process with the pool is killed under load", () => {
  beforeAll(async () => {
    backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: CAPACITY, delayMs: 0 });
    cluster = await startCluster(MEMBER_COUNT);
    await cluster.apply(
      documentsOf({ url: backend.url, capacity: CAPACITY, echo: { deadlineMs: 5_000, requestDurationMsMax: 10_000 }, more: {} }),
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
      ask(cluster.members[index % MEMBER_COUNT] ?? owner, "x?bytes=100000&chunks=100&chunkDelayMs=50"),
    );
    await expect.poll(() => backend.stats().inFlight).toBeGreaterThan(CAPACITY / 2);
    await owner.kill();
    // More than there are slots, from all who are left, for as long as it takes: a refusal says so, and takes no slot.
    const seen = new Set<number>();
    const flood = async (member: Member): Promise<void> => {
      for (let status = await ask(member, "x?delayMs=20"); status !== 200; status = await ask(member, "x?delayMs=20")) {
        seen.add(status);
        if (status === DIED && !(await isAlive(member))) return;
      }
    };
    await Promise.all(others.flatMap((member) => Array.from({ length: CAPACITY }, async () => flood(member))));
    await Promise.all(held);
    for (const status of seen) expect([DIED, 503, 504]).toContain(status);
    expect(seen).toContain(503);
    expect(backend.stats().overCapacity).toBe(0);

    const alive = await Promise.all(others.map(async (member) => ((await isAlive(member)) ? [member] : [])));
    const [last] = alive.flat();
    if (last === undefined) expect.unreachable(`No process is left: ${cluster.logs.slice(-5).join("\n")}`);
    await expect.poll(() => slotsOut(last), { timeout: 60_000, interval: 500 }).toBe(0);
    expect(await ask(last, "x")).toBe(200);
  });
});
