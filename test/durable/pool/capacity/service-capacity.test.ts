import { describe, it } from "vitest";
import { capacityOf, ServiceCapacity, type Agent } from "#durable/pool/capacity/service-capacity.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import type { CapacityOrder } from "#shared/protocol/capacity-provider.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { FaultyProvider } from "#test/support/faulty-provider.ts";

const OFFER = { offerId: "process", region: null, slotsMax: 80, pricePerHour: 0.1 };
const ORDER: CapacityOrder = { unitId: "u-1", offerId: "http://a process", service: "echo", slots: 50, pricePerHourMax: 1 };

interface World {
  readonly capacity: ServiceCapacity;
  readonly providers: readonly FaultyProvider[];
  /** Runs the clock until the promise is settled. */
  readonly run: <Value>(asked: Promise<Value>) => Promise<Value>;
}

function worldOf(agents: readonly Partial<Agent>[] = [{}]): World {
  const clock = new EventClock(0);
  const providers = agents.map((_, index) => new FaultyProvider({ seed: index, clock, offers: [OFFER], unitCountMax: 8, startMs: 1_000 }));
  const all = agents.map((agent, index): Agent => {
    const [provider] = providers.slice(index);
    if (provider === undefined) throw new Error("one provider an agent");
    return { url: index === 0 ? "http://a" : "http://b", provider, capacity: 120, pricePerHour: 0.24, region: "weur", ...agent };
  });
  return {
    capacity: new ServiceCapacity(all, 50),
    providers,
    async run(asked) {
      let isSettled = false;
      const settled = asked.finally(() => (isSettled = true));
      while (!isSettled) {
        clock.until(clock.nowMs + 1_000);
        for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      }
      return settled;
    },
  };
}

describe("what the operator allows", () => {
  it("offers units of at most the largest shard, as many as fit into the endpoint's capacity", async ({ expect }) => {
    const { capacity, run } = worldOf();
    const first = await run(capacity.offers());
    expect(first).toEqual({
      ok: true,
      value: [{ offerId: "http://a process", region: "weur", slotsMax: 50, pricePerHour: 0.1, availableCount: 2 }],
    });
    await run(capacity.reserve(ORDER));
    expect(await run(capacity.offers())).toMatchObject({ value: [{ availableCount: 1 }] });
    await run(capacity.reserve({ ...ORDER, unitId: "u-2" }));
    expect(await run(capacity.reserve({ ...ORDER, unitId: "u-3" }))).toEqual({
      ok: false,
      reason: "out-of-capacity",
      detail: "100 of 120 slots at http://a are taken, 50 were ordered",
    });
    // The same order again takes nothing more.
    expect(await run(capacity.reserve({ ...ORDER, unitId: "u-2" }))).toMatchObject({ ok: true });
    await run(capacity.stop("u-1"));
    expect(await run(capacity.reserve({ ...ORDER, unitId: "u-3" }))).toMatchObject({ ok: true });
  });

  it("a unit costs at most its part of the endpoint's price", async ({ expect }) => {
    const { capacity, providers, run } = worldOf([{ pricePerHour: 0.23 }]);
    expect(await run(capacity.offers())).toMatchObject({
      ok: false,
      reason: "too-dear",
      detail: expect.stringMatching(
        /^http:\/\/a process is 0\.1 an hour, expected at most 0\.0958\d* for 50 slots by the endpoint's pricePerHour$/,
      ) as string,
    });
    expect(await run(capacity.reserve(ORDER))).toMatchObject({ ok: false, reason: "too-dear" });
    expect(providers[0]?.startsByUnit.size).toBe(0);
  });

  it("an order of an offer that no agent of the service has is refused here", async ({ expect }) => {
    const { capacity, run } = worldOf();
    expect(await run(capacity.reserve({ ...ORDER, offerId: "http://evil process" }))).toMatchObject({ reason: "unknown-offer" });
  });
});

