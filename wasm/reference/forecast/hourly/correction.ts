// The learned mixture as the nets correct it: a mean and quantiles, in logs.
import { NetRunner, type Net } from "./net.ts";
import { describeOrigin, describeStep, GATED, inUnits, type Situation } from "./net-inputs.ts";
import { Column } from "./pool.ts";
import { CORRECTION, DAY, HORIZON_MAX, INPUT_COUNT, JUDGED, ORIGIN_INPUT_COUNT, QUANTILES } from "./settings.ts";

const MEDIAN = (QUANTILES.length - 1) / 2;

export class Correction {
  /** After `correct`: log1p of the interval's ends. */
  readonly lower = new Float64Array(HORIZON_MAX);
  readonly upper = new Float64Array(HORIZON_MAX);
  readonly #runner: NetRunner;
  readonly #inputs = new Float64Array(INPUT_COUNT);
  readonly #deviations = new Float64Array(GATED.length);

  constructor(net: Net) {
    this.#runner = new NetRunner(net);
  }

  /** Fills the corrected column, `lower` and `upper`. Beyond the steps that are judged the last day's corrections hold. */
  correct(situation: Situation, horizon: number): void {
    const { columns, scales } = situation;
    const [base, corrected] = [Column.learned * HORIZON_MAX, Column.corrected * HORIZON_MAX];
    const runner = this.#runner;
    describeOrigin(situation, this.#inputs);
    runner.begin(this.#inputs);
    for (let step = 0; step < Math.min(JUDGED, horizon); step += 1) {
      describeStep(situation, step, { into: this.#inputs, at: ORIGIN_INPUT_COUNT });
      deviationsInto(this.#deviations, situation, step);
      runner.run(this.#inputs, this.#deviations);
      const { shift, quantiles } = runner;
      const scale = scales[step]!;
      const said = columns[base + step]!;
      const median = quantiles[MEDIAN]!;
      const mean = CORRECTION.gate * shift + median;
      const low = shift + median + CORRECTION.stretch * (quantiles[0]! - median);
      const high = shift + median + CORRECTION.stretch * (quantiles[QUANTILES.length - 1]! - median);
      columns[corrected + step] = Math.max(0, said + scale * mean);
      this.lower[step] = said + scale * Math.min(low, mean);
      this.upper[step] = said + scale * Math.max(high, mean);
    }
    for (let step = JUDGED; step < horizon; step += 1) {
      const from = JUDGED - DAY + (step % DAY);
      const moved = columns[base + step]! - columns[base + from]!;
      columns[corrected + step] = Math.max(0, columns[corrected + from]! + moved);
      this.lower[step] = Math.min(this.lower[from]! + moved, columns[corrected + step]!);
      this.upper[step] = Math.max(this.upper[from]! + moved, columns[corrected + step]!);
    }
  }
}

/** How far every gated expert is from the base, in units of its scale. */
export function deviationsInto(into: Float64Array, { columns, scales }: Situation, step: number): void {
  const said = columns[Column.learned * HORIZON_MAX + step]!;
  for (let index = 0; index < GATED.length; index += 1) {
    into[index] = inUnits(columns[GATED[index]! * HORIZON_MAX + step]! - said, scales[step]!);
  }
}
