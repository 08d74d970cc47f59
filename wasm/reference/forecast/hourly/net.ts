// Small pooled nets that correct a mixture: what they say of one step, averaged over the nets.
import { exponential, hyperbolicTangent } from "../elementary.ts";
import { GATED_COUNT, INPUT_COUNT, INPUT_MAX, ORIGIN_INPUT_COUNT, QUANTILES } from "./settings.ts";

export interface Net {
  /** Of every input over the training's origins: an input becomes (input − mean) ÷ deviation, within ± INPUT_MAX. */
  readonly means: Float64Array;
  readonly deviations: Float64Array;
  /** Averaged. */
  readonly members: readonly NetMember[];
}

/** Input-major weights: those of one input lie together. */
export interface NetMember {
  readonly layers: readonly Layer[];
}

export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Float64Array;
  readonly biases: Float64Array;
}

/** The quantiles, then the gate's log weights of the gated columns, then of the base. */
export const OUTPUT_COUNT = QUANTILES.length + GATED_COUNT + 1;
export const HIDDEN_MAX = 32;

export class NetRunner {
  /** After `run`: the mean shift by the gates, and the sorted quantiles around it. In units of the step's scale. */
  shift = 0;
  readonly quantiles = new Float64Array(QUANTILES.length);
  readonly #net: Net;
  readonly #inputs = new Float64Array(INPUT_COUNT);
  /** Member-major: the first layer's sums over what all steps share. */
  readonly #shared: Float64Array;
  readonly #first = new Float64Array(HIDDEN_MAX);
  readonly #second = new Float64Array(HIDDEN_MAX);
  readonly #outputs = new Float64Array(OUTPUT_COUNT);

  constructor(net: Net) {
    this.#net = net;
    this.#shared = new Float64Array(net.members.length * HIDDEN_MAX);
  }

  /** Takes the first ORIGIN_INPUT_COUNT inputs, the same for every step. */
  begin(inputs: Float64Array): void {
    this.#standardise(inputs, 0, ORIGIN_INPUT_COUNT);
    for (const [member, { layers }] of this.#net.members.entries()) {
      const { outputs, weights, biases } = layers[0]!;
      for (let output = 0; output < outputs; output += 1) {
        let sum = biases[output]!;
        for (let input = 0; input < ORIGIN_INPUT_COUNT; input += 1) sum += weights[input * outputs + output]! * this.#inputs[input]!;
        this.#shared[member * HIDDEN_MAX + output] = sum;
      }
    }
  }

  /** Takes the other inputs, and how far each gated column is from the base in units of the scale. */
  run(inputs: Float64Array, deviations: Float64Array): void {
    this.#standardise(inputs, ORIGIN_INPUT_COUNT, INPUT_COUNT);
    this.shift = 0;
    this.quantiles.fill(0);
    const { members } = this.#net;
    for (const [index, member] of members.entries()) {
      this.#forward(member, index);
      sortInPlace(this.#outputs, QUANTILES.length);
      this.shift += this.#gated(deviations) / members.length;
      for (let at = 0; at < QUANTILES.length; at += 1) this.quantiles[at] = this.quantiles[at]! + this.#outputs[at]! / members.length;
    }
  }

  #standardise(inputs: Float64Array, from: number, to: number): void {
    const { means, deviations } = this.#net;
    for (let index = from; index < to; index += 1) {
      const value = (inputs[index]! - means[index]!) / deviations[index]!;
      this.#inputs[index] = Number.isNaN(value) ? 0 : Math.min(INPUT_MAX, Math.max(-INPUT_MAX, value));
    }
  }

  #forward({ layers }: NetMember, member: number): void {
    const [first, second, last] = [layers[0]!, layers[1]!, layers[2]!];
    for (let output = 0; output < first.outputs; output += 1) {
      let sum = this.#shared[member * HIDDEN_MAX + output]!;
      for (let input = ORIGIN_INPUT_COUNT; input < INPUT_COUNT; input += 1)
        sum += first.weights[input * first.outputs + output]! * this.#inputs[input]!;
      this.#first[output] = hyperbolicTangent(sum);
    }
    multiply(second, this.#first, this.#second);
    for (let output = 0; output < second.outputs; output += 1) this.#second[output] = hyperbolicTangent(this.#second[output]!);
    multiply(last, this.#second, this.#outputs);
  }

  /** Σ softmax × deviation; the base's own is 0. */
  #gated(deviations: Float64Array): number {
    let most = -Infinity;
    for (let index = QUANTILES.length; index < OUTPUT_COUNT; index += 1) most = Math.max(most, this.#outputs[index]!);
    let sum = 0;
    let shift = 0;
    for (let gated = 0; gated <= GATED_COUNT; gated += 1) {
      const weight = exponential(this.#outputs[QUANTILES.length + gated]! - most);
      sum += weight;
      if (gated < GATED_COUNT) shift += weight * deviations[gated]!;
    }
    return shift / sum;
  }
}

function multiply({ inputs, outputs, weights, biases }: Layer, from: Float64Array, into: Float64Array): void {
  for (let output = 0; output < outputs; output += 1) {
    let sum = biases[output]!;
    for (let input = 0; input < inputs; input += 1) sum += weights[input * outputs + output]! * from[input]!;
    into[output] = sum;
  }
}

// The first `count`, by insertion.
function sortInPlace(values: Float64Array, count: number): void {
  for (let index = 1; index < count; index += 1) {
    const value = values[index]!;
    let at = index;
    for (; at > 0 && values[at - 1]! > value; at -= 1) values[at] = values[at - 1]!;
    values[at] = value;
  }
}
