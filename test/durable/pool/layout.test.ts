import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutShards, type LayoutInput } from "#durable/pool/layout.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";

function serviceOf(capacities: readonly number[], shards: Partial<LayoutInput["service"]["shards"]> = {}): LayoutInput["service"] {
  const endpoints = capacities.map((capacity, index) => ({ url: `https://e${index}.example`, capacity }));
  return serviceFileSchema.parse({ service: "svc", endpoints, shards: { sizeMin: 10, sizeMax: 50, countMin: 1, countMax: 40, ...shards } });
}

const NONE_IN_USE = (): number => 0;

function sizesOf(service: LayoutInput["service"]): number[] {
  return layoutShards({ service, current: [], inUse: NONE_IN_USE, nextNumber: 1 }).shards.map(({ size }) => size);
}

describe("the layout of shards", () => {
  it.for([
    { name: "cuts an endpoint into as few shards as the size allows", capacities: [200], want: [50, 50, 50, 50] },
    { name: "evens sizes out", capacities: [101], want: [34, 34, 33] },
    { name: "keeps a small endpoint whole", capacities: [5], want: [5] },
    { name: "cuts every endpoint for itself", capacities: [60, 10], want: [30, 30, 10] },
    { name: "never goes below the smallest size to use the last slots", capacities: [55], shards: { sizeMin: 30 }, want: [50] },
    { name: "stays within the count, each endpoint in turn", capacities: [200, 200], shards: { countMax: 3 }, want: [50, 50, 50] },
    { name: "has no shard without an endpoint", capacities: [], want: [] },
  ])("$name", ({ capacities, shards, want }) => {
    expect(sizesOf(serviceOf(capacities, shards))).toEqual(want);
  });

  it("makes no shard of an agent's address: it takes no requests", () => {
    const { endpoints, ...service } = serviceOf([100, 60]);
    const [fixed, agent] = endpoints;
    if (fixed === undefined || agent === undefined) return expect.unreachable();
    const mixed = { ...service, endpoints: [{ ...agent, provider: "process" as const }, fixed] };
    const { shards } = layoutShards({ service: mixed, current: [], inUse: NONE_IN_USE, nextNumber: 1 });
    expect(new Set(shards.map(({ endpointUrl }) => endpointUrl))).toEqual(new Set([fixed.url]));
  });

  it("keeps the ids of shards that stay, drains what is in use and goes, and uses no id twice", () => {
    const first = layoutShards({ service: serviceOf([100]), current: [], inUse: NONE_IN_USE, nextNumber: 1 });
    expect(first.shards.map(({ shardId }) => shardId)).toEqual(["svc-1", "svc-2"]);
    const smaller = layoutShards({
      service: serviceOf([40]),
      current: first.shards,
      inUse: (id) => (id === "svc-2" ? 3 : 0),
      nextNumber: first.nextNumber,
    });
    expect(smaller.shards).toMatchObject([
      { shardId: "svc-1", size: 40, state: "active" },
      { shardId: "svc-2", state: "draining" },
    ]);
    const again = layoutShards({ service: serviceOf([150]), current: smaller.shards, inUse: NONE_IN_USE, nextNumber: smaller.nextNumber });
    expect(again.shards.map(({ shardId, state }) => `${shardId} ${state}`)).toEqual(["svc-1 active", "svc-2 active", "svc-3 active"]);
    const gone = layoutShards({ service: serviceOf([]), current: again.shards, inUse: NONE_IN_USE, nextNumber: again.nextNumber });
    expect(gone.shards).toEqual([]);
    expect(
      layoutShards({ service: serviceOf([10]), current: [], inUse: NONE_IN_USE, nextNumber: gone.nextNumber }).shards[0]?.shardId,
    ).toBe("svc-4");
  });

  it("never gives an endpoint more slots than its capacity, nor a shard more than the largest size, for any policy", () => {
    const policy = fc.record({
      capacities: fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 6 }),
      sizeMin: fc.integer({ min: 1, max: 60 }),
      extra: fc.nat(60),
      countMax: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(policy, ({ capacities, sizeMin, extra, countMax }) => {
        const service = serviceOf(capacities, { sizeMin, sizeMax: sizeMin + extra, countMax });
        const { shards } = layoutShards({ service, current: [], inUse: NONE_IN_USE, nextNumber: 1 });
        expect(shards.length).toBeLessThanOrEqual(countMax);
        for (const { url, capacity } of service.endpoints) {
          const sizes = shards.filter(({ endpointUrl }) => endpointUrl === url).map(({ size }) => size);
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(capacity);
          for (const size of sizes) {
            expect(size).toBeLessThanOrEqual(sizeMin + extra);
            expect(size).toBeGreaterThanOrEqual(Math.min(sizeMin, capacity));
          }
        }
        // The other direction: with shards to spare, an endpoint gets some.
        if (countMax >= capacities.length) expect(new Set(shards.map(({ endpointUrl }) => endpointUrl)).size).toBe(capacities.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
