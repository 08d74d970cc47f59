// Isolates and a pool that tell each other, many in one call, of requests that have no slot: the real objects.
import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { ExchangeMessage, SlotAsk, SlotVerdict } from "#shared/protocol/exchange.ts";
import { regionalPoolName, type PoolRpc } from "#shared/protocol/pool-rpc.ts";
import { applyServices, type TestService } from "../../support/worker/configuration.ts";

const FLOW = "acme/gold";
const REGIONS = { regions: ["weur", "enam"] } as const;

const askFor = (slotId: string, more: Partial<SlotAsk> = {}): SlotAsk => ({
  slotId,
  flow: FLOW,
  urgency: 3,
  affinityKey: null,
  waitMsMax: 20_000,
  askedAtMs: 0,
  ...more,
});

const asksFor = (count: number, prefix = "r"): readonly SlotAsk[] =>
  Array.from({ length: count }, (_, index) => askFor(`${prefix}-${index}`));

/** What became of whom, in turn: the outcome, or "granted". */
const outcomesOf = (verdicts: readonly SlotVerdict[]) =>
  verdicts.map((verdict) => [verdict.slotId, verdict.ok ? "granted" : verdict.outcome]);

/** A pool with a service of its own; in `region`, its regional one. */
async function poolOf(of: TestService, region?: "enam") {
  const configurationVersion = await applyServices([of]);
  const { service } = of;
  // A fresh one each time: of an object that has died a stub is of no use any more.
  const home = () => env.POOL.get(env.POOL.idFromName(service));
  const stub = (): Pick<PoolRpc, "exchange" | "acquire"> =>
    region === undefined ? home() : env.REGIONAL_POOL.get(env.REGIONAL_POOL.idFromName(regionalPoolName(service, region)));
  const said = { service, holder: "h", configurationVersion, asks: [], returned: [], cancelled: [], ...(region && { region }) };
  let number = 0;
  /** What the answer to one call brings. */
  const call = async (message: Partial<ExchangeMessage> = {}): Promise<readonly SlotVerdict[]> =>
    (await stub().exchange({ ...said, number: (number += 1), countsFrom: 1, ...message })).verdicts;
  const stats = () => home().stats(service, configurationVersion);
  const out = async (): Promise<number> => (await stats()).endpoints.reduce((sum, { slotsOut }) => sum + slotsOut, 0);
  const acquire = (slotId: string, more: Partial<SlotAsk> = {}) => {
    const { askedAtMs: _, ...request } = askFor(slotId, more);
    return stub().acquire({ ...request, service, holder: "h", kind: "request", configurationVersion, ...(region && { region }) });
  };
  /** Asks, and calls until all who asked were told. */
  const askAll = async (asks: readonly SlotAsk[]): Promise<readonly SlotVerdict[]> => {
    const told = [...(await call({ asks }))];
    while (told.length < asks.length) told.push(...(await call()));
    return told;
  };
  return { home, call, stats, out, acquire, askAll };
}

it.for([undefined, "enam"] as const)(
  "a token of its isolate's is enough: the pool's are left to those that have none (%s)",
  async (region) => {
    const quota = { ratePerSecond: 1, burst: 2 };
    const of = { service: `paid-${region ?? "home"}`, capacity: 20, quota, ...(region && { more: REGIONS }) };
    const { askAll } = await poolOf(of, region);
    const told = await askAll([...asksFor(5, "paid").map((ask) => ({ ...ask, isPaid: true as const })), ...asksFor(5, "bare")]);
    const granted = told.filter(({ ok }) => ok).map(({ slotId }) => slotId);
    expect(granted.filter((slotId) => slotId.startsWith("paid"))).toHaveLength(5);
    // What the bucket earns meanwhile is somebody's.
    expect(granted.length - 5).toBeGreaterThanOrEqual(2);
    expect(granted.length).toBeLessThan(10);
    const refused = told.find((verdict) => !verdict.ok);
    expect(refused).toMatchObject({ outcome: "rejected-quota", dry: {} });
  },
);

it.for([
  {
    name: "for want of a token is counted by its isolate, which may have one for it by now",
    quota: { ratePerSecond: 1, burst: 2 },
    counted: 0,
  },
  { name: "for another reason is counted by the pool", quota: { slots: 2, queueLengthMax: 0 }, counted: 3 },
])("who is refused $name", async ({ quota, counted }) => {
  const { askAll, stats } = await poolOf({ service: `counted-${counted}`, capacity: 20, quota });
  const refused = (await askAll(asksFor(5))).filter((verdict) => !verdict.ok && verdict.outcome === "rejected-quota");
  expect(refused.map((verdict) => "dry" in verdict)).toEqual(refused.map(() => counted === 0));
  expect(refused.length).toBeGreaterThan(0);
  expect((await stats()).counters.outcomes[`${FLOW} rejected-quota`] ?? 0).toBe(counted);
});

