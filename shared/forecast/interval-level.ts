// How wide an interval of a given level is.

/** Levels that can be asked for, in percent. */
export const LEVEL_MIN = 50;
export const LEVEL_MAX = 99.9;

/**
 * Quantiles of |log error| ÷ expected |log error| over the five validation origins of bench/forecast (99,360 steps); at 95 what
 * was chosen there for the interval score. A normal error would have 2.46 at 95 and 4.12 at 99.9.
 */
const WIDTHS: readonly (readonly [level: number, width: number])[] = [
  [50, 0.564],
  [60, 0.725],
  [70, 0.931],
  [80, 1.217],
  [85, 1.413],
  [90, 1.7],
  [92.5, 1.913],
  [95, 2.2],
  [97, 2.672],
  [98, 3.047],
  [99, 3.834],
  [99.5, 4.869],
  [99.8, 6.854],
  [99.9, 10.815],
];

const WIDTH_AT_95 = 2.2;

/** The width of an interval of `level` percent ÷ that of 95 %, in logs. Linear between the table's levels, so rather too wide there. Throws RangeError outside them. */
export function widthRatio(level: number): number {
  if (!(level >= LEVEL_MIN && level <= LEVEL_MAX))
    throw new RangeError(`Cannot make an interval of ${level} %: expected a number from ${LEVEL_MIN} to ${LEVEL_MAX}`);
  const above = Math.max(
    1,
    WIDTHS.findIndex(([known]) => level <= known),
  );
  const [[lowLevel, low] = [0, 0], [highLevel, high] = [1, 0]] = WIDTHS.slice(above - 1, above + 1);
  return (level === highLevel ? high : low + ((level - lowLevel) / (highLevel - lowLevel)) * (high - low)) / WIDTH_AT_95;
}
