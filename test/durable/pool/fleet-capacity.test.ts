import { describe, expect, it } from "vitest";
import { capacityOf, shardSlotsOf, slicesOf } from "#durable/pool/fleet-capacity.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";

function serviceOf(...capacities: number[]) {
  const endpoints = capacities.map((capacity, index) => ({ url: `https://e${index}.example`, capacity, pricePerHour: capacity / 100 }));
  return serviceFileSchema.parse({ service: "svc", endpoints, shards: { sizeMin: 10, sizeMax: 50 } });
}

async function sell(service: ReturnType<typeof serviceOf>): Promise<CapacityUnit[]> {
  const sold: CapacityUnit[] = [];
  for (let number = 1; number < 20; number += 1) {
    const provider = capacityOf(service, undefined)(sold);
    const offered = await provider.offers();
    const [offer] = offered.ok ? offered.value : [];
    if (offer === undefined) break;
    const order = {
      unitId: `svc-${number}`,
      offerId: offer.offerId,
      service: "svc",
      slots: offer.slotsMax,
      pricePerHourMax: offer.pricePerHour,
    };
    await provider.reserve(order);
    const unit = await provider.start(order.unitId);
    if (unit.ok) sold.push(unit.value);
  }
  return sold;
}

describe("a service's endpoints in slices", () => {
  it.for([
    { capacities: [200], slots: [50, 50, 50, 50], shard: 50 },
    { capacities: [101], slots: [34, 34, 33], shard: 33 },
    { capacities: [5], slots: [5], shard: 5 },
    { capacities: [60, 10], slots: [30, 30, 10], shard: 23 },
  ])("of $capacities slots are sold as $slots, each at its part of the price", async ({ capacities, slots, shard }) => {
    const service = serviceOf(...capacities);
    const sold = await sell(service);
    expect(sold.map((unit) => unit.slots)).toEqual(slots);
    for (const unit of sold) expect(unit.pricePerHour).toBeCloseTo(unit.slots / 100, 9);
    expect(shardSlotsOf(service)).toBe(shard);
  });

  it("drain where their endpoint is gone, and shrink where it did", async () => {
    const sold = await sell(serviceOf(100, 50));
    const smaller = { ...serviceOf(70), service: "svc" };
    const listed = await capacityOf(smaller, undefined)(sold).units("svc");
    expect(listed.ok ? listed.value.map(({ state, slots }) => `${state} ${slots}`) : []).toEqual(["ready 50", "ready 20", "draining 50"]);
  });

  it("that drain leave what a smaller endpoint has to those that serve, however old they are", async () => {
    const [oldest, ...others] = await sell(serviceOf(150));
    if (oldest === undefined) return expect.unreachable();
    const sold: CapacityUnit[] = [{ ...oldest, state: "draining" }, ...others];
    const listed = await capacityOf(serviceOf(70), undefined)(sold).units("svc");
    const units = listed.ok ? listed.value : [];
    expect(new Map(units.map(({ unitId, state, slots }) => [unitId, `${state} ${slots}`]))).toEqual(
      new Map([
        ["svc-1", "draining 50"],
        ["svc-2", "ready 50"],
        ["svc-3", "ready 20"],
      ]),
    );
  });

  it("are the configuration's shards, taken over as they are", () => {
    const shards = [
      { shardId: "svc-1", endpointUrl: "https://e0.example", size: 50, state: "active" as const },
      { shardId: "svc-2", endpointUrl: "https://gone.example", size: 50, state: "active" as const },
    ];
    expect(slicesOf(serviceOf(100), shards)).toMatchObject([
      { unitId: "svc-1", state: "ready", slots: 50, pricePerHour: 0.5 },
      { unitId: "svc-2", state: "draining" },
    ]);
  });
});
