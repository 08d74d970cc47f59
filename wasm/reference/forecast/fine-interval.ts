// The narrowest interval: where demand is skewed, an interval that leaves out more above than below is a good deal narrower in
// the values' unit, at the same coverage.
import { exponentialLessOne } from "./elementary.ts";
import { INTERVAL } from "./fine-settings.ts";

/** Shares below, the median, shares below the upper ends. */
export const INTERVAL_PROBABILITIES: readonly number[] = [
  ...INTERVAL.shares,
  0.5,
  ...INTERVAL.shares.map((share) => share + INTERVAL.level),
];

const COUNT = INTERVAL.shares.length;

export interface Interval {
  /** As log1p. */
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  readonly share: number;
}

/** `levels` are the quantiles of INTERVAL_PROBABILITIES, as log1p. */
export function narrowest(levels: readonly number[]): Interval {
  let [best, width] = [0, Infinity];
  for (let index = 0; index < COUNT; index += 1) {
    const [lower, upper] = [valueOf(levels[index]!), valueOf(levels[COUNT + 1 + index]!)];
    if (upper - lower >= width) continue;
    best = index;
    width = upper - lower;
  }
  return { median: levels[COUNT]!, lower: levels[best]!, upper: levels[COUNT + 1 + best]!, share: INTERVAL.shares[best]! };
}

/** In the values' unit. */
export function valueOf(level: number): number {
  return Math.max(0, exponentialLessOne(level));
}
