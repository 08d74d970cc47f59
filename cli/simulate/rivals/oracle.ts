// Knows the load: the cheapest fleet without any shortfall.
import type { Scaler } from "../account.ts";

/**
 * A shard serves at u only if it was there through [u − delay, u]; so at t there must be the maximum of ⌈load⌉ over
 * [t, t + delay], and no more. At least `countMin`.
 */
export function oracleCounts(load: Float32Array, { delayTicks, countMin }: { delayTicks: number; countMin: number }): Int32Array {
  const counts = new Int32Array(load.length);
  // Ticks of a decreasing maximum, from the newest (right) to the largest: the sliding window goes backwards.
  const queue = new Int32Array(load.length);
  let head = 0;
  let tail = 0;
  for (let tick = load.length - 1; tick >= 0; tick--) {
    const value = load[tick] ?? 0;
    while (tail > head && (load[queue[tail - 1] ?? 0] ?? 0) <= value) tail--;
    queue[tail++] = tick;
    while ((queue[head] ?? 0) > tick + delayTicks) head++;
    counts[tick] = Math.max(countMin, Math.ceil(load[queue[head] ?? 0] ?? 0));
  }
  return counts;
}

export class OracleScaler implements Scaler {
  readonly #counts: Int32Array;

  constructor(counts: Int32Array) {
    this.#counts = counts;
  }

  decide(tick: number): number {
    return this.#counts[tick] ?? 0;
  }
}
