// How long a shard takes to start: learned from those that did.
import { AT, type PlannerState } from "./planner-state.ts";
import { START_TIME } from "./settings.ts";

/** Takes in observed start-up times. Returns whether what is planned with has changed. */
export function learnStartTime(state: PlannerState, observedMs: readonly number[], priorMs: number): boolean {
  if (observedMs.length === 0) return false;
  const { startMs, scalars } = state;
  for (const observed of observedMs) {
    startMs[scalars[AT.startCount]! % START_TIME.countMax] = Math.min(START_TIME.msMax, Math.max(0, observed));
    scalars[AT.startCount]! += 1;
  }
  const known = [...startMs.subarray(0, Math.min(START_TIME.countMax, scalars[AT.startCount]!))];
  const weighed = [...known, ...Array.from({ length: Math.max(0, START_TIME.priorCount - known.length) }, () => priorMs)];
  const sorted = weighed.toSorted((a, b) => a - b);
  const learned = sorted[Math.ceil(START_TIME.quantile * sorted.length) - 1]!;
  const before = scalars[AT.startMs]!;
  if (Math.abs(learned - before) <= START_TIME.hysteresis * before) return false;
  scalars[AT.startMs] = learned;
  return true;
}
