// What a forecaster says does not depend on what is planned with it: said once, asked by every policy.
import type { Forecaster } from "#cli/simulate/tidegate-scaler.ts";
import { QUANTILES } from "#durable/pool/plan/settings.ts";

/** Every probability that the planner asks for. */
const PROBABILITIES = [...QUANTILES.exceedances.map((p) => 1 - p), 0.5];
const PLACES = new Map(PROBABILITIES.map((p, index) => [p, index]));
const COUNT = PROBABILITIES.length;

export interface Recorded {
  readonly soon: Float32Array;
  readonly most: Float32Array;
}

/** Feeds `means` (slots per step) and writes down all that a planner with this horizon can ask. */
export function record(
  forecaster: Forecaster,
  means: Float32Array,
  { startMs, stepMs, horizonMs }: { startMs: number; stepMs: number; horizonMs: number },
): Recorded {
  const soon = new Float32Array(means.length * COUNT);
  const most = new Float32Array(means.length * COUNT);
  for (let step = 0; step < means.length; step++) {
    forecaster.observe(means[step] ?? 0, startMs + (step + 1) * stepMs - 1);
    for (let index = 0; index < COUNT; index++) {
      const p = PROBABILITIES[index] ?? 0.5;
      soon[step * COUNT + index] = forecaster.quantile(horizonMs, p);
      most[step * COUNT + index] = forecaster.maxQuantile(horizonMs, p);
    }
  }
  return { soon, most };
}

/** Plays it back, one step an observation. It answers for the recorded horizon whichever is asked: the planner learns it within hours. */
export class RecordedForecast implements Forecaster {
  readonly #recorded: Recorded;
  #step = -1;

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
  }

  observe(): void {
    this.#step++;
  }

  quantile(_: number, p: number): number {
    return this.#recorded.soon[this.#step * COUNT + placeOf(p)] ?? 0;
  }

  maxQuantile(_: number, p: number): number {
    return this.#recorded.most[this.#step * COUNT + placeOf(p)] ?? 0;
  }
}

function placeOf(p: number): number {
  const place = PLACES.get(p);
  if (place === undefined) throw new RangeError(`Cannot play back the quantile ${p}: expected one that was recorded`);
  return place;
}
