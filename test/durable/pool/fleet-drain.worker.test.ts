// An operator's drain of shards that follow the plan, on a real pool object with an endpoint that is all sold, its clock the test's own.
import { env } from "cloudflare:workers";
import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import { DAY_MS, SECOND_MS } from "#shared/units.ts";
import { applyServices } from "../../support/worker/configuration.ts";

const CAPACITY = 10;
const STEP_MS = 2 * SECOND_MS;
const MORE = { provisioning: { mode: "act", warmCount: 0 }, shards: { sizeMin: 1, sizeMax: CAPACITY } };

beforeEach(() => vi.useFakeTimers({ toFake: ["Date"], now: Math.ceil(Date.now() / DAY_MS + 200) * DAY_MS }));
afterEach(() => vi.useRealTimers());

/** Its only shard has a socket that stays, and is drained. */
async function drainedPool(service: string) {
  const version = await applyServices([{ service, capacity: CAPACITY, more: MORE }]);
  const stub = env.POOL.get(env.POOL.idFromName(service));
  const stats = async (): Promise<PoolStats> => stub.stats(service, version);
  const step = async () => {
    vi.setSystemTime(Date.now() + STEP_MS);
    await runDurableObjectAlarm(stub);
    return stats();
  };
  /** Steps until it is so. */
  const until = async (isSo: (now: PoolStats) => boolean) => expect.poll(async () => isSo(await step()), { timeout: 20_000 }).toBe(true);
  const asked = { holder: "h", service, flow: "acme/gold", urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 60_000 } as const;
  const opening = stub.acquire({ ...asked, slotId: `${service}-1`, configurationVersion: version });
  await until(({ endpoints }) => endpoints.some(({ slotsOut }) => slotsOut === 1));
  const opened = await opening;
  if (!opened.ok) throw new Error("The socket was refused");
  const { shardId } = opened.slot;
  expect(await stub.keep(`${service}-1`, "h", "somebody")).toBe(true);
  await until(({ fleet }) => fleet?.shards.some(({ state }) => state === "active") === true);
  await stub.drain(service, version, { order: { shardIds: [shardId], reason: "test", graceMs: SECOND_MS } });
  await until(({ fleet }) => fleet?.shards.some((shard) => shard.shardId === shardId && shard.state === "draining") === true);
  return { stub, version, until, shardId };
}

const serving = ({ shards }: PoolStats) => shards.filter(({ state }) => state === "active");

it("the only slice of an endpoint that is all sold is replaced while its sockets leave, within what the endpoint has", async () => {
  const { until, shardId } = await drainedPool("replaced");
  await until((now) => serving(now).length > 0);
  await until(({ endpoints, shards }) => {
    expect(endpoints.reduce((sum, { capacity }) => sum + capacity, 0)).toBeLessThanOrEqual(CAPACITY);
    return shards.some((shard) => shard.shardId === shardId && shard.state === "draining");
  });
});

it("a slice comes back when its drain is cancelled, however late", async () => {
  const { stub, version, until, shardId } = await drainedPool("came-back");
  await until((now) => serving(now).length > 0);
  await stub.drain("came-back", version, { cancel: [shardId] });
  await until((now) => serving(now).some((shard) => shard.shardId === shardId && shard.size === CAPACITY));
});
