import { DAY_MS, HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import { BIN_MS } from "./demand-meter.ts";

/** Of a silence, so much is told bin by bin, then coarsely; what is older tells the forecaster nothing it would still know. */
const FILL_FINE_MS = HOUR_MS;
const FILL_STEP_MS = 5 * MINUTE_MS;
const FILL_MS_MAX = 8 * DAY_MS;

/** A silence is zeros, not missing values: coarse ones where they are long past. */
export function fillSilence(forecaster: DemandForecaster, fromMs: number, untilMs: number): void {
  const tell = (timeMs: number): unknown => forecaster.observe({ timeMs, arrivals: 0, concurrency: 0 });
  const fineMs = Math.max(fromMs, untilMs - FILL_FINE_MS);
  for (let atMs = Math.max(fromMs, untilMs - FILL_MS_MAX); atMs < fineMs; atMs += FILL_STEP_MS) tell(atMs + BIN_MS - 1);
  for (let atMs = fineMs; atMs < untilMs; atMs += BIN_MS) tell(atMs + BIN_MS - 1);
}
