import { describe, expect, it } from "vitest";
import { AdaptiveLanes, type LaneUse } from "#durable/pool/adaptive-lanes.ts";
import { serviceFileSchema, type ServiceConfig } from "#shared/config/schema.ts";
import type { LaneTelemetry } from "#shared/protocol/telemetry.ts";
import { kernels } from "#test/support/kernels.ts";

const LANE = "https://a.example";
const CAPACITY = 100;

function serviceOf(concurrency: object, capacity = CAPACITY): ServiceConfig {
  return serviceFileSchema.parse({ service: "svc", endpoints: [{ url: LANE, capacity }], concurrency });
}

function lanesOf(concurrency: object = { mode: "adaptive" }, known?: Record<string, number>): AdaptiveLanes {
  const lanes = new AdaptiveLanes(kernels());
  lanes.configure(serviceOf(concurrency), known);
  return lanes;
}

const report = (more: Partial<LaneTelemetry>): LaneTelemetry => ({
  lane: LANE,
  answers: 0,
  latencyMsSum: 0,
  drops: 0,
  utilization: null,
  ...more,
});

/** As many in use, and out, as the limit lets. */
const fullUse =
  (lanes: AdaptiveLanes, sockets = 0) =>
  (): LaneUse => {
    const slots = lanes.slotsMaxOf(LANE);
    return { inUse: slots, out: slots, sockets };
  };

describe("an adaptive lane", () => {
  it("has no limit of its own where the service's concurrency is fixed, which it is unless said otherwise", () => {
    for (const concurrency of [{}, { mode: "fixed" }]) {
      const lanes = lanesOf(concurrency);
      expect(lanes.slotsMaxOf(LANE)).toBe(Infinity);
      expect(lanes.observe([report({ utilization: 2 })], fullUse(lanes), 0)).toBe(false);
    }
    const lanes = new AdaptiveLanes(kernels());
    const { concurrency: _later, ...stored } = serviceOf({});
    lanes.configure(stored as ServiceConfig);
    expect(lanes.slotsMaxOf(LANE)).toBe(Infinity);
  });

  it("stays between capacityRatioMin of its capacity and the whole of it, whatever is reported", () => {
    const lanes = lanesOf({ mode: "adaptive", capacityRatioMin: 0.25 });
    const seen: number[] = [];
    for (let nowMs = 0; nowMs < 200_000; nowMs += 500) {
      const isBad = nowMs % 100_000 < 50_000;
      const bad = { answers: 1_000, drops: 900, latencyMsSum: 1e6, utilization: 90 };
      const good = { answers: 1_000, latencyMsSum: 1_000, utilization: 0 };
      lanes.observe([report(isBad ? bad : good)], fullUse(lanes), nowMs);
      seen.push(lanes.slotsMaxOf(LANE));
    }
    expect(Math.min(...seen)).toBe(25);
    expect(Math.max(...seen)).toBe(CAPACITY);
    expect(seen.at(-1)).toBe(CAPACITY);
  });

  it("moves once a report interval, however many isolates report", () => {
    const lanes = lanesOf();
    const all = Array.from({ length: 50 }, () => report({ utilization: 2 }));
    lanes.observe(all, fullUse(lanes), 0);
    expect(lanes.slotsMaxOf(LANE)).toBe(70);
    for (const one of all) expect(lanes.observe([one], fullUse(lanes), 499)).toBe(false);
  });

  it("learns nothing from what was measured while more was out than its limit, and waits for that no longer than three seconds", () => {
    const lanes = lanesOf();
    const stuck = (): LaneUse => ({ inUse: CAPACITY, out: CAPACITY, sockets: 0 });
    lanes.observe([report({ utilization: 2 })], stuck, 0);
    for (let nowMs = 500; nowMs <= 2_500; nowMs += 500) expect(lanes.observe([report({ utilization: 2 })], stuck, nowMs)).toBe(false);
    lanes.observe([report({ utilization: 2 })], stuck, 3_000);
    expect(lanes.slotsMaxOf(LANE)).toBe(70);
    lanes.observe([report({ utilization: 2 })], stuck, 3_500);
    expect(lanes.slotsMaxOf(LANE)).toBe(49);
  });

  it("follows a limit that moves little only when it is worth a renewal", () => {
    const lanes = lanesOf();
    const moves: number[] = [];
    for (let nowMs = 0; nowMs < 60_000; nowMs += 500) {
      // In proportion to what is there: 0.8 at 60.
      const utilization = (lanes.slotsMaxOf(LANE) / 60) * 0.8;
      if (lanes.observe([report({ utilization })], fullUse(lanes), nowMs)) moves.push(lanes.slotsMaxOf(LANE));
    }
    expect(moves.length).toBeLessThanOrEqual(4);
    expect(lanes.slotsMaxOf(LANE)).toBeGreaterThan(50);
    expect(lanes.slotsMaxOf(LANE)).toBeLessThan(72);
  });

  it("leaves sockets their slots beside the requests' limit", () => {
    const lanes = lanesOf();
    lanes.observe([report({ utilization: 2 })], fullUse(lanes, 40), 0);
    expect(lanes.slotsMaxOf(LANE)).toBe(70 + 40);
  });

  it("begins after a restart where it was, and with another capacity anew", () => {
    const lanes = lanesOf({ mode: "adaptive" }, { [LANE]: 33 });
    expect(lanes.slotsMaxOf(LANE)).toBe(33);
    expect(lanes.snapshot).toEqual({ [LANE]: 33 });
    lanes.configure(serviceOf({ mode: "adaptive" }));
    expect(lanes.slotsMaxOf(LANE)).toBe(33);
    lanes.configure(serviceOf({ mode: "adaptive" }, 50));
    expect(lanes.slotsMaxOf(LANE)).toBe(50);
    lanes.configure(serviceOf({ mode: "fixed" }));
    expect(lanes.slotsMaxOf(LANE)).toBe(Infinity);
  });

  it("tells what the endpoint last said of its load", () => {
    const lanes = lanesOf();
    lanes.observe([report({ utilization: 0.5 }), report({})], fullUse(lanes), 0);
    lanes.observe([report({ utilization: 0.6 })], fullUse(lanes), 500);
    expect(lanes.utilizationOf(LANE)).toBe(0.6);
  });
});