describe("several agents", () => {
  it("are one list of offers and of units, and each unit is started where it was reserved", async ({ expect }) => {
    const { capacity, providers, run } = worldOf([{}, {}]);
    expect(await run(capacity.offers())).toMatchObject({ value: [{ offerId: "http://a process" }, { offerId: "http://b process" }] });
    await run(capacity.reserve({ ...ORDER, unitId: "u-2", offerId: "http://b process" }));
    expect(await run(capacity.start("u-2"))).toMatchObject({ ok: true, value: { offerId: "http://b process", state: "starting" } });
    expect(providers.map(({ startsByUnit }) => [...startsByUnit.keys()])).toEqual([[], ["u-2"]]);
    expect(await run(capacity.units("echo"))).toMatchObject({ value: [{ unitId: "u-2", offerId: "http://b process" }] });
  });

  it("after an eviction nothing is started before it is known where; everything can be stopped", async ({ expect }) => {
    const world = worldOf([{}, {}]);
    await world.run(world.capacity.reserve(ORDER));
    const [a, b] = world.providers;
    if (a === undefined || b === undefined) return expect.unreachable();
    const agents = [a, b].map((provider, index) => ({
      url: index === 0 ? "http://a" : "http://b",
      provider,
      capacity: 120,
      pricePerHour: 1,
      region: null,
    }));
    const after = new ServiceCapacity(agents, 50);
    expect(await world.run(after.start("u-1"))).toMatchObject({ ok: false, reason: "unavailable" });
    await world.run(after.units("echo"));
    expect(await world.run(after.start("u-1"))).toMatchObject({ ok: true });
    expect(await world.run(new ServiceCapacity(agents, 50).stop("u-1"))).toEqual({ ok: true, value: null });
    expect(await world.run(after.units("echo"))).toEqual({ ok: true, value: [] });
  });

  it.for(["http://a process", "https://slice.example"])(
    "one that lists what %s sold, as a copy of its host does, is not believed, and not asked to stop it",
    async (offerId, { expect }) => {
      const { capacity, providers, run } = worldOf([{}, {}]);
      const [a, b] = providers;
      if (a === undefined || b === undefined) return expect.unreachable();
      for (const provider of [a, b]) await run(provider.reserve({ ...ORDER, offerId: "process" }));
      const sold = { unitId: "u-1", offerId, service: "echo", url: "http://u", slots: 50, pricePerHour: 0.1 };
      capacity.recall([{ ...sold, state: "ready", failure: null }]);
      const isOfA = offerId.startsWith("http://a ");
      expect(await run(capacity.units("echo"))).toMatchObject({ value: isOfA ? [{ unitId: "u-1", offerId }] : [] });
      if (!isOfA) return;
      await run(capacity.stop("u-1"));
      expect(await run(a.units("echo"))).toEqual({ ok: true, value: [] });
      expect(await run(b.units("echo"))).toMatchObject({ value: [{ unitId: "u-1" }] });
      // Once nobody has it any more it is b's alone, and a stray.
      capacity.recall([]);
      expect(await run(capacity.units("echo"))).toMatchObject({ value: [{ unitId: "u-1", offerId: "http://b process" }] });
    },
  );

  it("one that does not answer: its units stay as they were told, the other's offers remain", async ({ expect }) => {
    const { capacity, providers, run } = worldOf([{}, {}]);
    await run(capacity.reserve(ORDER));
    await run(capacity.units("echo"));
    providers[0]?.setFaults({ refusedCalls: 1 });
    expect(await run(capacity.units("echo"))).toMatchObject({ ok: true, value: [{ unitId: "u-1" }] });
    expect(await run(capacity.offers())).toMatchObject({ ok: true, value: [{ offerId: "http://b process" }] });
    providers[1]?.setFaults({ refusedCalls: 1 });
    expect(await run(capacity.offers())).toMatchObject({ ok: false, reason: "unavailable" });
  });

  it("one that is down since the pool woke keeps the other from nothing: its units stay as the pool remembers them", async ({ expect }) => {
    const { capacity, providers, run } = worldOf([{}, {}]);
    providers[0]?.setFaults({ refusedCalls: 1 });
    const known = {
      unitId: "u-1",
      offerId: "http://a process",
      service: "echo",
      state: "ready",
      url: "http://u",
      slots: 50,
      pricePerHour: 0.1,
    };
    capacity.recall([{ ...known, state: "ready", failure: null }]);
    expect(await run(capacity.units("echo"))).toMatchObject({ ok: true, value: [known] });
    expect(await run(capacity.offers())).toMatchObject({ ok: true, value: [{ offerId: "http://b process" }] });
    // Where none answers nobody knows anything.
    providers[1]?.setFaults({ refusedCalls: 1 });
    expect(await run(capacity.units("echo"))).toMatchObject({ ok: false, reason: "unavailable" });
  });
});

it("is made of a service's endpoints with provider: process, and of nothing else", async ({ expect }) => {
  const service = (endpoints: readonly object[]) => serviceFileSchema.parse({ service: "echo", endpoints });
  const fixed = { url: "https://e.example", capacity: 100 };
  expect(capacityOf(service([fixed]), new Map())).toBeNull();
  const capacity = capacityOf(service([fixed, { ...fixed, url: "https://agent.example/", provider: "process" }]), new Map());
  expect(await capacity?.offers()).toEqual({
    ok: false,
    reason: "unauthorized",
    detail: "there is no key for https://agent.example, expected one in CAPACITY_AGENT_KEYS",
  });
});
