// What every rung would have done, as counters: demand does not depend on us, so nothing real is risked to know it.
import type { Levels } from "./rungs.ts";
import { RUNG_COUNT } from "./rungs.ts";
import { AT, SHADOW_COUNT, type PlannerState } from "./planner-state.ts";
import { PLAN_STEP_MS, RING_COUNT } from "./settings.ts";

export interface Elapsed {
  /** Demand since the last plan, in shards, equally spaced. */
  readonly samples: readonly number[];
  readonly seconds: number;
}

/** Bills every shadow for the time since the last plan, and counts what it left unserved. */
export function accountShadows(state: PlannerState, { samples, seconds }: Elapsed): void {
  const { count, ready, hourCost, hourShortfall } = state;
  const most = samples.reduce((highest, sample) => Math.max(highest, sample), 0);
  const secondsEach = samples.length === 0 ? 0 : seconds / samples.length;
  for (let rung = 0; rung < RUNG_COUNT; rung++) {
    hourCost[rung]! += count[rung]! * seconds;
    const served = ready[rung]!;
    if (most <= served) continue;
    let short = 0;
    for (const sample of samples) if (sample > served) short += sample - served;
    hourShortfall[rung]! += short * secondsEach;
  }
}

/**
 * Moves every shadow to its levels. A shard more than it keeps is drained once it has stood idle for what a drain costs:
 * whoever did not know how long it will be idle pays at most twice what he would have, had he known (ski rental).
 */
export function moveShadows(
  state: PlannerState,
  levels: Levels,
  { seconds, drainSeconds }: { seconds: number; drainSeconds: number },
): void {
  const { count, surplus, hourCost } = state;
  for (let rung = 0; rung < RUNG_COUNT; rung++) {
    const had = count[rung]!;
    const up = levels.up[rung]!;
    const down = levels.down[rung]!;
    if (had < up) count[rung] = up;
    if (had <= down) {
      surplus[rung] = 0;
      continue;
    }
    surplus[rung]! += seconds;
    if (surplus[rung]! < drainSeconds) continue;
    surplus[rung] = 0;
    count[rung] = down;
    hourCost[rung]! += (had - down) * drainSeconds;
  }
}

/** What is ready of every shadow: the fewest shards since a start-up time ago, as the newest are drained first. */
export function pushShadows(state: PlannerState, startMs: number): void {
  const { count, ready, ring, scalars } = state;
  const steps = Math.ceil(startMs / PLAN_STEP_MS) + 1;
  const plansEach = Math.ceil(steps / (RING_COUNT - 1));
  const entries = Math.ceil(steps / plansEach);
  const isFull = scalars[AT.ringFilled]! >= plansEach;
  const at = isFull ? (scalars[AT.ringAt]! + 1) % RING_COUNT : scalars[AT.ringAt]!;
  scalars[AT.ringAt] = at;
  scalars[AT.ringFilled] = isFull ? 1 : scalars[AT.ringFilled]! + 1;
  const gone = (at - entries + RING_COUNT) % RING_COUNT;
  for (let shadow = 0; shadow < SHADOW_COUNT; shadow++) {
    const now = count[shadow]!;
    ring[at * SHADOW_COUNT + shadow] = isFull ? now : Math.min(now, ring[at * SHADOW_COUNT + shadow]!);
    if (now <= ready[shadow]!) ready[shadow] = now;
    else if (isFull && ring[gone * SHADOW_COUNT + shadow]! <= ready[shadow]!) ready[shadow] = fewest(ring, { at, entries, shadow });
  }
}

/** After the start-up time has changed. */
export function recountShadows(state: PlannerState, startMs: number): void {
  const steps = Math.ceil(startMs / PLAN_STEP_MS) + 1;
  const entries = Math.ceil(steps / Math.ceil(steps / (RING_COUNT - 1)));
  const at = state.scalars[AT.ringAt]!;
  for (let shadow = 0; shadow < SHADOW_COUNT; shadow++) state.ready[shadow] = fewest(state.ring, { at, entries, shadow });
}

function fewest(ring: Int32Array, { at, entries, shadow }: { at: number; entries: number; shadow: number }): number {
  let least = Infinity;
  for (let back = 0; back < entries; back++) {
    least = Math.min(least, ring[((at - back + RING_COUNT) % RING_COUNT) * SHADOW_COUNT + shadow]!);
  }
  return least;
}
