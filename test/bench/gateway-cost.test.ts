import { expect, it } from "vitest";
import { costPerMillion } from "#bench/gateway/cost.ts";
import { median } from "#bench/gateway/median.ts";
import { overloadRows } from "#bench/gateway/rows.ts";
import { medianRatio } from "#bench/gateway/steady.ts";

it("bills what the platform bills", () => {
  const { total, parts } = costPerMillion({
    requests: 1_000,
    cpuMs: 500,
    objectRequests: 2_000,
    objectSeconds: 1,
    rowsRead: 1_000,
    rowsWritten: 1_000,
  });
  // 0.30 + 500,000 ms × 0.02/M + 2 M × 0.15/M + 1,000 s × 0.128 GB × 12.50/M + 1 M × (1.00 + 0.001)/M
  expect(parts["requests"]).toBeCloseTo(0.3, 12);
  expect(parts["cpu"]).toBeCloseTo(0.01, 12);
  expect(parts["objectRequests"]).toBeCloseTo(0.3, 12);
  expect(parts["objectDuration"]).toBeCloseTo(0.0016, 12);
  expect(parts["rows"]).toBeCloseTo(1.001, 12);
  expect(total).toBeCloseTo(1.6126, 12);
});

it("compares figures of one round with each other", () => {
  const figures = new Map([
    ["own", [2, 30, 4]],
    ["peer", [1, 10, 4]],
  ]);
  expect(medianRatio(figures, ["own", "peer"], (figure) => figure)).toBe(2);
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
});

const FIGURE = {
  goldP99MsUnloaded: 100,
  goldP99Ms: 120,
  servedRatio: { gold: 1, silver: 0.5, bronze: 0.1 },
  servedPerSecond: { gold: 90, silver: 150, bronze: 15 },
  goodputPerSecond: 255,
  inFlightMax: 30,
  inFlightMaxWithCut: 31,
  cutCount: 0,
  busyRatio: 0.3,
  lateMsP99: 1,
};

it.for([
  { name: "within every budget", figure: FIGURE, over: [] },
  {
    name: "gold refused instead of late",
    figure: { ...FIGURE, servedRatio: { ...FIGURE.servedRatio, gold: 0.98 } },
    over: ["gold's p99 at 3 × overload ÷ unloaded"],
  },
  { name: "gold late", figure: { ...FIGURE, goldP99Ms: 126 }, over: ["gold's p99 at 3 × overload ÷ unloaded"] },
  { name: "nobody served", figure: { ...FIGURE, goldP99Ms: Number.NaN }, over: ["gold's p99 at 3 × overload ÷ unloaded"] },
  {
    name: "bronze starved",
    figure: { ...FIGURE, servedPerSecond: { gold: 90, silver: 150, bronze: 14 } },
    over: ["bronze served ÷ its reserve"],
  },
  { name: "over capacity", figure: { ...FIGURE, inFlightMax: 31 }, over: ["in flight at the endpoint, by its own count"] },
  {
    name: "a gateway that is itself the bottleneck",
    figure: { ...FIGURE, busyRatio: 0.6 },
    over: ["the gateway's share of a core meanwhile"],
  },
])("the overload's budgets can be missed: $name", ({ figure, over }) => {
  const rows = overloadRows(figure, "not installed");
  expect(rows.filter(({ ok }) => ok === false).map(({ name }) => name)).toEqual(over);
  expect(rows.some(({ missing }) => missing?.["HAProxy"] === "not installed")).toBe(true);
});
