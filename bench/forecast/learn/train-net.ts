// The nets' training: pinball losses of all quantiles around the gated mean, by Adam, with noise on the inputs against
// learning single series by heart. The same samples, options and seed give the same weights.
import { OUTPUT_COUNT, type Layer, type NetMember } from "#wasm/reference/forecast/hourly/net.ts";
import { GATED_COUNT, INPUT_COUNT, INPUT_MAX, QUANTILES } from "#wasm/reference/forecast/hourly/settings.ts";
import type { Samples } from "./collect-samples.ts";
import { normalOf, randomOf } from "./random.ts";

export interface TrainOptions {
  readonly hidden: readonly [number, number];
  readonly epochs: number;
  /** Deviation of the noise on a standardised input. */
  readonly noise: number;
  readonly rate: number;
  readonly batch: number;
  /** What a miss of the interval's ends costs beside one of the other quantiles. */
  readonly tail: number;
  readonly seed: number;
  readonly onProgress: (what: string) => void;
}

export interface Standard {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
}

const DECAY_FIRST = 0.9;
const DECAY_SECOND = 0.999;
const TINY = 1e-8;

export function standardOf({ inputs, count }: Samples): Standard {
  const means = new Float64Array(INPUT_COUNT);
  const deviations = new Float64Array(INPUT_COUNT);
  for (let at = 0; at < count * INPUT_COUNT; at += 1) means[at % INPUT_COUNT] = means[at % INPUT_COUNT]! + inputs[at]! / count;
  for (let at = 0; at < count * INPUT_COUNT; at += 1) {
    const away = inputs[at]! - means[at % INPUT_COUNT]!;
    deviations[at % INPUT_COUNT] = deviations[at % INPUT_COUNT]! + (away * away) / count;
  }
  return { means, deviations: deviations.map((square) => Math.sqrt(square) + 1e-3) };
}

interface Trainable extends Layer {
  readonly gradients: { readonly weights: Float64Array; readonly biases: Float64Array };
  readonly firsts: { readonly weights: Float64Array; readonly biases: Float64Array };
  readonly seconds: { readonly weights: Float64Array; readonly biases: Float64Array };
  readonly activations: Float64Array;
  readonly errors: Float64Array;
}

export function trainNet(samples: Samples, standard: Standard, options: TrainOptions): NetMember {
  const random = randomOf(options.seed);
  const sizes = [INPUT_COUNT, ...options.hidden, OUTPUT_COUNT];
  const layers = options.hidden
    .map((outputs, index) => layerOf(sizes[index]!, outputs, random))
    .concat(layerOf(sizes[2]!, OUTPUT_COUNT, random));
  beginOutputs(layers[2]!);
  const inputs = new Float64Array(INPUT_COUNT);
  const stepCount = Math.max(1, Math.round((options.epochs * samples.count) / options.batch));
  let loss = 0;
  for (let step = 0; step < stepCount; step += 1) {
    for (let index = 0; index < options.batch; index += 1) {
      const sample = Math.floor(random() * samples.count);
      standardise({ samples, sample, standard, noise: options.noise, random }, inputs);
      forward(layers, inputs);
      loss += outputErrors(layers[2]!, { samples, sample }, options);
      backward(layers, inputs);
    }
    const rate = options.rate * 0.5 * (1 + Math.cos((Math.PI * step) / stepCount));
    for (const layer of layers) descend(layer, { rate, step: step + 1 });
    if ((step + 1) % 500 === 0) {
      options.onProgress(`net ${options.seed}: step ${step + 1} of ${stepCount}, loss ${(loss / (500 * options.batch)).toFixed(4)}`);
      loss = 0;
    }
  }
  return { layers: layers.map(({ inputs: from, outputs, weights, biases }) => ({ inputs: from, outputs, weights, biases })) };
}

function layerOf(inputs: number, outputs: number, random: () => number): Trainable {
  const zeros = (): { weights: Float64Array; biases: Float64Array } => ({
    weights: new Float64Array(inputs * outputs),
    biases: new Float64Array(outputs),
  });
  return {
    inputs,
    outputs,
    weights: Float64Array.from({ length: inputs * outputs }, () => normalOf(random) / Math.sqrt(inputs)),
    biases: new Float64Array(outputs),
    gradients: zeros(),
    firsts: zeros(),
    seconds: zeros(),
    activations: new Float64Array(outputs),
    errors: new Float64Array(outputs),
  };
}

// Begins near a bell's quantiles, and with most of the weight on the base.
function beginOutputs({ weights, biases }: Trainable): void {
  for (let index = 0; index < weights.length; index += 1) weights[index] = 0.3 * weights[index]!;
  for (const [index, level] of QUANTILES.entries())
    biases[index] = 1.2 * Math.sign(level - 0.5) * Math.sqrt(Math.abs(Math.log(2 * Math.min(level, 1 - level))));
  biases[OUTPUT_COUNT - 1] = 1.5;
}

