import type { HorizonStats } from "#shared/protocol/demand-stats.ts";
import { HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";

const SIGNALS = ["arrivals", "concurrency"] as const;
/** Of those that the forecaster is judged at, what the operator sees. */
const SHOWN_HORIZONS_MS: readonly number[] = [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS];

export function horizonsOf(forecaster: DemandForecaster, nowMs: number): HorizonStats[] {
  return SIGNALS.flatMap((signal) =>
    forecaster
      .judgedProfile(signal, SHOWN_HORIZONS_MS, nowMs)
      .flatMap(({ judged, ...row }) => (judged === null ? [] : [{ signal, ...judged, ...row }])),
  );
}
