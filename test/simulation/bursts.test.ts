// Requests that come all at once, after a pause, to a flow with a rate: what the bucket has for them is theirs, wherever it lies.
import { describe, expect, it } from "vitest";
import { VirtualService } from "./virtual-service.ts";

const FLOW = "acme/gold";
/** A burst is a second's worth. */
const RATE = 205;
const PAUSE_S = 4;
const BURSTS = 100;

const SHAPES = [
  { holderCount: 1, slots: 4, withinMs: 60 },
  { holderCount: 1, slots: 40, withinMs: 60 },
  { holderCount: 1, slots: 40, withinMs: 5 },
  { holderCount: 3, slots: 40, withinMs: 60 },
];

function servedOf({ holderCount, slots, withinMs }: (typeof SHAPES)[number], count: number, seed: number): number {
  const service = new VirtualService({
    seed,
    holderCount,
    capacities: [slots],
    loads: [{ flow: FLOW, urgency: 3, perSecond: 1 / PAUSE_S, burst: { count, withinMs } }],
    serviceMs: 20,
    deadlineMs: 20_000,
    quotas: { [FLOW]: { ratePerSecond: RATE } },
  });
  const result = service.run({ warmMs: 1_000, measuredMs: BURSTS * PAUSE_S * 1_000 }).flows.get(FLOW);
  expect(result?.arrivals).toBe(BURSTS * count);
  return (result?.servedLocally ?? 0) + (result?.servedByName ?? 0);
}

describe.for(SHAPES)("at $holderCount isolates, with $slots slots, within $withinMs ms", (shape) => {
  it.for([1, 2, 3])("a burst that the rate has is served, seed %i", { timeout: 60_000 }, (seed) => {
    expect(servedOf(shape, 200, seed)).toBeGreaterThanOrEqual(0.99 * BURSTS * 200);
  });

  it.for([1, 2, 3])("of twice as many what it has, and no more, seed %i", { timeout: 60_000 }, (seed) => {
    const served = servedOf(shape, 400, seed);
    expect(served).toBeGreaterThanOrEqual(0.99 * BURSTS * RATE);
    // While they come and are answered the bucket earns a little.
    expect(served).toBeLessThanOrEqual(BURSTS * RATE * (1 + (shape.withinMs + 50) / 1_000));
  });
});
