// The planner: what was measured and what is forecast → how many shards there should be. Pure: the same code in the
// pool's alarm and in `tidegate simulate`. docs/design/provisioning.md has the mathematics.
import { assert } from "#shared/assert.ts";
import { HOUR_MS, SECOND_MS } from "#shared/units.ts";
import { beyondOf, busiestOf, noteBusiest } from "./plan/busiest.ts";
import { withinBounds, type Bound, type Bounds } from "./plan/bounds.ts";
import { closeHour, controlOf } from "./plan/control.ts";
import type { DemandForecast } from "./plan/demand-forecast.ts";
import { AT, OWN_SHADOW, type PlannerState } from "./plan/planner-state.ts";
import { beyondLevelOf, ceilingOf, floorOf, newLevels, setLevels } from "./plan/rungs.ts";
import { CONTROL, PLAN_STEP_MS } from "./plan/settings.ts";
import { accountShadows, moveShadows, pushShadows, recountShadows } from "./plan/shadows.ts";
import { learnStartTime } from "./plan/start-time.ts";
import { trendOf } from "./plan/trend.ts";

/** The service's `provisioning` and `shards`, and what its shards are. */
export interface PlanPolicy extends Bounds {
  /** Σ unserved ÷ Σ wanted that the operator accepts; the one knob. */
  readonly shortfallRatio: number;
  /** What a drain costs, in hours of one shard. */
  readonly drainPrice: number;
  readonly startMsPrior: number;
  /** Slots of one shard. */
  readonly shardSlots: number;
}

export interface PlanInput {
  readonly nowMs: number;
  readonly policy: PlanPolicy;
  readonly forecast: DemandForecast;
  /** Slots that were wanted since the last plan, unserved ones included: equally spaced, oldest first. */
  readonly wantedSlots: readonly number[];
  /**
   * Shards there, ready and starting, without warm and draining ones; and those of them that are ready. Null where the plan
   * is shown and not done: then it is held against its own shadow.
   */
  readonly fleet: { readonly count: number; readonly readyCount: number } | null;
  /** Start-up times of shards that became ready since the last plan. */
  readonly startsMs: readonly number[];
}

export type PlanReason = "beyond" | "floor" | "forecast" | "hold" | "steady" | "surplus" | Bound;

export interface Plan {
  /** Shards that should be there, ready or starting. */
  readonly count: number;
  /** Started ahead of need, beside them. */
  readonly warmCount: number;
  readonly reason: PlanReason;
  /** Of the ladder: which setting rules, from bold to careful within its family. */
  readonly rung: number;
  /** φ × measured need, in whole shards: the plan is never below, except by the operator's own bounds. */
  readonly floorCount: number;
  /** A shard is expected to be ready so long after its start. */
  readonly startMs: number;
  /** What the replays of this setting left unserved, of what was wanted. */
  readonly expectedShortfallRatio: number;
  /** False: no setting holds the accepted shortfall, or only at a price that it is not worth. */
  readonly isAttainable: boolean;
}

/** Plans further apart than this are accounted as this far apart: nothing was measured in between. */
const ELAPSED_MS_MAX = 600 * SECOND_MS;
const SECONDS_PER_HOUR = HOUR_MS / SECOND_MS;
const levels = newLevels();

