import { describe, expect, it } from "vitest";
import { flowLimitsOf, FlowQuotas, PACED_BYTES_MAX, WAITING_BYTES_MAX } from "#durable/pool/flow-quotas.ts";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";

const FLOW = "acme/gold";
const quota = (more: Partial<QuotaConfig>): QuotaConfig => ({ weight: 1, mode: "enforce", ...more });
const use = (more: object) => ({ arrivals: 0, costMs: 0, bytes: 0, running: 0, waiting: 0, ...more });

function quotasOf(more: Partial<QuotaConfig>): FlowQuotas {
  const quotas = new FlowQuotas();
  quotas.configure({ [FLOW]: quota(more) });
  return quotas;
}

describe("limits", () => {
  it.for([
    {
      name: "of nobody's quota are none",
      of: undefined,
      want: { slotsMax: Infinity, rate: null, queueLengthMax: Infinity, waitMsMax: Infinity },
    },
    {
      name: "in shadow bind nobody",
      of: quota({ slots: 0, ratePerSecond: 0, queueLengthMax: 0, waitMsMax: 0, mode: "shadow" }),
      want: { slotsMax: Infinity, rate: null, queueLengthMax: Infinity, waitMsMax: Infinity },
    },
    {
      name: "are what is written",
      of: quota({ slots: 5, ratePerSecond: 10, burst: 20, queueLengthMax: 3, waitMsMax: 4 }),
      want: { slotsMax: 5, rate: { tokens: 10, periodMs: 1_000, burst: 20 }, queueLengthMax: 3, waitMsMax: 4 },
    },
    {
      name: "of a rate alone have a second's burst",
      of: quota({ ratePerSecond: 10 }),
      want: { rate: { tokens: 10, periodMs: 1_000, burst: 10 } },
    },
    {
      name: "of a bandwidth are exact in units of a KiB, with a second's worth at once",
      of: quota({ bandwidthBytesPerSecond: 200_000 }),
      want: { bandwidth: { tokens: 200_000, periodMs: 1_024_000, burst: 195 } },
    },
    {
      name: "of a small bandwidth let enough go at once to be lent",
      of: quota({ bandwidthBytesPerSecond: 1_024 }),
      want: { bandwidth: { tokens: 1_024, periodMs: 1_024_000, burst: 32 } },
    },
    {
      name: "of the largest bandwidth are within what the ledger can count",
      of: quota({ bandwidthBytesPerSecond: LIMITS.bandwidthBytesPerSecondMax }),
      want: { bandwidth: { burst: UNITS_MAX } },
    },
    {
      name: "of memory bound who waits",
      of: quota({ memoryBytesMax: 10 * WAITING_BYTES_MAX }),
      want: { queueLengthMax: 10, slotsMax: Infinity },
    },
    {
      name: "of memory bound who waits and who is paced, half each",
      of: quota({ memoryBytesMax: 8 * PACED_BYTES_MAX, bandwidthBytesPerSecond: 1_024 }),
      want: { slotsMax: 4, queueLengthMax: 15 },
    },
  ])("$name", ({ of, want }) => {
    expect(flowLimitsOf(of)).toMatchObject(want);
  });

  it("keep the bytes of all that wait and are paced below the limit, whatever it is", () => {
    for (let memoryBytesMax = 0; memoryBytesMax < 5_000_000; memoryBytesMax += 77_777) {
      const { slotsMax, queueLengthMax } = flowLimitsOf(quota({ memoryBytesMax, bandwidthBytesPerSecond: 1_024 }));
      expect(slotsMax * PACED_BYTES_MAX + queueLengthMax * WAITING_BYTES_MAX).toBeLessThanOrEqual(memoryBytesMax);
    }
  });
});

describe("service time", () => {
  it("blocks a flow once a second's worth is owed, until it has drained below that", () => {
    const quotas = quotasOf({ cpuSecondsPerSecond: 2 });
    quotas.observe(FLOW, use({ costMs: 1_999 }), 0);
    expect(quotas.blockedForMs(FLOW, 0)).toBe(0);
    quotas.observe(FLOW, use({ costMs: 3_001 }), 0);
    const blockedMs = quotas.blockedForMs(FLOW, 0);
    expect(blockedMs).toBe(1_501);
    expect([quotas.blockedForMs(FLOW, blockedMs - 2), quotas.blockedForMs(FLOW, blockedMs)].map((ms) => ms > 0)).toEqual([true, false]);
  });

  it("is at most what the limit allows plus a second's worth plus what one report brings, in the long run", () => {
    const quotas = quotasOf({ cpuSecondsPerSecond: 0.5 });
    let spentMs = 0;
    const reportMs = 400;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
      if (quotas.blockedForMs(FLOW, nowMs) > 0) continue;
      quotas.observe(FLOW, use({ costMs: reportMs }), nowMs);
      spentMs += reportMs;
    }
    expect(spentMs).toBeLessThanOrEqual(0.5 * 60_000 + 500 + reportMs);
    expect(spentMs).toBeGreaterThanOrEqual(0.5 * 60_000 - reportMs);
  });

  it("of nothing allows nothing after the first that was known too late", () => {
    const quotas = quotasOf({ cpuSecondsPerSecond: 0 });
    quotas.observe(FLOW, use({ costMs: 5 }), 0);
    expect(quotas.blockedForMs(FLOW, 3_600_000)).toBeGreaterThan(0);
  });

  it("is not moved by a clock that goes back", () => {
    const quotas = quotasOf({ cpuSecondsPerSecond: 1 });
    quotas.observe(FLOW, use({ costMs: 1_500 }), 10_000);
    expect(quotas.blockedForMs(FLOW, 0)).toBe(501);
  });

  it("is paid off as time passes, also by a clock that was set back by an hour", () => {
    const [hourMs, costMs] = [3_600_000, 4_000];
    const quotas = quotasOf({ cpuSecondsPerSecond: 1 });
    quotas.observe(FLOW, use({ costMs }), hourMs);
    const blockedMs = quotas.blockedForMs(FLOW, 0);
    expect(blockedMs).toBe(3_001);
    expect([quotas.blockedForMs(FLOW, blockedMs - 2), quotas.blockedForMs(FLOW, blockedMs)].map((ms) => ms > 0)).toEqual([true, false]);
    quotas.observe(FLOW, use({ costMs: 999 }), blockedMs + 1_000);
    expect(quotas.blockedForMs(FLOW, blockedMs + 1_000)).toBe(0);
  });

  it("owed stays owed under a new configuration, and goes with the flow", () => {
    const quotas = quotasOf({ cpuSecondsPerSecond: 1 });
    quotas.observe(FLOW, use({ costMs: 9_000 }), 0);
    quotas.configure({ [FLOW]: quota({ cpuSecondsPerSecond: 2 }) });
    expect(quotas.blockedForMs(FLOW, 0)).toBe(3_501);
    quotas.configure({});
    quotas.configure({ [FLOW]: quota({ cpuSecondsPerSecond: 2 }) });
    expect(quotas.blockedForMs(FLOW, 0)).toBe(0);
  });
});

