// What a forecaster says does not depend on what is planned with it: said once, asked by every policy.
import type { Forecaster } from "#cli/simulate/tidegate-scaler.ts";
import { ASKED_PROBABILITIES } from "#durable/pool/plan/rungs.ts";
import { askFor, type DemandQuantiles } from "#shared/forecast/minute-demand.ts";

const COUNT = ASKED_PROBABILITIES.length;

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
  const asked = askFor(ASKED_PROBABILITIES);
  for (let step = 0; step < means.length; step++) {
    forecaster.observe(means[step] ?? 0, startMs + (step + 1) * stepMs - 1);
    forecaster.quantiles(horizonMs, asked);
    soon.set(asked.soon, step * COUNT);
    most.set(asked.most, step * COUNT);
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

  quantiles(_: number, { probabilities, soon, most }: DemandQuantiles): void {
    const other = probabilities.find((p, index) => p !== ASKED_PROBABILITIES[index]);
    if (other !== undefined || probabilities.length !== COUNT)
      throw new RangeError(
        `Cannot play back ${other === undefined ? `${probabilities.length} quantiles` : `the quantile ${other}`}: expected those that were recorded`,
      );
    const [from, to] = [this.#step * COUNT, (this.#step + 1) * COUNT];
    soon.set(this.#recorded.soon.subarray(from, to));
    most.set(this.#recorded.most.subarray(from, to));
  }
}
