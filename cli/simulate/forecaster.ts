import { PLAN_STEP_MS } from "#durable/pool/plan/settings.ts";
import { FineForecaster } from "#wasm/binding/forecast/fine-forecaster.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { Forecaster } from "./tidegate-scaler.ts";

/** The forecaster as a pool has it that has learned its start-up time: one horizon is when a shard started now would serve. */
export function fineForecaster(kernels: Kernels, delayMs: number): Forecaster {
  return new FineForecaster(kernels, { stepMs: PLAN_STEP_MS, horizonsMs: [delayMs + PLAN_STEP_MS] });
}