/** Takes over `state` and changes it. Call it every PLAN_STEP_MS. */
export function plan(state: PlannerState, input: PlanInput): Plan {
  const { policy, forecast, nowMs } = input;
  const { shardSlots } = policy;
  assert(shardSlots > 0, "a shard has slots");
  const seconds = elapsedSeconds(state, nowMs);
  const samples = input.wantedSlots.map((slots) => slots / shardSlots);
  const need = samples.reduce((sum, sample) => sum + sample, 0) / Math.max(1, samples.length);
  account(state, { samples, seconds, readyCount: input.fleet?.readyCount ?? null });
  noteBusiest(state, { nowMs, need });
  if (state.scalars[AT.hourMs]! >= CONTROL.periodMs) closeHour(state, policy.shortfallRatio);
  if (learnStartTime(state, input.startsMs, policy.startMsPrior)) recountShadows(state, state.scalars[AT.startMs]!);
  const startMs = state.scalars[AT.startMs]!;
  // Asleep only while nobody wants anything: with no shard at all, one request would wait for ever.
  const least = policy.countMin === 0 && need === 0 ? 0 : 1;
  const trend = trendOf(state, { needSlots: need * shardSlots, seconds, startMs }) / shardSlots;
  setLevels(levels, { forecast, startMs, shardSlots, need, trend, ceiling: ceilingOf(busiestOf(state)), least });
  const drainSeconds = policy.drainPrice * SECONDS_PER_HOUR;
  moveShadows(state, levels, { seconds, drainSeconds });
  const { rung, expectedRatio, isAttainable } = controlOf(state, policy.shortfallRatio);
  const floorCount = policy.shortfallRatio > 0 ? floorOf(rung, need) : Math.ceil(need);
  const before = input.fleet?.count ?? state.count[OWN_SHADOW]!;
  const beyondCount = beyondLevelOf(rung, { need: Math.max(need, state.scalars[AT.minuteMean]!), beyond: beyondOf(state), startMs });
  const wanted = wantedCount(state, { rung, floorCount, beyondCount, before, seconds, drainSeconds });
  const { count, warm, limitedBy } = withinBounds(wanted.count, before, policy);
  state.count[OWN_SHADOW] = count;
  pushShadows(state, startMs);
  return {
    count,
    warmCount: warm,
    reason: limitedBy ?? wanted.reason,
    rung,
    floorCount,
    startMs,
    expectedShortfallRatio: expectedRatio,
    isAttainable,
  };
}

interface Wanting {
  readonly rung: number;
  readonly floorCount: number;
  /** Of the plan alone: shadows have no part in it, as what would hide a surprise from them would not be learned. */
  readonly beyondCount: number;
  readonly before: number;
  readonly seconds: number;
  readonly drainSeconds: number;
}

/** As the shadows move, from the fleet that is there. */
function wantedCount(
  { scalars }: PlannerState,
  { rung, floorCount, beyondCount, before, seconds, drainSeconds }: Wanting,
): { count: number; reason: PlanReason } {
  const known = Math.max(levels.up[rung]!, floorCount);
  const up = Math.max(known, beyondCount);
  const down = Math.max(levels.down[rung]!, up);
  if (before <= down) scalars[AT.plannedSurplus] = 0;
  if (before < up) return { count: up, reason: up > known ? "beyond" : up > levels.up[rung]! ? "floor" : "forecast" };
  if (before <= down) return { count: before, reason: before > up ? "hold" : "steady" };
  scalars[AT.plannedSurplus]! += seconds;
  if (scalars[AT.plannedSurplus]! < drainSeconds) return { count: before, reason: "hold" };
  scalars[AT.plannedSurplus] = 0;
  return { count: down, reason: "surplus" };
}

function elapsedSeconds({ scalars }: PlannerState, nowMs: number): number {
  const before = scalars[AT.plannedMs]!;
  scalars[AT.plannedMs] = nowMs;
  const elapsedMs = before === 0 ? PLAN_STEP_MS : Math.min(ELAPSED_MS_MAX, Math.max(0, nowMs - before));
  return elapsedMs / SECOND_MS;
}

function account(
  state: PlannerState,
  { samples, seconds, readyCount }: { samples: readonly number[]; seconds: number; readyCount: number | null },
): void {
  accountShadows(state, { samples, seconds });
  const { scalars, ready } = state;
  const served = readyCount ?? ready[OWN_SHADOW]!;
  const secondsEach = seconds / Math.max(1, samples.length);
  for (const sample of samples) {
    scalars[AT.hourLoad]! += sample * secondsEach;
    scalars[AT.hourSeen]! += Math.max(0, sample - served) * secondsEach;
  }
  scalars[AT.hourMs]! += seconds * SECOND_MS;
}
