// What the nets learn from: the forecaster's own situation at many origins, and what came.
import type { Prior } from "#wasm/reference/forecast/hourly/prior.ts";
import { deviationsInto } from "#wasm/reference/forecast/hourly/correction.ts";
import { HourlyForecasterReference } from "#wasm/reference/forecast/hourly/hourly-forecaster.ts";
import { describeOrigin, describeStep } from "#wasm/reference/forecast/hourly/net-inputs.ts";
import { Column } from "#wasm/reference/forecast/hourly/pool.ts";
import {
  CORRECT_FROM,
  DAY,
  GATED_COUNT,
  HORIZON_MAX,
  INPUT_COUNT,
  JUDGED,
  ORIGIN_INPUT_COUNT,
} from "#wasm/reference/forecast/hourly/settings.ts";

export interface Samples {
  readonly count: number;
  /** Row-major: INPUT_COUNT, GATED_COUNT. */
  readonly inputs: Float32Array;
  readonly deviations: Float32Array;
  /** (log1p of what came − the base) ÷ its scale, within ± TARGET_MAX. */
  readonly targets: Float32Array;
  readonly weights: Float32Array;
}

export interface Priors {
  readonly log: Prior;
  readonly raw: Prior;
}

export interface CollectOptions {
  readonly series: readonly (readonly number[])[];
  /** Of the end of every series nothing is read. */
  readonly holdoutHours: number;
  /** Learned without the series, so that the nets see the experts as a service that nobody knows would. */
  readonly priorsOf: (index: number) => Priors;
  readonly onProgress: (what: string) => void;
}

/** Hours between two origins: prime to a day and to the forecaster's clock, so that every phase of them is seen. */
const ORIGIN_EVERY = 5;
/** Every second step of an origin: its neighbours are nearly the same. */
const STEP_EVERY = 2;
const TARGET_MAX = 12;
const LOUDNESS_MAX = 9;

export function collectSamples(options: CollectOptions): Samples {
  const origins = options.series.map((values) => originsOf(values.length - options.holdoutHours));
  const count = origins.reduce((sum, { length }) => sum + length, 0) * (JUDGED / STEP_EVERY);
  const samples: Samples = {
    count,
    inputs: new Float32Array(count * INPUT_COUNT),
    deviations: new Float32Array(count * GATED_COUNT),
    targets: new Float32Array(count),
    weights: new Float32Array(count),
  };
  let at = 0;
  for (const [index, values] of options.series.entries()) {
    if (index % 50 === 0) options.onProgress(`samples: series ${index + 1} of ${options.series.length}`);
    at = collectSeries({ values, origins: origins[index]!, priors: options.priorsOf(index) }, samples, at);
  }
  weigh(samples, origins);
  return samples;
}

function originsOf(hours: number): number[] {
  const origins = [];
  for (let hour = CORRECT_FROM; hour + JUDGED <= hours; hour += 1) if (hour % ORIGIN_EVERY === 0) origins.push(hour);
  return origins;
}

interface SeriesToCollect {
  readonly values: readonly number[];
  readonly origins: readonly number[];
  readonly priors: Priors;
}

// Leaves in `weights` how loud the scale is beside the season's own error; returns where the next series begins.
function collectSeries({ values, origins, priors }: SeriesToCollect, samples: Samples, from: number): number {
  const forecaster = new HourlyForecasterReference({ ...priors, net: null });
  const inputs = new Float64Array(INPUT_COUNT);
  const deviations = new Float64Array(GATED_COUNT);
  let at = from;
  let seen = 0;
  let seasonal = 0;
  for (const origin of origins) {
    for (; seen < origin; seen += 1) {
      forecaster.observe(values[seen]!);
      if (seen >= DAY) seasonal += Math.abs(values[seen]! - values[seen - DAY]!);
    }
    forecaster.forecast(JUDGED, "learned");
    const situation = forecaster.situation();
    describeOrigin(situation, inputs);
    for (let step = (origin / ORIGIN_EVERY) % STEP_EVERY; step < JUDGED; step += STEP_EVERY) {
      describeStep(situation, step, { into: inputs, at: ORIGIN_INPUT_COUNT });
      deviationsInto(deviations, situation, step);
      const base = situation.columns[Column.learned * HORIZON_MAX + step]!;
      const scale = situation.scales[step]!;
      for (let index = 0; index < INPUT_COUNT; index += 1) samples.inputs[at * INPUT_COUNT + index] = inputs[index]!;
      samples.deviations.set(deviations, at * GATED_COUNT);
      samples.targets[at] = bounded((Math.log1p(values[origin + step]!) - base) / scale, TARGET_MAX);
      samples.weights[at] = (Math.exp(base) * scale) / Math.max(1e-9, seasonal / (origin - DAY));
      at += 1;
    }
  }
  return at;
}

// √ of the loudness, so that the loss lies between a relative and a scaled error; every series alike, however many origins.
function weigh({ weights, count }: Samples, origins: readonly (readonly number[])[]): void {
  const loudness = meanOf(weights);
  let at = 0;
  for (const { length } of origins)
    for (let sample = 0; sample < length * (JUDGED / STEP_EVERY); sample += 1, at += 1)
      weights[at] = Math.sqrt(Math.min(weights[at]! / loudness, LOUDNESS_MAX)) / length;
  const mean = meanOf(weights);
  for (let sample = 0; sample < count; sample += 1) weights[sample] = weights[sample]! / mean;
}

function meanOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function bounded(value: number, most: number): number {
  return Number.isNaN(value) ? 0 : Math.min(most, Math.max(-most, value));
}
