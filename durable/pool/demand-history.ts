// What a pool is told of the time before it: taken in as if it had been seen. Pure but for the states that it changes.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { HISTORY, type DemandHistory } from "#shared/protocol/demand-history.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import type { PlannerState } from "./plan/planner-state.ts";
import { plan, type Plan, type PlanPolicy } from "./planner.ts";

export interface HistoryPlace {
  /** Until when the demand is known; null: nothing is. */
  readonly knownUntilMs: number | null;
  readonly nowMs: number;
}

/** Null: it may be told. */
export function refuseHistory({ startMs, slots, arrivalsPerSecond }: DemandHistory, { knownUntilMs, nowMs }: HistoryPlace): Refusal | null {
  const endMs = startMs + slots.length * HISTORY.binMs;
  if (slots.length === 0 || slots.length !== arrivalsPerSecond.length || startMs % HISTORY.binMs !== 0)
    return refuse(
      "bad-request",
      `The bins are ${slots.length} and ${arrivalsPerSecond.length}, expected as many, from a whole ten seconds on.`,
    );
  if (knownUntilMs !== null && startMs < knownUntilMs)
    return refuse(
      "bad-request",
      `The history begins at ${time(startMs)}, expected nothing before ${time(knownUntilMs)}: until then it is known.`,
    );
  if (endMs > nowMs) return refuse("bad-request", `The history ends at ${time(endMs)}, expected a time before now, ${time(nowMs)}.`);
  return null;
}

/** Every bin through forecaster and planner, which knows of no fleet then: its shadows and their record are what is learned. */
export function tellHistory(
  { startMs, slots, arrivalsPerSecond }: DemandHistory,
  { forecaster, planner, policy }: { forecaster: DemandForecaster; planner: PlannerState; policy: PlanPolicy },
): Plan | null {
  let last: Plan | null = null;
  for (const [index, concurrency] of slots.entries()) {
    const endMs = startMs + (index + 1) * HISTORY.binMs;
    forecaster.observe({ timeMs: endMs - 1, arrivals: arrivalsPerSecond[index] ?? 0, concurrency });
    last = plan(planner, { nowMs: endMs, policy, forecast: forecaster, wantedSlots: [concurrency], fleet: null, startsMs: [] });
  }
  return last;
}

function time(atMs: number): string {
  return new Date(atMs).toISOString();
}
