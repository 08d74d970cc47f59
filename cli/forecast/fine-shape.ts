// A series whose season is longer than the forecaster's grid: averaged into slots, forecast there, and spread again by what
// each place of the season used to have of its slot.

/** Means of `perSlot` values each; the last ends with the series, what does not fill the first is left out. NaN where nothing is known. */
export function slotsOf(values: Float64Array, perSlot: number): Float64Array {
  const count = Math.floor(values.length / perSlot);
  const first = values.length - count * perSlot;
  return Float64Array.from({ length: count }, (_, slot) => {
    const known = values.subarray(first + slot * perSlot, first + (slot + 1) * perSlot).filter((value) => !Number.isNaN(value));
    return known.length === 0 ? NaN : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}

/** In logs, from slot to slot: what a straight line through their middles says of each step. */
export function slotLine(logs: ArrayLike<number>, perSlot: number): (step: number) => number {
  return (step) => {
    const place = (step + 0.5) / perSlot - 0.5;
    const slot = Math.min(Math.max(0, Math.floor(place)), Math.max(0, logs.length - 2));
    const [low = NaN, high = low] = [logs[slot], logs[slot + 1]];
    return low + Math.min(1, Math.max(0, place - slot)) * (high - low);
  };
}

/** In logs, what is seen beside the line through the slots: by place of the season, and how far values are from that. */
export interface FineShape {
  /** Of a step ahead, 0 the next one. */
  ratioAt(step: number): number;
  /** Mean absolute log error around the shape. */
  readonly scale: number;
}

const RATE = 0.1;

export function fineShape(values: Float64Array, perSlot: number, seasonSteps: number): FineShape {
  const slots = slotsOf(values, perSlot);
  const first = values.length - slots.length * perSlot;
  const line = slotLine(slots.map(Math.log1p), perSlot);
  const shape = new Float64Array(seasonSteps);
  const seen = new Float64Array(seasonSteps);
  let [scale, count] = [0, 0];
  for (let index = 0; index < slots.length * perSlot; index += 1) {
    const ratio = Math.log1p(values[first + index] ?? NaN) - line(index);
    if (Number.isNaN(ratio)) continue;
    const place = index % seasonSteps;
    const known = seen[place] ?? 0;
    const error = ratio - (shape[place] ?? 0);
    // The first time around there is nothing to err from.
    if (known > 0) {
      count += 1;
      scale += Math.max(1 / count, RATE / perSlot) * (Math.abs(error) - scale);
    }
    shape[place] = (shape[place] ?? 0) + Math.max(1 / (known + 1), RATE) * error;
    seen[place] = known + 1;
  }
  const next = slots.length * perSlot;
  return { ratioAt: (step) => shape[(next + step) % seasonSteps] ?? 0, scale };
}
