// A rise that is more than noise, seen within seconds: a forecaster that has learned calm hours believes it later.
import { AT, type PlannerState } from "./planner-state.ts";
import { PLAN_STEP_MS, TREND } from "./settings.ts";
import { SECOND_MS } from "#shared/units.ts";

export interface Measured {
  /** Mean since the last plan. */
  readonly needSlots: number;
  /** Since the last plan. */
  readonly seconds: number;
  readonly startMs: number;
}

/**
 * Need, in slots, when a shard started now would serve, were the rise since the last plan to go on; what is measured where there
 * was none, or none that stands out from the noise. Learns that noise.
 */
export function trendOf({ scalars }: PlannerState, { needSlots, seconds, startMs }: Measured): number {
  const before = scalars[AT.needBefore]!;
  scalars[AT.needBefore] = needSlots;
  const steps = (seconds * SECOND_MS) / PLAN_STEP_MS;
  // Two plans at once, or a gap: nothing that was measured says how fast it rose.
  if (before < 0 || steps < 0.5 || steps > 2) return needSlots;
  const rise = (needSlots - before) / steps;
  const variance = scalars[AT.changeVariance]!;
  const size = (rise * rise) / (needSlots + 1);
  const most = TREND.deviationsMin * TREND.deviationsMin * variance;
  scalars[AT.changeVariance] = variance + (Math.min(size, most) - variance) / TREND.memoryPlans;
  if (rise <= 0 || size <= most) return needSlots;
  // The mean is half a step old, and until the next plan nothing else starts.
  const ahead = Math.min(TREND.stepsMax, startMs / PLAN_STEP_MS + 1.5);
  return Math.min(TREND.ratioMax * needSlots, needSlots + rise * ahead);
}