describe("a limit in shadow", () => {
  it("of service time has not piled up what it would have refused when it binds", () => {
    const shadow = quota({ cpuSecondsPerSecond: 1, mode: "shadow" });
    const quotas = quotasOf(shadow);
    const hourMs = 3_600_000;
    for (let nowMs = 0; nowMs < hourMs; nowMs += 1_000) quotas.observe(FLOW, use({ arrivals: 10, costMs: 10_000 }), nowMs);
    expect(quotas.takeShadow()[`${FLOW} cpu`]).toBeGreaterThan(0.8 * 36_000);
    quotas.configure({ [FLOW]: { ...shadow, mode: "enforce" } });
    expect(quotas.blockedForMs(FLOW, hourMs)).toBeLessThan(11_000);
  });

  it("counts what it would have refused, each kind by itself, and blocks nobody", () => {
    const quotas = quotasOf({ slots: 5, ratePerSecond: 10, burst: 20, queueLengthMax: 2, cpuSecondsPerSecond: 1, mode: "shadow" });
    quotas.observe(FLOW, use({ arrivals: 25, running: 7, waiting: 3, costMs: 2_000 }), 0);
    expect(quotas.takeShadow()).toEqual({ [`${FLOW} rate`]: 5, [`${FLOW} slots`]: 2, [`${FLOW} queue`]: 1, [`${FLOW} cpu`]: 25 });
    expect(quotas.blockedForMs(FLOW, 0)).toBe(0);
    expect(quotas.takeShadow()).toEqual({});
  });

  it("of a bandwidth counts the bytes that would have waited", () => {
    const quotas = quotasOf({ bandwidthBytesPerSecond: 102_400, mode: "shadow" });
    quotas.observe(FLOW, use({ bytes: 100_000 }), 0);
    expect(quotas.takeShadow()).toEqual({});
    quotas.observe(FLOW, use({ bytes: 100_000 }), 500);
    expect(quotas.takeShadow()).toEqual({ [`${FLOW} bandwidth`]: 200_000 - 102_400 - 51_200 });
  });

  it("admits exactly burst + rate × time of a steady flood, like the limit itself", () => {
    const quotas = quotasOf({ ratePerSecond: 10, burst: 20, mode: "shadow" });
    let over = 0;
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 500) {
      quotas.observe(FLOW, use({ arrivals: 50 }), nowMs);
      over += quotas.takeShadow()[`${FLOW} rate`] ?? 0;
    }
    expect(21 * 50 - over).toBe(20 + 10 * 10);
  });

  it("of another flow, or none, says nothing", () => {
    const quotas = quotasOf({ slots: 0, mode: "shadow" });
    quotas.observe("globex/gold", use({ running: 9 }), 0);
    quotas.observe("constructor", use({ running: 9 }), 0);
    expect(quotas.takeShadow()).toEqual({});
  });
});

describe("a queue's length over several pools", () => {
  it.for([
    { queueLengthMax: 10, poolCount: 3, home: 4, regional: 3 },
    { queueLengthMax: 2, poolCount: 3, home: 2, regional: 0 },
    { queueLengthMax: 9, poolCount: 1, home: 9, regional: 9 },
    { queueLengthMax: undefined, poolCount: 3, home: Infinity, regional: Infinity },
  ])("$queueLengthMax over $poolCount: $home at home, $regional in each region", ({ queueLengthMax, poolCount, home, regional }) => {
    const lengthAt = (isHome: boolean): number => {
      const quotas = new FlowQuotas();
      quotas.configure({ [FLOW]: quota(queueLengthMax === undefined ? { slots: 5 } : { queueLengthMax }) }, { poolCount, isHome });
      return quotas.limitsOf(FLOW).queueLengthMax;
    };
    expect([lengthAt(true), lengthAt(false)]).toEqual([home, regional]);
  });
});