interface Draw {
  readonly samples: Samples;
  readonly sample: number;
  readonly standard: Standard;
  readonly noise: number;
  readonly random: () => number;
}

function standardise({ samples, sample, standard, noise, random }: Draw, into: Float64Array): void {
  // Uniform noise of the same deviation costs a third of a bell's.
  const width = noise * Math.sqrt(12);
  for (let index = 0; index < INPUT_COUNT; index += 1) {
    const value = (samples.inputs[sample * INPUT_COUNT + index]! - standard.means[index]!) / standard.deviations[index]!;
    into[index] = Math.min(INPUT_MAX, Math.max(-INPUT_MAX, value)) + width * (random() - 0.5);
  }
}

function forward(layers: readonly Trainable[], inputs: Float64Array): void {
  let from = inputs;
  for (const [index, { weights, biases, outputs, activations }] of layers.entries()) {
    activations.set(biases);
    for (let input = 0, at = 0; input < from.length; input += 1) {
      const value = from[input]!;
      for (let output = 0; output < outputs; output += 1, at += 1) activations[output] = activations[output]! + value * weights[at]!;
    }
    if (index < layers.length - 1)
      for (let output = 0; output < outputs; output += 1) activations[output] = Math.tanh(activations[output]!);
    from = activations;
  }
}

// Fills the last layer's errors; returns the sample's loss.
function outputErrors(
  { activations, errors }: Trainable,
  { samples, sample }: Pick<Draw, "samples" | "sample">,
  { batch, tail }: TrainOptions,
): number {
  const gates = QUANTILES.length;
  let most = -Infinity;
  for (let at = gates; at < OUTPUT_COUNT; at += 1) most = Math.max(most, activations[at]!);
  let sum = 0;
  let shift = 0;
  for (let gate = 0; gate <= GATED_COUNT; gate += 1) {
    const weight = Math.exp(activations[gates + gate]! - most);
    errors[gates + gate] = weight;
    sum += weight;
    if (gate < GATED_COUNT) shift += weight * samples.deviations[sample * GATED_COUNT + gate]!;
  }
  shift /= sum;
  let loss = 0;
  let pull = 0;
  for (const [at, level] of QUANTILES.entries()) {
    const miss = samples.targets[sample]! - activations[at]! - shift;
    const price = (at === 0 || at === gates - 1 ? tail : 1) * samples.weights[sample]!;
    const slope = miss > 0 ? level : level - 1;
    loss += price * slope * miss;
    errors[at] = (-price * slope) / batch;
    pull += errors[at];
  }
  for (let gate = 0; gate <= GATED_COUNT; gate += 1) {
    const deviation = gate < GATED_COUNT ? samples.deviations[sample * GATED_COUNT + gate]! : 0;
    errors[gates + gate] = (errors[gates + gate]! / sum) * (deviation - shift) * pull;
  }
  return loss;
}

function backward(layers: readonly Trainable[], inputs: Float64Array): void {
  for (let index = layers.length - 1; index >= 0; index -= 1) {
    const { weights, outputs, errors, gradients } = layers[index]!;
    const from = index === 0 ? inputs : layers[index - 1]!.activations;
    const below = index === 0 ? null : layers[index - 1]!.errors;
    for (let output = 0; output < outputs; output += 1) gradients.biases[output] = gradients.biases[output]! + errors[output]!;
    for (let input = 0, at = 0; input < from.length; input += 1) {
      const value = from[input]!;
      let sum = 0;
      for (let output = 0; output < outputs; output += 1, at += 1) {
        const error = errors[output]!;
        gradients.weights[at] = gradients.weights[at]! + value * error;
        sum += weights[at]! * error;
      }
      if (below !== null) below[input] = sum * (1 - value * value);
    }
  }
}

function descend(layer: Trainable, { rate, step }: { rate: number; step: number }): void {
  for (const part of ["weights", "biases"] as const) {
    const [values, gradients, firsts, seconds] = [layer[part], layer.gradients[part], layer.firsts[part], layer.seconds[part]];
    const [firstScale, secondScale] = [1 - DECAY_FIRST ** step, 1 - DECAY_SECOND ** step];
    for (let index = 0; index < values.length; index += 1) {
      const gradient = gradients[index]!;
      firsts[index] = DECAY_FIRST * firsts[index]! + (1 - DECAY_FIRST) * gradient;
      seconds[index] = DECAY_SECOND * seconds[index]! + (1 - DECAY_SECOND) * gradient * gradient;
      values[index] = values[index]! - (rate * (firsts[index]! / firstScale)) / (Math.sqrt(seconds[index]! / secondScale) + TINY);
      gradients[index] = 0;
    }
  }
}
