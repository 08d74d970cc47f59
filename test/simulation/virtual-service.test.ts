import { describe, expect, it } from "vitest";
import { VirtualService, type FlowResult, type VirtualLoad, type VirtualResult, type VirtualServiceOptions } from "./virtual-service.ts";

const CLASSES = { gold: { weight: 8, reserve: 0.4 }, silver: { weight: 3, reserve: 0.1 }, bronze: { weight: 1, reserve: 0.05 } };

function callsPerRequest({ flows, calls }: VirtualResult): number {
  const arrivals = [...flows.values()].reduce((sum, flow) => sum + flow.arrivals, 0);
  return (calls.renew + calls.exchange) / arrivals;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

/** Slots used on average. */
function usedBy(flow: FlowResult | undefined, { serviceMs, measuredMs }: { serviceMs: number; measuredMs: number }): number {
  return (((flow?.servedLocally ?? 0) + (flow?.servedByName ?? 0)) * serviceMs) / measuredMs;
}

describe("8 isolates with 80 slots at 1,000 requests a second", () => {
  it("cost at most one call to the pool per hundred requests, and refuse nobody", () => {
    const loads = [{ flow: "acme/gold", urgency: 3, perSecond: 1_000 }];
    const service = new VirtualService({ seed: 11, holderCount: 8, capacities: [80], loads, serviceMs: 20, deadlineMs: 10_000 });
    const result = service.run({ warmMs: 10_000, measuredMs: 30_000 });
    expect(callsPerRequest(result)).toBeLessThanOrEqual(0.01);
    expect(result.flows.get("acme/gold")?.refused).toBe(0);
    expect(result.overCapacityMax).toBeLessThanOrEqual(0);
  });
});

describe("8 isolates with 200 slots at 1,000 requests a second of nine flows", () => {
  it("cost at most one call in fifteen requests, though each flow's part in each isolate is a third of a slot", () => {
    const loads = ["gold", "silver", "bronze"].flatMap((className) =>
      ["acme", "globex", "initech"].map((tenant) => ({ flow: `${tenant}/${className}`, urgency: 4, perSecond: 1_000 / 9 })),
    );
    const fixed = { capacities: [200], loads, serviceMs: 20, deadlineMs: 2_000, classes: CLASSES };
    const result = new VirtualService({ seed: 5, holderCount: 8, ...fixed }).run({ warmMs: 4_000, measuredMs: 20_000 });
    expect(callsPerRequest(result)).toBeLessThanOrEqual(1 / 15);
    expect(result.overCapacityMax).toBeLessThanOrEqual(0);
  });
});

describe("three times more load than slots", () => {
  const [slots, serviceMs, measuredMs] = [50, 100, 20_000];
  const perSecond = (part: number): number => (part * slots * 1_000) / serviceMs;
  const loads: readonly VirtualLoad[] = [
    { flow: "a/gold", urgency: 1, perSecond: perSecond(0.25) },
    { flow: "b/silver", urgency: 3, perSecond: perSecond(0.75) },
    { flow: "c/bronze", urgency: 5, perSecond: perSecond(2) },
  ];
  const overloaded = (): VirtualResult =>
    new VirtualService({ seed: 5, holderCount: 4, capacities: [20, 30], loads, serviceMs, deadlineMs: 2_000, classes: CLASSES }).run({
      warmMs: 10_000,
      measuredMs,
    });

  it("leave gold, within its reserve, nearly alone; give bronze what is reserved for it; and never exceed an endpoint", () => {
    const result = overloaded();
    const [gold, bronze] = [result.flows.get("a/gold"), result.flows.get("c/bronze")];
    expect(gold?.refused).toBe(0);
    expect(quantile(gold?.waitsMs ?? [], 0.99)).toBeLessThan(serviceMs / 2);
    expect(usedBy(bronze, { serviceMs, measuredMs })).toBeGreaterThan(0.05 * slots);
    expect(result.overCapacityMax).toBe(0);
  });

  it("use the slots, and serve the classes in order of their weights", () => {
    const result = overloaded();
    const [silver, bronze] = [result.flows.get("b/silver"), result.flows.get("c/bronze")].map((flow) =>
      usedBy(flow, { serviceMs, measuredMs }),
    );
    expect(result.busyMs / measuredMs / slots).toBeGreaterThan(0.75);
    expect((silver ?? 0) / (bronze ?? 1)).toBeGreaterThan(2);
    expect((silver ?? 0) / (bronze ?? 1)).toBeLessThan(4);
  });

  it("are refused at the edge for the most part: the pool is asked for few of them", () => {
    const { flows, asks } = overloaded();
    const arrivals = [...flows.values()].reduce((sum, flow) => sum + flow.arrivals, 0);
    const served = [...flows.values()].reduce((sum, flow) => sum + flow.servedLocally + flow.servedByName, 0);
    expect(asks).toBeLessThan(served * 1.5);
    expect(asks).toBeLessThan(arrivals / 2);
  });
});

describe("three times more load than slots, and every request takes the same time", () => {
  const [slots, serviceMs, measuredMs] = [30, 100, 20_000];
  const parts = { gold: 0.3, silver: 0.9, bronze: 1.8 };
  const loads = Object.entries(parts).flatMap(([className, part]) =>
    ["acme", "globex", "initech"].map((tenant): VirtualLoad => {
      const perSecond = (part * slots * 1_000) / serviceMs / 3;
      return { flow: `${tenant}/${className}`, urgency: className === "bronze" ? 4 : 3, perSecond };
    }),
  );
  type Varied = Pick<VirtualServiceOptions, "seed" | "holderCount" | "stall"> & { readonly jitter: number };
  const overloaded = (options: Varied): VirtualResult => {
    const fixed = { capacities: [slots], loads, serviceMs, deadlineMs: 2_000, callMs: 1, classes: CLASSES };
    return new VirtualService({ ...fixed, ...options }).run({ warmMs: 5_000, measuredMs });
  };
  const of = ({ flows }: VirtualResult, className: string): FlowResult[] =>
    [...flows].filter(([flow]) => flow.endsWith(`/${className}`)).map(([, flow]) => flow);

  it.for([
    { seeds: [1, 2, 3], holderCount: 1, jitter: 0 },
    { seeds: [3, 4, 5], holderCount: 1, jitter: 0.01 },
    { seeds: [4, 5, 6], holderCount: 1, jitter: 0.1 },
    { seeds: [5, 6, 7], holderCount: 4, jitter: 0 },
    { seeds: [6, 7, 8], holderCount: 8, jitter: 0.01 },
  ])(
    "gold within its reserve waits for the next slot that ends and for no step of them, jitter $jitter, $holderCount isolates",
    (options) => {
      const results = options.seeds.map((seed) => overloaded({ seed, ...options }));
      const waitsMs = results.flatMap((result) => of(result, "gold").flatMap((flow) => flow.waitsMs));
      expect(quantile(waitsMs, 0.99)).toBeLessThanOrEqual(25);
      for (const result of results) {
        expect(of(result, "gold").reduce((sum, { refused }) => sum + refused, 0)).toBe(0);
        const bronzeUsed = of(result, "bronze").reduce((sum, flow) => sum + usedBy(flow, { serviceMs, measuredMs }), 0);
        expect(bronzeUsed).toBeGreaterThan(0.05 * slots);
        expect(result.busyMs / measuredMs / slots).toBeGreaterThan(0.96);
        expect(result.overCapacityMax).toBe(0);
      }
    },
  );

  it("where the process stands still for 80 ms every 5 s, gold waits no longer than that: the steps that it leaves behind are evened out", () => {
    const stall = { everyMs: 5_000, forMs: 80 };
    const waitsMs = [1, 2, 3].flatMap((seed) =>
      of(overloaded({ seed, holderCount: 1, jitter: 0.005, stall }), "gold").flatMap((flow) => flow.waitsMs),
    );
    expect(quantile(waitsMs, 0.99)).toBeLessThanOrEqual(75);
  });
});

it("a queue as long as its tenant lets it be is full at the edge too: hardly more ask the pool than wait there", () => {
  const loads = ["silver", "bronze"].map((className) => ({ flow: `acme/${className}`, urgency: 4, perSecond: 450 }));
  const quotas = { "acme/silver": { queueLengthMax: 100 }, "acme/bronze": { queueLengthMax: 10 } };
  const fixed = { capacities: [30], loads, serviceMs: 100, jitter: 0, deadlineMs: 2_000, classes: CLASSES };
  const { flows, asks, busyMs } = new VirtualService({ seed: 9, holderCount: 1, quotas, ...fixed }).run({
    warmMs: 5_000,
    measuredMs: 20_000,
  });
  const served = [...flows.values()].reduce((sum, flow) => sum + flow.servedLocally + flow.servedByName, 0);
  expect(asks).toBeLessThan(1.25 * served);
  expect(busyMs / 20_000 / 30).toBeGreaterThan(0.95);
});

describe("an elephant and mice", () => {
  it("equal tenants of a class have equal parts though one brings ten times the others' load, and the mice hardly wait", () => {
    const mice = Array.from({ length: 8 }, (_, index) => ({ flow: `m${index}/gold`, urgency: 3, perSecond: 40 }));
    const loads = [{ flow: "elephant/gold", urgency: 3, perSecond: 4_000 }, ...mice];
    const service = new VirtualService({ seed: 7, holderCount: 4, capacities: [60], loads, serviceMs: 50, deadlineMs: 2_000 });
    const { flows } = service.run({ warmMs: 10_000, measuredMs: 15_000 });
    for (const { flow } of mice) {
      const mouse = flows.get(flow);
      expect(mouse?.refused, flow).toBe(0);
      expect(quantile(mouse?.waitsMs ?? [], 0.99), flow).toBeLessThan(200);
    }
  });
});
