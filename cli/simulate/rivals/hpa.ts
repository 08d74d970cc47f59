// Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) with its defaults, on the mean load per ready shard.
// Source: kubernetes.io, "Horizontal Pod Autoscaling", algorithm details and default behaviour.
import { SECOND_MS } from "#shared/units.ts";
import type { Scaler } from "../account.ts";
import type { Fleet } from "../fleet.ts";
import { TICK_MS, ticksOf } from "../tick.ts";

const PERIOD_MS = 15 * SECOND_MS;
const PERIOD_TICKS = ticksOf(PERIOD_MS);
const TOLERANCE = 0.1;
/** Recommendations looked back on before going down: 300 s of them, and the one just made. */
const DOWN_WINDOW_COUNT = 300 / 15 + 1;
const COUNT_MIN = 1;
const UP_FACTOR = 2;
const UP_COUNT = 4;
/** 9.000000000000002 is 9: the controller's own division has the same noise, its tests the same cure. */
const ROUNDING = 1e-9;

/** Desired replicas before stabilisation and limits. `need` is the mean load, in shards, unserved load included. */
export function hpaRecommendation({ need, count, ready, target }: { need: number; count: number; ready: number; target: number }): number {
  if (ready === 0) return count;
  const usage = need / ready / target;
  // Not-yet-ready shards are left out on the way down and count as idle on the way up.
  if (count === ready || usage <= 1) return isTolerated(usage) ? count : Math.ceil(usage * ready - ROUNDING);
  const usageOfAll = need / count / target;
  return usageOfAll <= 1 || isTolerated(usageOfAll) ? count : Math.ceil(usageOfAll * count - ROUNDING);
}

function isTolerated(usage: number): boolean {
  return Math.abs(usage - 1) <= TOLERANCE + ROUNDING;
}

export class HpaScaler implements Scaler {
  readonly #load: Float32Array;
  readonly #target: number;
  readonly #recent = new Float64Array(DOWN_WINDOW_COUNT);
  #decisionCount = 0;

  constructor(load: Float32Array, target: number) {
    this.#load = load;
    this.#target = target;
  }

  decide(tick: number, fleet: Fleet): number {
    // Every 15 s of a clock of 2 s: after 8 ticks and 7 in turn.
    if (tick === 0 || (tick * TICK_MS) % PERIOD_MS >= TICK_MS) return fleet.count;
    let sum = 0;
    const first = Math.max(0, tick - PERIOD_TICKS);
    for (let index = first; index < tick; index++) sum += this.#load[index] ?? 0;
    const { count, ready } = fleet;
    const desired = Math.max(COUNT_MIN, hpaRecommendation({ need: sum / (tick - first), count, ready, target: this.#target }));
    this.#recent[this.#decisionCount++ % DOWN_WINDOW_COUNT] = desired;
    if (desired > count) return Math.min(desired, Math.max(count * UP_FACTOR, count + UP_COUNT));
    return Math.min(
      count,
      this.#recent.reduce((most, recent) => Math.max(most, recent)),
    );
  }
}
