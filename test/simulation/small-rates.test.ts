import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runRegionalRate, runTotalRate, type SmallRate } from "./small-rates.ts";

const SECONDS = 40;
const SEED = 1;
const setTime = (atMs: number): void => void vi.advanceTimersByTime(atMs - Date.now());

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout"], now: 0 }));
afterEach(() => void vi.useRealTimers());

const total = (ratePerSecond: number, ...offered: readonly number[]) => ({ ratePerSecond, offered });
const regional = (ratePerSecond: number, burst: number, ...offered: readonly number[]) => ({ ratePerSecond, burst, offered });

const withLeases = <Cell>(cells: readonly Cell[]) => [false, true].flatMap((hasLeases) => cells.map((cell) => ({ ...cell, hasLeases })));
const scenarioOf = (cell: Omit<SmallRate, "seconds" | "seed">): SmallRate => ({ ...cell, seconds: SECONDS, seed: SEED });

describe("a small rate over several services", () => {
  it.for(withLeases([total(5, 1, 1, 1, 1), total(10, 2, 2, 2, 2), total(20, 8, 1, 1, 1), total(50, 12, 12, 12, 12)]))(
    "refuses nobody while it is not used up: $ratePerSecond a second, $offered asked, isolates' leases: $hasLeases",
    async (cell) => {
      const { served, offered, ideal, overshoot, calls } = await runTotalRate(scenarioOf(cell), setTime);
      expect(ideal).toBe(offered);
      expect(served.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(0.995 * ideal);
      expect(overshoot).toBeLessThanOrEqual(0);
      // Two a second at each service where its isolate holds tokens; and one for each request of a rate of which hardly any are held.
      expect(calls / SECONDS / cell.offered.length).toBeLessThanOrEqual(8);
    },
  );

  it.for(withLeases([total(5, 4, 4, 4, 4), total(5, 20, 20, 20, 20)]))(
    "that is used up is each service's in part, never exceeded, and costs a call in a while: $ratePerSecond a second, $offered asked, isolates' leases: $hasLeases",
    async (cell) => {
      const { served, ideal, overshoot, calls } = await runTotalRate(scenarioOf(cell), setTime);
      const sum = served.reduce((all, count) => all + count);
      expect(sum).toBeGreaterThan(0.95 * ideal);
      for (const count of served) expect(count).toBeGreaterThan((0.5 * sum) / served.length);
      expect(overshoot).toBeLessThanOrEqual(0);
      expect(calls / SECONDS / cell.offered.length).toBeLessThanOrEqual(8);
    },
  );
});

describe("a small rate of a class over several regions", () => {
  it.for(withLeases([regional(5, 32, 1, 1, 1), regional(20, 40, 1, 4, 4, 4), regional(50, 50, 10, 10, 10), regional(50, 50, 2, 30, 2, 2)]))(
    "refuses nobody while it is not used up: $ratePerSecond a second, a burst of $burst, $offered asked, isolates' leases: $hasLeases",
    async (cell) => {
      const { served, offered, ideal, overshoot } = await runRegionalRate(scenarioOf(cell), setTime);
      expect(ideal).toBe(offered);
      expect(served.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(0.995 * ideal);
      expect(overshoot).toBeLessThanOrEqual(0);
    },
  );

  it.for(withLeases([regional(20, 40, 10, 10, 10), regional(10, 32, 10, 10)]))(
    "that is used up is each region's in part, and never exceeded: $ratePerSecond a second, a burst of $burst, $offered asked, isolates' leases: $hasLeases",
    async (cell) => {
      const { served, ideal, overshoot } = await runRegionalRate(scenarioOf(cell), setTime);
      const sum = served.reduce((all, count) => all + count);
      expect(sum).toBeGreaterThan(0.95 * ideal);
      for (const count of served) expect(count).toBeGreaterThan((0.5 * sum) / served.length);
      expect(overshoot).toBeLessThanOrEqual(0);
    },
  );
});
