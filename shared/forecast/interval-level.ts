// How wide an interval of a given level is.

/** Levels that can be asked for, in percent. */
export const LEVEL_MIN = 50;
export const LEVEL_MAX = 99.9;

/**
 * Width ÷ that of 95 %, in logs: what held so many of the 99,360 steps of bench/forecast's five validation origins, the mean of what
 * was learned and what was not (they differ by 6 % at most). Of a normal error 0.344 at 50, 0.653 at 80, 1.31 at 99, 1.68 at 99.9.
 */
const WIDTHS: readonly (readonly [level: number, ratio: number])[] = [
  [50, 0.272],
  [60, 0.35],
  [70, 0.445],
  [80, 0.572],
  [85, 0.661],
  [90, 0.784],
  [92.5, 0.876],
  [95, 1],
  [97, 1.184],
  [98, 1.334],
  [99, 1.646],
  [99.5, 2.103],
  [99.8, 3.186],
  [99.9, 5.089],
];

/** The width of an interval of `level` percent ÷ that of 95 %, in logs. Linear between the table's levels, so rather too wide there. Throws RangeError outside them. */
export function widthRatio(level: number): number {
  if (!(level >= LEVEL_MIN && level <= LEVEL_MAX))
    throw new RangeError(`Cannot make an interval of ${level} %: expected a number from ${LEVEL_MIN} to ${LEVEL_MAX}`);
  const above = Math.max(
    1,
    WIDTHS.findIndex(([known]) => level <= known),
  );
  const [[lowLevel, low] = [0, 0], [highLevel, high] = [1, 0]] = WIDTHS.slice(above - 1, above + 1);
  return level === highLevel ? high : low + ((level - lowLevel) / (highLevel - lowLevel)) * (high - low);
}
