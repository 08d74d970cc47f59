// The operator's seasons as the hourly core can follow them.
import { HOUR_MS } from "../units.ts";
import { DAY_MAX, WEEK_MAX, type Seasons } from "./seasonal-model.ts";

/** None, one, or two seasons of whole hours: of at most 24, and of at most 168; null where these are not. */
export function hourlySeasons(seasonsMs: readonly number[]): Seasons | null {
  const hours = seasonsMs.map((seasonMs) => seasonMs / HOUR_MS).toSorted((a, b) => a - b);
  if (hours.length > 2 || !hours.every(Number.isInteger)) return null;
  const [short = 1, long = short] = hours;
  const day = hours.length === 1 && short > DAY_MAX ? 1 : short;
  return day <= DAY_MAX && long <= WEEK_MAX ? { day, week: long } : null;
}
