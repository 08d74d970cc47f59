// Seasons of any length on the forecaster's grid: as they are where they fit, else several steps to a slot.
import { DAY_MAX, WEEK_MAX, type Seasons } from "./seasonal-model.ts";

export interface SeasonGrid {
  readonly seasons: Seasons;
  /** Steps of the series in one slot of the grid. */
  readonly stepsPerSlot: number;
}

export type GridOutcome = { readonly ok: true; readonly grid: SeasonGrid } | { readonly ok: false; readonly expected: string };

/** Longer seasons than a minute's week are nobody's. */
export const PERIOD_MAX = 10_080;

/** A day of fewer slots has lost its shape. */
const DAY_SLOTS_MIN = 12;

/**
 * The finest grid on which the periods (none, one, or two; in steps, ascending) are whole numbers of slots, at most 24 for the
 * short one and 168 for the long. One alone that has more is a week without days where that leaves it as it is, else a day of at least
 * twelve slots, else a week again.
 */
export function seasonGrid(periods: readonly number[]): GridOutcome {
  const [short = 1, long = short] = periods;
  const grid =
    periods.length === 1 && short > DAY_MAX
      ? (gridOf(short, { slotsMin: DAY_MAX + 1, slotsMax: WEEK_MAX, stepsPerSlotMax: 1 }) ??
        gridOf(short, { slotsMin: DAY_SLOTS_MIN, slotsMax: DAY_MAX, stepsPerSlotMax: short }) ??
        gridOf(short, { slotsMin: 2, slotsMax: WEEK_MAX, stepsPerSlotMax: short }))
      : gridOfTwo(short, long);
  if (grid !== null) return { ok: true, grid };
  return { ok: false, expected: `periods that a common divisor brings to at most ${DAY_MAX} and ${WEEK_MAX}, such as 24,168 or 288,2016` };
}

interface Slots {
  readonly slotsMin: number;
  readonly slotsMax: number;
  readonly stepsPerSlotMax: number;
}

function gridOf(period: number, { slotsMin, slotsMax, stepsPerSlotMax }: Slots): SeasonGrid | null {
  for (let stepsPerSlot = 1; stepsPerSlot <= stepsPerSlotMax; stepsPerSlot += 1) {
    const slots = period / stepsPerSlot;
    if (!Number.isInteger(slots) || slots < slotsMin || slots > slotsMax) continue;
    const isDay = slots <= DAY_MAX && slots >= DAY_SLOTS_MIN;
    return { seasons: { day: isDay ? slots : 1, week: slots }, stepsPerSlot };
  }
  return null;
}

function gridOfTwo(short: number, long: number): SeasonGrid | null {
  for (let stepsPerSlot = 1; stepsPerSlot <= short; stepsPerSlot += 1) {
    const [day, week] = [short / stepsPerSlot, long / stepsPerSlot];
    const isWhole = Number.isInteger(day) && Number.isInteger(week);
    const isSeason = day > 1 || short === 1;
    if (isWhole && isSeason && day <= DAY_MAX && week <= WEEK_MAX) return { seasons: { day, week }, stepsPerSlot };
  }
  return null;
}
