// When a service that sleeps has to be woken so that its shards are there before its demand is: by its own forecast. Pure.
import type { DemandRow } from "#shared/forecast/minute-demand.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Plan } from "./planner.ts";

/** The forecast is looked at in steps, from the first on that is worth a sleep, for a day. */
const STEP_MS = 10 * MINUTE_MS;
const SLEEP_MS_MIN = 30 * MINUTE_MS;
const AHEAD_MS = 24 * HOUR_MS;
/** Slots expected, in the mean, for which a service without a shard is woken. */
const MEAN_SLOTS_MIN = 0.1;
/** The loop's own time from waking to an order. */
const LEAD_MS = 30 * SECOND_MS;

/** The forecast's mean so far ahead of `nowMs`. */
export type Expect = (horizonsMs: readonly number[]) => readonly Pick<DemandRow, "mean">[];

export interface PrewarmInput {
  readonly expect: Expect;
  readonly nowMs: number;
  /** A shard is ready so long after its order. */
  readonly startMs: number;
  readonly shardSlots: number;
}

/** When the loop has to be awake for more shards than `count`; null: not within a day, by what is known now. */
export function prewarmAtMs({ expect, nowMs, startMs, shardSlots }: PrewarmInput, count: number): number | null {
  const horizonsMs = Array.from({ length: (AHEAD_MS - SLEEP_MS_MIN) / STEP_MS + 1 }, (_, step) => SLEEP_MS_MIN + step * STEP_MS);
  const rows = expect(horizonsMs);
  const at = rows.findIndex(({ mean }) => shardsFor(mean, shardSlots) > count);
  const horizonMs = at === -1 ? undefined : horizonsMs[at];
  if (horizonMs === undefined) return null;
  // A step sooner: the demand may begin anywhere in it.
  return nowMs + Math.max(STEP_MS, horizonMs - STEP_MS - startMs - LEAD_MS);
}

export interface Prewarmed {
  /** Shards that the forecast wants by the end of the step that the loop was woken for … */
  readonly count: number;
  /** … and until when they stay, whatever comes: the plan knows demand once it is there. */
  readonly untilMs: number;
}

/** What a fleet follows. */
export interface WantedShards {
  readonly count: number;
  /** Null: as before. */
  readonly warmCount: number | null;
  /** Learned start-up time; null: as before. */
  readonly startMs: number | null;
}

export const NOTHING_PREWARMED: Prewarmed = { count: 0, untilMs: 0 };

export function prewarmedBy({ expect, nowMs, startMs, shardSlots }: PrewarmInput): Prewarmed {
  const windowMs = startMs + LEAD_MS + 2 * STEP_MS;
  const horizonsMs = Array.from({ length: Math.ceil(windowMs / STEP_MS) }, (_, step) => (step + 1) * STEP_MS);
  return { count: Math.max(0, ...expect(horizonsMs).map(({ mean }) => shardsFor(mean, shardSlots))), untilMs: nowMs + windowMs };
}

/** Null: nothing is known. */
export function wantedOf(
  plan: Plan | null,
  { prewarmed, isAsleep, nowMs }: { prewarmed: Prewarmed; isAsleep: boolean; nowMs: number },
): WantedShards | null {
  const kept = isAsleep || nowMs < prewarmed.untilMs ? prewarmed.count : 0;
  if (plan === null) return kept === 0 ? null : { count: kept, warmCount: null, startMs: null };
  // Asleep, its plan is of another time.
  return { count: isAsleep ? kept : Math.max(kept, plan.count), warmCount: plan.warmCount, startMs: plan.startMs };
}

function shardsFor(mean: number, shardSlots: number): number {
  return mean < MEAN_SLOTS_MIN ? 0 : Math.max(1, Math.round(mean / shardSlots));
}
