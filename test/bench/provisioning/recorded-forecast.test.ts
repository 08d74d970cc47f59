import { expect, it } from "vitest";
import { record, RecordedForecast } from "#bench/provisioning/recorded-forecast.ts";
import { runScaler } from "#cli/simulate/account.ts";
import { fineForecaster } from "#cli/simulate/forecaster.ts";
import { SHARD_SLOTS } from "#cli/simulate/load.ts";
import { SIMULATED_POLICY, TidegateScaler } from "#cli/simulate/tidegate-scaler.ts";
import { ASKED_PROBABILITIES } from "#durable/pool/plan/rungs.ts";
import { askFor } from "#shared/forecast/minute-demand.ts";
import { kernels } from "#test/support/kernels.ts";

const STEPS = 2_000;
const STEP_TICKS = 5;

it("plans with what was recorded as with the forecaster itself", () => {
  const load = Float32Array.from({ length: STEPS * STEP_TICKS }, (_, tick) => 8 + 5 * Math.sin(tick / 700) + Math.sin(tick * 7.3));
  const means = Float32Array.from({ length: STEPS }, (_, step) => {
    const ticks = load.subarray(step * STEP_TICKS, (step + 1) * STEP_TICKS);
    return (ticks.reduce((sum, value) => sum + value, 0) / STEP_TICKS) * SHARD_SLOTS;
  });
  const recorded = record(fineForecaster(kernels(), 30_000), means, { startMs: 0, stepMs: 10_000, horizonMs: 40_000 });
  const [live, played] = [fineForecaster(kernels(), 30_000), new RecordedForecast(recorded)].map((forecaster) => {
    const scaler = new TidegateScaler(load, { startMs: 0, policy: { ...SIMULATED_POLICY, shortfallRatio: 0.01 }, forecaster });
    return runScaler(load, scaler, { delayTicks: 15, window: { fromTick: 0, toTick: load.length } });
  });
  // The record is in single precision: a level on the edge of a shard may fall to the other side.
  expect(Math.abs((played?.billed ?? 0) / (live?.billed ?? 1) - 1)).toBeLessThan(0.002);
  expect(Math.abs((played?.shortfall ?? 0) - (live?.shortfall ?? 0))).toBeLessThan(0.0005 * (live?.load ?? 0));
});

it("does not answer what it was not asked before", () => {
  const playback = new RecordedForecast({ soon: new Float32Array(0), most: new Float32Array(0) });
  expect(() => playback.quantiles(0, askFor(Float64Array.of(0.42)))).toThrow("Cannot play back the quantile 0.42");
  expect(() => playback.quantiles(0, askFor(ASKED_PROBABILITIES.slice(0, 3)))).toThrow("Cannot play back 3 quantiles");
});
