// What the operator sees of a forecast, and of a plan.
import type { HorizonStats, PlanStats } from "#shared/protocol/demand-stats.ts";
import { HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import type { DemandFacts } from "./demand-store.ts";
import { seenShortfallRatio } from "./plan/control.ts";
import type { PlannerState } from "./plan/planner-state.ts";
import type { Plan, PlanPolicy } from "./planner.ts";

const SIGNALS = ["arrivals", "concurrency"] as const;
/** Of those that the forecaster is judged at, those that are shown. */
const SHOWN_HORIZONS_MS: readonly number[] = [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS];

export function horizonsOf(forecaster: DemandForecaster, nowMs: number): HorizonStats[] {
  return SIGNALS.flatMap((signal) => {
    const rows = forecaster.profile(signal, SHOWN_HORIZONS_MS, nowMs);
    const verdicts = new Map(forecaster.verdicts(signal).map((verdict) => [verdict.horizonMs, verdict]));
    return rows.flatMap((row) => {
      const verdict = verdicts.get(row.horizonMs);
      return verdict === undefined ? [] : [{ signal, ...verdict, ...row }];
    });
  });
}

export function planStatsOf(
  { count, warmCount, reason, expectedShortfallRatio, isAttainable }: Plan,
  { mode, policy, planner, facts }: { mode: PlanStats["mode"]; policy: PlanPolicy; planner: PlannerState; facts: DemandFacts },
): PlanStats {
  return {
    mode,
    count,
    warmCount,
    reason,
    shardSlots: policy.shardSlots,
    expectedShortfallRatio,
    seenShortfallRatio: seenShortfallRatio(planner),
    isAttainable,
    costPerHour: (count + warmCount) * policy.pricePerHour,
    plannedShardSeconds: facts.plannedShardSeconds,
    wantedShardSeconds: facts.wantedShardSeconds,
  };
}
