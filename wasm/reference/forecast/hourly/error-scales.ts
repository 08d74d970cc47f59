// How far a column is expected to be off, in logs, at every coming step.
import type { Judged } from "./judged.ts";
import { BLOCK_COUNT, INTERVAL, LONG_COUNT, RECENT_COUNT } from "./settings.ts";

export interface ScalesOf {
  readonly judged: Judged;
  readonly column: number;
  /** Hours seen. */
  readonly hour: number;
}

/** Writes the expected absolute log error of the coming `horizon` steps; 1 before any forecast has matured. */
export function errorScales(scales: Float64Array, horizon: number, { judged, column, hour }: ScalesOf): void {
  if (judged.maturedCount === 0) {
    scales.fill(1, 0, horizon);
    return;
  }
  const long = judged.maturedError(column, LONG_COUNT);
  const recent = judged.maturedError(column, RECENT_COUNT);
  const waiting = judged.pendingError(column, hour);
  const pending = Number.isNaN(waiting) ? long : waiting;
  const base = INTERVAL.long * long + INTERVAL.recent * recent + INTERVAL.pending * pending + INTERVAL.floor;
  for (let step = 0; step < horizon; step += 1) {
    const shape = long > 0 ? errorAt(judged, column, Math.min(step, judged.steps - 1)) / long : 1;
    scales[step] = base * Math.sqrt(0.5 + 0.5 * shape);
  }
}

// Between the middles of two blocks on a straight line.
function errorAt(judged: Judged, column: number, step: number): number {
  const place = Math.min(BLOCK_COUNT - 1, Math.max(0, (step + 0.5) / judged.blockSteps - 0.5));
  const first = Math.min(BLOCK_COUNT - 2, Math.floor(place));
  const before = judged.blockError(column, first);
  return before + (place - first) * (judged.blockError(column, first + 1) - before);
}