describe("those that ask together", () => {
  it("are told in one answer while there is some; the rest when names come back, by the call that stands", async () => {
    const { call, out, stats } = await poolOf({ service: "together", capacity: 5 });
    const first = await call({ asks: asksFor(8) });
    expect(outcomesOf(first)).toEqual(["r-0", "r-1", "r-2", "r-3", "r-4"].map((slotId) => [slotId, "granted"]));
    expect(await out()).toBe(5);
    const standing = call();
    await expect.poll(async () => (await stats()).queueLength).toBe(3);
    const next = call({ returned: ["r-0", "r-1"] });
    expect(outcomesOf([...(await standing), ...(await call({ returned: ["r-2"] })), ...(await next)])).toEqual(
      ["r-5", "r-6", "r-7"].map((slotId) => [slotId, "granted"]),
    );
    expect(await out()).toBe(5);
    // Nobody waits: a call does not stand.
    expect(await call()).toEqual([]);
  });

  it.for([0, 1, 2])("fill a queue of %d as they would one by one", async (queueLengthMax) => {
    const of = (service: string) => ({ service, capacity: 2, quota: { queueLengthMax } });
    const together = await poolOf(of(`batch-${queueLengthMax}`));
    const told = await together.askAll(asksFor(2 + queueLengthMax + 3).map((ask) => ({ ...ask, waitMsMax: 300 })));
    const oneByOne = await poolOf(of(`single-${queueLengthMax}`));
    const answers = await Promise.all(
      asksFor(2 + queueLengthMax + 3).map(async ({ slotId }) => {
        const answer = await oneByOne.acquire(slotId, { waitMsMax: 300 });
        return [slotId, answer.ok ? "granted" : answer.outcome] as const;
      }),
    );
    expect(Object.fromEntries(outcomesOf(told))).toEqual(Object.fromEntries(answers));
    const counts = Map.groupBy(told, (verdict) => (verdict.ok ? "granted" : verdict.outcome));
    expect(counts.get("granted")).toHaveLength(2);
    expect(counts.get("rejected-queue-full")).toHaveLength(3);
    expect(counts.get("expired-in-queue") ?? []).toHaveLength(queueLengthMax);
  });

  it("find what came back with them given to those who waited before", async () => {
    const { call, stats } = await poolOf({ service: "came-back", capacity: 1, quota: { queueLengthMax: 0 } });
    await call({ asks: [askFor("runs")] });
    const standing = call({ asks: [askFor("waits", { flow: "acme/bronze" })] });
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    const told = await call({ returned: ["runs"], asks: [askFor("comes")] });
    expect(Object.fromEntries(outcomesOf([...(await standing), ...told]))).toEqual({ comes: "rejected-queue-full", waits: "granted" });
  });

  it("hear nothing of another isolate's", async () => {
    const { call } = await poolOf({ service: "two", capacity: 1 });
    await call({ asks: [askFor("a-1")] });
    const [mine, others] = [call({ asks: [askFor("a-2")] }), call({ holder: "other", asks: [askFor("b-1")] })];
    await call({ holder: "third", returned: ["a-1"] });
    await call({ holder: "third", cancelled: ["a-2", "b-1"] });
    const standing = call({ returned: ["a-1"] });
    expect(outcomesOf([...(await mine), ...(await standing)])).toEqual([["a-2", "granted"]]);
    await call({ returned: ["a-2"] });
    expect(outcomesOf(await others)).toEqual([["b-1", "granted"]]);
  });
});

describe("who waits no longer", () => {
  it("has its granted slot freed, by its own isolate and by no other", async () => {
    const { call, out } = await poolOf({ service: "freed", capacity: 2 });
    await call({ asks: [askFor("r-1")] });
    expect(await call({ holder: "thief", cancelled: ["r-1"], returned: ["r-1"] })).toEqual([]);
    expect(await out()).toBe(1);
    expect(await call({ cancelled: ["r-1"] })).toEqual([]);
    expect(await out()).toBe(0);
  });

  it("leaves the queue, and the call that stood for it alone is answered", async () => {
    const { call, stats } = await poolOf({ service: "left", capacity: 1 });
    await call({ asks: [askFor("r-1")] });
    const standing = call({ asks: [askFor("r-2")] });
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    expect(await call({ cancelled: ["r-2"] })).toEqual([]);
    expect(await standing).toEqual([]);
    expect((await stats()).queueLength).toBe(0);
  });

  it("gets no slot by what was asked for it elsewhere: that would stand idle for seconds", async () => {
    const { call } = await poolOf({ service: "prepared", capacity: 1, more: REGIONS }, "enam");
    await call();
    const asking = call({ asks: [askFor("r-1")] });
    // The region has nothing yet, and asks its home.
    expect(await call({ cancelled: ["r-1"] })).toEqual([]);
    expect(await asking).toEqual([]);
    expect(outcomesOf(await call({ asks: [askFor("r-2", { waitMsMax: 2_000 })] }))).toEqual([["r-2", "granted"]]);
  });
});

