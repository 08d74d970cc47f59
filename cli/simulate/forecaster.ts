import { PLAN_STEP_MS } from "#durable/pool/plan/settings.ts";
import { FineForecasterReference } from "#wasm/reference/forecast/fine-forecaster.ts";
import type { Forecaster } from "./tidegate-scaler.ts";

/** The forecaster as a pool has it that has learned its start-up time: one horizon is when a shard started now would serve. */
export function fineForecaster(delayMs: number): Forecaster {
  return new FineForecasterReference({ stepMs: PLAN_STEP_MS, horizonsMs: [delayMs + PLAN_STEP_MS] });
}
