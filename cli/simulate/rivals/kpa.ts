// Knative's pod autoscaler (KPA) with its defaults, on concurrency. Source: knative.dev, "KPA-specific settings", and
// the scaling section of knative/serving's autoscaler.
import { SECOND_MS } from "#shared/units.ts";
import type { Scaler } from "../account.ts";
import type { Fleet } from "../fleet.ts";
import { ticksOf } from "../tick.ts";

const STABLE_TICKS = ticksOf(60 * SECOND_MS);
const PANIC_TICKS = ticksOf(6 * SECOND_MS);
const PANIC_THRESHOLD = 2;
const UP_RATE_MAX = 1_000;
const DOWN_RATE_MAX = 2;
const COUNT_MIN = 1;
const ROUNDING = 1e-9;

/** Decides every tick of 2 s, as the KPA does. */
export class KpaScaler implements Scaler {
  readonly #load: Float32Array;
  readonly #target: number;
  #stableSum = 0;
  #panicSum = 0;
  /** Last tick over the threshold; −1: not in panic. */
  #panicTick = -1;
  #panicCount = 0;

  constructor(load: Float32Array, target: number) {
    this.#load = load;
    this.#target = target;
  }

  decide(tick: number, { count, ready }: Fleet): number {
    if (tick === 0) return count;
    this.#take(tick);
    const known = Math.max(1, ready);
    const bound = (mean: number): number =>
      Math.min(Math.max(Math.ceil(mean / this.#target - ROUNDING), Math.floor(known / DOWN_RATE_MAX)), Math.ceil(known * UP_RATE_MAX));
    const panicMean = this.#panicSum / Math.min(tick, PANIC_TICKS);
    const desired = bound(this.#stableSum / Math.min(tick, STABLE_TICKS));
    if (Math.ceil(panicMean / this.#target - ROUNDING) / known >= PANIC_THRESHOLD) this.#panicTick = tick;
    else if (this.#panicTick !== -1 && tick - this.#panicTick > STABLE_TICKS) {
      this.#panicTick = -1;
      this.#panicCount = 0;
    }
    if (this.#panicTick === -1) return Math.max(COUNT_MIN, desired);
    this.#panicCount = Math.max(this.#panicCount, desired, bound(panicMean)); // Never down in panic.
    return Math.max(COUNT_MIN, this.#panicCount);
  }

  /** Slides both windows to end at tick − 1. */
  #take(tick: number): void {
    const newest = this.#load[tick - 1] ?? 0;
    this.#stableSum += newest - (tick > STABLE_TICKS ? (this.#load[tick - 1 - STABLE_TICKS] ?? 0) : 0);
    this.#panicSum += newest - (tick > PANIC_TICKS ? (this.#load[tick - 1 - PANIC_TICKS] ?? 0) : 0);
  }
}
