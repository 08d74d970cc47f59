// A session that moves within a service whose every slot is taken: its slot goes with it, through the pool's evictions.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { poolName, type AcquireAnswer } from "#shared/protocol/pool-rpc.ts";
import { applyServices } from "../../support/worker/configuration.ts";

async function poolOf(service: string) {
  const version = await applyServices([{ service, capacity: 2, more: { shards: { sizeMin: 1, sizeMax: 1, countMin: 1, countMax: 2 } } }]);
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const acquire = async (slotId: string, inPlaceOf?: string): Promise<AcquireAnswer> =>
    pool.acquire({
      slotId,
      holder: "edge",
      service,
      flow: "acme/gold",
      urgency: 3,
      affinityKey: "d",
      kind: "socket",
      device: "d",
      isMove: inPlaceOf !== undefined,
      inPlaceOf,
      waitMsMax: 50,
      configurationVersion: version,
    });
  const release = async (slotId: string, holder: string): Promise<boolean> =>
    (await pool.release({ slotId, holder, flow: "acme/gold", outcome: "admitted-queued" })).freed;
  const used = async (): Promise<number> => (await pool.stats(service, version)).endpoints[0]?.slotsOut ?? -1;
  return { pool, acquire, release, used };
}

it("has no second slot for a moment, and loses the one it has to nobody", async () => {
  const { pool, acquire, release, used } = await poolOf("full-move");
  for (const slotId of ["1", "2"]) {
    expect((await acquire(slotId)).ok).toBe(true);
    expect(await pool.keep(slotId, "edge", "A")).toBe(true);
  }
  expect((await acquire("stranger")).ok).toBe(false);
  const moved = await acquire("new", "1");
  expect(moved.ok).toBe(true);
  expect(await used()).toBe(2);
  await evictDurableObject(pool);
  expect(await used()).toBe(2);
  expect(await pool.keep("new", "edge", "B")).toBe(true);
  await evictDurableObject(pool);
  expect(await release("1", "A")).toBe(true);
  expect(await used()).toBe(2);
  await evictDurableObject(pool);
  expect([await used(), (await acquire("stranger again")).ok]).toEqual([2, false]);
  expect([await release("new", "B"), await release("new", "B"), await used()]).toEqual([true, false, 1]);
});

it("is admitted like any other where its slot is not of that kind, or not there", async () => {
  const { acquire, used } = await poolOf("ordinary-move");
  // Nobody has taken it over: it is no socket's yet.
  expect((await acquire("1")).ok).toBe(true);
  expect((await acquire("2", "1")).ok).toBe(true);
  expect(await used()).toBe(2);
  expect((await acquire("3", "gone")).ok).toBe(false);
});
