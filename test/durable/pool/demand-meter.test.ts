import { describe, expect, it } from "vitest";
import { BIN_MS, DemandMeter, type DemandLevel, type DemandReport } from "#durable/pool/demand-meter.ts";
import { reportOf } from "#durable/pool/demand-reports.ts";
import { SECOND_MS } from "#shared/units.ts";

const START_MS = 1_700_000_000_000;
const NOTHING: DemandReport = { arrivals: 0, busyMs: 0, endedCount: 0, refusedCount: 0 };

const requestsOf = (requests: number): DemandLevel => ({ requests, sockets: 0 });

/** Confirms a level every second. */
function hold(meter: DemandMeter, [fromMs, untilMs]: readonly [number, number], level: DemandLevel): void {
  for (let atMs = fromMs; atMs <= untilMs; atMs += SECOND_MS) meter.setLevel(level, atMs);
}

describe("a demand meter", () => {
  it("spreads a report over the time since its holder's last one, at most five seconds of it", () => {
    const meter = new DemandMeter(START_MS, true);
    hold(meter, [START_MS, START_MS + 40_000], requestsOf(0));
    meter.report("a", NOTHING, START_MS + 8_000);
    meter.report("a", { ...NOTHING, arrivals: 40 }, START_MS + 12_000);
    meter.report("b", NOTHING, START_MS + 10_000);
    meter.report("b", { ...NOTHING, arrivals: 10 }, START_MS + 29_000);
    const bins = meter.take(START_MS + 40_000);
    expect(bins.map(({ endMs }) => endMs - START_MS)).toEqual([10_000, 20_000, 30_000]);
    expect(bins.map(({ arrivalsPerSecond }) => arrivalsPerSecond)).toEqual([2, 2, 1]);
  });

  it("measures short requests by what they held, whatever the holders say that runs", () => {
    const meter = new DemandMeter(START_MS, true);
    // 100 a second of 10 ms are one slot; each renewal comes with a request that runs.
    for (let atMs = START_MS; atMs <= START_MS + 60_000; atMs += SECOND_MS) {
      meter.setLevel({ requests: 8, sockets: 0 }, atMs);
      meter.report("a", { ...NOTHING, arrivals: 100, busyMs: 1_000, endedCount: 100 }, atMs);
    }
    for (const { slots } of meter.take(START_MS + 60_000).slice(1)) expect(slots).toBeCloseTo(1, 6);
  });

  it("measures long requests and sockets by what runs", () => {
    const meter = new DemandMeter(START_MS, true);
    hold(meter, [START_MS, START_MS + 600_000], { requests: 6, sockets: 3 });
    // One that took ten minutes ends: a lump that says nothing of now.
    meter.report("a", { ...NOTHING, busyMs: 600_000, endedCount: 1 }, START_MS + 595_000);
    const bins = meter.take(START_MS + 620_000).map(({ slots }) => slots);
    // None has ended yet, and it is known within three minutes that they are long.
    for (const slots of bins.slice(18, -2)) expect(Math.abs(slots - 9)).toBeLessThan(0.6);
    expect(Math.abs((bins.at(-2) ?? 0) - 9)).toBeLessThan(3);
    expect(Math.abs((bins.at(-1) ?? 0) - 9)).toBeLessThan(0.6);
  });

  it("counts what was refused as if it had run as long as the others: in all, refused × hold", () => {
    for (const holdMs of [200, 3_000, 20_000]) {
      const meter = new DemandMeter(START_MS, true);
      const perSecond = { ...NOTHING, arrivals: 10, busyMs: 10 * holdMs, endedCount: 10 };
      const served = 10 * (holdMs / SECOND_MS);
      let area = 0;
      for (let second = 1; second <= 600; second += 1) {
        const atMs = START_MS + second * SECOND_MS;
        meter.setLevel({ requests: served, sockets: 0 }, atMs);
        meter.report("a", { ...perSecond, refusedCount: second === 305 ? 50 : 0 }, atMs);
        area += meter.take(atMs).reduce((sum, { endMs, slots }) => sum + (endMs > START_MS + 300_000 ? (slots - served) * BIN_MS : 0), 0);
      }
      expect(area / (50 * holdMs)).toBeCloseTo(1, 1);
    }
  });

  it("counts what comes and not what is served while a queue grows and empties: rate × hold", () => {
    for (const holdMs of [200, 3_000, 20_000]) {
      const meter = new DemandMeter(START_MS, true);
      const holdSeconds = holdMs / SECOND_MS;
      // Ten a second can be served; for a minute fourteen come, then six for two, until nobody waits.
      const rateAt = (second: number): number => (second <= 300 ? 10 : second <= 360 ? 14 : second <= 420 ? 6 : 10);
      let waiting = 0;
      for (let second = 1; second <= 600; second += 1) {
        const atMs = START_MS + second * SECOND_MS;
        waiting += rateAt(second) - 10;
        meter.setLevel({ requests: 10 * holdSeconds, sockets: 0, waiting }, atMs);
        meter.report("a", { ...NOTHING, arrivals: rateAt(second), busyMs: 10 * holdMs, endedCount: 10 }, atMs);
      }
      expect(waiting).toBe(0);
      const bins = meter.take(START_MS + 620_000);
      const meanOf = (fromSecond: number, toSecond: number): number => {
        const of = bins.filter(({ endMs }) => endMs > START_MS + fromSecond * SECOND_MS && endMs <= START_MS + toSecond * SECOND_MS);
        return of.reduce((sum, { slots }) => sum + slots, 0) / of.length;
      };
      // Of long requests some of it is later than their minute.
      const part = holdMs < BIN_MS ? 0.9 : 0.6;
      expect(meanOf(300, 360) - 10 * holdSeconds).toBeGreaterThan(part * 4 * holdSeconds);
      expect(meanOf(360, 420) - 10 * holdSeconds).toBeLessThan(-part * 2 * holdSeconds);
      expect(Math.abs(meanOf(300, 580) / (10 * holdSeconds) - 1)).toBeLessThan(0.01);
    }
  });

  it("leaves out a bin of which it has not heard enough: the first after a start, and a gap", () => {
    const meter = new DemandMeter(START_MS + 4_000, false);
    hold(meter, [START_MS + 4_000, START_MS + 30_000], requestsOf(5));
    hold(meter, [START_MS + 150_000, START_MS + 200_000], requestsOf(5));
    expect(meter.take(START_MS + 200_000).map(({ endMs }) => (endMs - START_MS) / BIN_MS)).toEqual([2, 3, 16, 17, 18, 19]);
  });

  it.for([25, 90, 570])(
    "goes on at once with what is measured, and heaps nothing up, when its clock is set back by %i s",
    (backSeconds) => {
      const meter = new DemandMeter(START_MS, true);
      const level = requestsOf(5);
      const perSecond = { ...NOTHING, arrivals: 10, busyMs: 5_000, endedCount: 10 };
      let atMs = START_MS;
      const slotsFor = (seconds: number): number[] =>
        Array.from({ length: seconds }).flatMap(() => {
          atMs += SECOND_MS;
          meter.setLevel(level, atMs);
          meter.report("a", perSecond, atMs);
          return meter.take(atMs).map(({ slots }) => slots);
        });
      slotsFor(700);
      atMs -= backSeconds * SECOND_MS;
      const after = slotsFor(120);
      expect(after.length).toBeGreaterThanOrEqual(9);
      for (const slots of after) expect(Math.abs(slots - 5)).toBeLessThan(2.6);
    },
  );

  it("is bounded, and goes on, when its clock jumps either way", () => {
    const meter = new DemandMeter(START_MS, true);
    for (const atMs of [START_MS, START_MS + 1e11, START_MS + 1e11 + 3_000, START_MS, START_MS + 5_000]) {
      meter.setLevel({ requests: 1, sockets: 0 }, atMs);
      meter.report("a", { ...NOTHING, arrivals: 1 }, atMs);
    }
    hold(meter, [START_MS + 6_000, START_MS + 2_000_000], requestsOf(1));
    const bins = meter.take(START_MS + 2_000_000);
    expect(bins.length).toBeLessThanOrEqual(60);
    expect(bins.at(-1)?.endMs).toBeGreaterThan(START_MS + 1_980_000);
    expect(bins.every(({ slots }) => Number.isFinite(slots) && slots >= 0)).toBe(true);
  });
});

it("a report counts refusals for want of capacity as demand, and a tenant's limit as none", () => {
  const outcomes = { "admitted-local": 5, "rejected-capacity": 2, "rejected-quota": 3, "upstream-failed": 1 };
  const flow = { flow: "acme/gold", arrivals: 11, outcomes, buckets: [], sumMs: 0, busyMs: 70 };
  expect(reportOf([flow, flow])).toEqual({ arrivals: 22, busyMs: 140, endedCount: 12, refusedCount: 4 });
});
