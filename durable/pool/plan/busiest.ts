// The busiest minutes of the last week, and how far the present is beyond them.
import { HOUR_MS } from "#shared/units.ts";
import { AT, type PlannerState } from "./planner-state.ts";
import { BEYOND, BUSIEST } from "./settings.ts";

/** Notes `need`, in shards, in the busiest minute of each hour of the last week. */
export function noteBusiest({ scalars, busiest }: PlannerState, { nowMs, need }: { nowMs: number; need: number }): void {
  const hour = Math.floor(nowMs / HOUR_MS);
  const isFirst = scalars[AT.hourIndex] === 0;
  if (isFirst) {
    scalars[AT.minuteMean] = need;
    scalars[AT.hourFirst] = hour;
  }
  const passed = isFirst ? 1 : Math.min(BUSIEST.hourCount, Math.max(0, hour - scalars[AT.hourIndex]!));
  for (let back = 0; back < passed; back++) busiest[(hour - back) % BUSIEST.hourCount] = 0;
  scalars[AT.hourIndex] = hour;
  scalars[AT.minuteMean]! += (need - scalars[AT.minuteMean]!) / BUSIEST.planCount;
  const at = hour % BUSIEST.hourCount;
  busiest[at] = Math.max(busiest[at]!, scalars[AT.minuteMean]!);
}

/** Of the last week, in shards. */
export function busiestOf({ busiest }: PlannerState): number {
  let most = 0;
  for (let hour = 0; hour < busiest.length; hour++) if (busiest[hour]! > most) most = busiest[hour]!;
  return most;
}

/**
 * The present minute ÷ the busiest of the last week but its last hours; 1 where it is not above, or where too little is known.
 * What was replayed was replayed below that.
 */
export function beyondOf({ scalars, busiest }: PlannerState): number {
  const now = scalars[AT.hourIndex]!;
  if (now - scalars[AT.hourFirst]! < BEYOND.knownHoursMin) return 1;
  let most = 0;
  let at = (((now - BEYOND.recentHours) % BUSIEST.hourCount) + BUSIEST.hourCount) % BUSIEST.hourCount;
  for (let left = BUSIEST.hourCount - BEYOND.recentHours; left > 0; left--) {
    if (busiest[at]! > most) most = busiest[at]!;
    at = at === 0 ? BUSIEST.hourCount - 1 : at - 1;
  }
  return most > 0 ? Math.max(1, scalars[AT.minuteMean]! / most) : 1;
}
