import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { demandFamilies } from "#gateway/metrics/demand-families.ts";
import { renderFamilies } from "#gateway/metrics/prometheus-text.ts";
import type { DemandStats, HorizonStats } from "#shared/protocol/demand-stats.ts";

const HORIZON: HorizonStats = {
  signal: "concurrency",
  horizonMs: 300_000,
  mean: 20,
  lower: 15,
  upper: 26,
  wape: 0.1,
  persistenceWape: 0.2,
  seasonalWape: Number.NaN,
  coverageRatio: 0.95,
  widthRatio: 0.5,
  pinballRatio: 0.03,
  biasRatio: -0.01,
  yields: true,
};
const NOTHING: DemandStats = {
  binCount: 0,
  arrivalsPerSecond: 0,
  slotsWanted: 0,
  horizons: [],
  plan: null,
  restarts: {},
  hasFailed: false,
};
const PLAN = {
  mode: "shadow" as const,
  count: 3,
  warmCount: 1,
  reason: "forecast",
  shardSlots: 50,
  expectedShortfallRatio: 0.001,
  seenShortfallRatio: Number.NaN,
  isAttainable: true,
  costPerHour: 0.4,
  plannedShardSeconds: 400,
  wantedShardSeconds: 250,
};

describe("the families of demand", () => {
  it("show each horizon by service, signal and horizon, and leave out what was never judged", () => {
    const text = renderFamilies(
      demandFamilies([{ service: "echo", demand: { ...NOTHING, binCount: 7, horizons: [HORIZON], plan: PLAN } }]),
    );
    const labels = 'service="echo",signal="concurrency",horizon="5m"';
    expect(text).toContain(`tidegate_forecast_mean{${labels}} 20\n`);
    expect(text).toContain(`tidegate_forecast_yields{${labels}} 1\n`);
    expect(text).toContain(`tidegate_forecast_bias_ratio{${labels}} -0.01\n`);
    expect(text).not.toContain("seasonal_naive");
    expect(text).not.toContain("tidegate_plan_shortfall_ratio");
    expect(text).toContain('tidegate_plan_shards{service="echo",mode="shadow"} 3\n');
    expect(text).not.toContain("NaN");
  });

  it("leave out what would be a part of a demand that was none: after its first request a service is asked for nothing for a while", () => {
    const judged = {
      ...HORIZON,
      wape: Infinity,
      persistenceWape: Infinity,
      widthRatio: Infinity,
      pinballRatio: Infinity,
      biasRatio: -Infinity,
    };
    const text = renderFamilies(demandFamilies([{ service: "echo", demand: { ...NOTHING, binCount: 7, horizons: [judged] } }]));
    const shown = text.match(/^tidegate_forecast_\w+/gm)?.map((name) => name.slice("tidegate_forecast_".length));
    expect(shown).toEqual(["mean", "lower", "upper", "coverage_ratio", "yields"]);
    expect(text).not.toContain("Inf");
  });

  it("say of a service without demand that there was none, and nothing else", () => {
    const text = renderFamilies(demandFamilies([{ service: "new", demand: NOTHING }]));
    expect(text.match(/^tidegate_[a-z_]+/gm)).toEqual(["tidegate_demand_bins_total", "tidegate_demand_failed"]);
  });

  it("count states that were begun afresh, by part and reason", () => {
    const restarts = { "forecaster corrupt": 2 };
    const text = renderFamilies(demandFamilies([{ service: "echo", demand: { ...NOTHING, restarts } }]));
    expect(text).toContain('tidegate_demand_restarts_total{service="echo",part="forecaster",reason="corrupt"} 2\n');
  });

  const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
  it.skipIf(!hasPromtool)(`pass promtool without a word, all of them${hasPromtool ? "" : " (SKIPPED: promtool is not installed)"}`, () => {
    const restarts = { "planner unreadable": 1 };
    const judged = { ...HORIZON, seasonalWape: 0.3 };
    const plan = { ...PLAN, seenShortfallRatio: 0.0004 };
    const families = demandFamilies([{ service: "echo", demand: { ...NOTHING, binCount: 7, horizons: [judged], plan, restarts } }]);
    expect(families.filter(({ samples }) => samples.length === 0)).toEqual([]);
    expect(execFileSync("promtool", ["check", "metrics"], { input: renderFamilies(families), encoding: "utf8" })).toBe("");
  });
});