describe("who asks again", () => {
  it("has the slot that it has, and no second one", async () => {
    const { call, out } = await poolOf({ service: "same", capacity: 3 });
    const [first] = await call({ asks: [askFor("r-1", { askedAtMs: 100 })] });
    const [again] = await call({ asks: [askFor("r-1", { askedAtMs: 1_100 })] });
    expect(first).toMatchObject({ ok: true, askedAtMs: 100 });
    // Its life is what is left of it, from the second asking on.
    expect(again).toMatchObject({ ok: true, askedAtMs: 1_100, slot: { slotId: "r-1", waitedMs: 0 } });
    expect(await out()).toBe(1);
  });

  it("has the place in the queue that it has, and is told once, since when it first asked", async () => {
    const { call, stats } = await poolOf({ service: "place", capacity: 1 });
    await call({ asks: [askFor("r-1")] });
    const standing = [call({ asks: [askFor("r-2", { askedAtMs: 100 })] })];
    for (let count = 0; count < 3; count += 1) standing.push(call({ asks: [askFor("r-2", { askedAtMs: 1_100 })] }));
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    standing.push(call({ returned: ["r-1"] }));
    const verdicts = (await Promise.all(standing)).flat();
    expect(verdicts).toMatchObject([{ ok: true, slotId: "r-2", askedAtMs: 100 }]);
  });
});

describe("an object that begins anew", () => {
  it("fails the call that stands, and has whoever asks again", async () => {
    const { home, call, stats } = await poolOf({ service: "anew", capacity: 1 });
    await call({ asks: [askFor("r-1")] });
    const standing = call({ asks: [askFor("r-2")] }).then(
      (verdicts) => verdicts,
      (error: unknown) => error,
    );
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    await runInDurableObject(home(), (_instance, state) => state.abort("as a process that dies")).catch(() => undefined);
    expect(await standing).toBeInstanceOf(Error);
    // It knows of nobody who waits: a call that asks for nothing does not stand.
    expect(await call()).toEqual([]);
    const again = call({ asks: [askFor("r-2")] });
    await expect.poll(async () => (await stats()).queueLength).toBe(1);
    const next = call({ returned: ["r-1"] });
    expect(outcomesOf([...(await again), ...(await next)])).toEqual([["r-2", "granted"]]);
  });
});

describe("a pool that knows nothing of its region yet", () => {
  it.for(["together", "each by a call of its own"])("tells all that ask, %s", async (how) => {
    const isTogether = how === "together";
    const { askAll, acquire, out } = await poolOf({ service: isTogether ? "cold" : "colder", capacity: 40, more: REGIONS }, "enam");
    const asks = asksFor(30);
    const told = isTogether ? await askAll(asks) : await Promise.all(asks.map(async ({ slotId }) => acquire(slotId)));
    expect(told.map(({ ok }) => ok)).toEqual(asks.map(() => true));
    expect(await out()).toBeGreaterThanOrEqual(30);
  });

  it("tells all that ask for more than there is", async () => {
    const { askAll } = await poolOf({ service: "short", capacity: 10, more: REGIONS }, "enam");
    const told = await askAll(asksFor(30).map((ask) => ({ ...ask, waitMsMax: 300 })));
    expect(new Set(told.map(({ slotId }) => slotId)).size).toBe(30);
    expect(told.filter(({ ok }) => ok).length).toBeLessThanOrEqual(10);
  });

  it("holds nobody up for whom it need not ask", async () => {
    const { call } = await poolOf({ service: "beside", capacity: 10, more: { ...REGIONS, deadlineMs: 30_000 } }, "enam");
    expect(outcomesOf(await call({ asks: [askFor("r-1")] }))).toEqual([["r-1", "granted"]]);
    // Of the other flow it has to ask its home; the slot that was granted it knows.
    const first = await call({ asks: [askFor("b-1", { flow: "acme/silver" }), askFor("r-1")] });
    expect(outcomesOf(first)[0]).toEqual(["r-1", "granted"]);
    const rest = first.length === 2 ? first.slice(1) : await call();
    expect(rest.map(({ slotId }) => slotId)).toEqual(["b-1"]);
  });
});
