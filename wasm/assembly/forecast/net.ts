// Small pooled nets that correct a mixture: what they say of one step, averaged over the nets.
//
// In the model's table: inputs · of them the same for every step · quantiles · gated columns · members · share of the gates' shift ·
// stretch of the interval · a mean per input · a
// deviation per input · a column per gated one · per member three layers: inputs · outputs · weights, those of one input
// together · biases.
import { exponential, hyperbolicTangent } from "./elementary";
import { netsAt } from "./model";
import { DEVIATIONS, FIRST_LAYER, HIDDEN_MAX, INPUTS, OUTPUTS, QUANTILES, SECOND_LAYER, SHARED_SUMS, STANDARD_INPUTS } from "./scratch";
import { blendScaled } from "./triangle";

/** A standardised input further out is held to be this. */
const INPUT_HELD: f64 = 4;
const HEADER_BYTES: usize = 56;

export let inputCount: u32 = 0;
export let originInputCount: u32 = 0;
export let quantileCount: u32 = 0;
export let gatedCount: u32 = 0;
let memberCount: u32 = 0;
let means: usize = 0;
let gated: usize = 0;
let members: usize = 0;
/** After `runNets`: the mean shift by the gates; the sorted quantiles around it are in QUANTILES. In units of the step's scale. */
export let shift: f64 = 0;

export function openNets(): void {
  const at = netsAt();
  inputCount = <u32>load<f64>(at);
  originInputCount = <u32>load<f64>(at, 8);
  quantileCount = <u32>load<f64>(at, 16);
  gatedCount = <u32>load<f64>(at, 24);
  memberCount = <u32>load<f64>(at, 32);
  means = at + HEADER_BYTES;
  gated = means + ((<usize>inputCount) << 4);
  members = gated + ((<usize>gatedCount) << 3);
}

/** Share of the gates' shift that the mean follows; it follows the median's whole. */
export function gateShare(): f64 {
  return load<f64>(netsAt(), 40);
}

/** The interval is stretched from the median by so much. */
export function stretch(): f64 {
  return load<f64>(netsAt(), 48);
}

/** The column of a gated expert. */
export function gatedColumn(index: u32): u32 {
  return <u32>load<f64>(gated + ((<usize>index) << 3));
}

// The layer at hand.
let inputs: u32 = 0;
let outputs: u32 = 0;
let weights: usize = 0;
let biases: usize = 0;

function openLayer(at: usize): usize {
  inputs = <u32>load<f64>(at);
  outputs = <u32>load<f64>(at, 8);
  weights = at + 16;
  biases = weights + ((<usize>(inputs * outputs)) << 3);
  return biases + ((<usize>outputs) << 3);
}

/** Takes the inputs that are the same for every step. */
export function beginNets(): void {
  standardise(0, originInputCount);
  let at = members;
  for (let member: u32 = 0; member < memberCount; member++) {
    at = openLayer(at);
    const sums = SHARED_SUMS + ((<usize>(member * HIDDEN_MAX)) << 3);
    memory.copy(sums, biases, (<usize>outputs) << 3);
    add(sums, STANDARD_INPUTS, 0, originInputCount);
    at = openLayer(openLayer(at));
  }
}

/** Takes the others, and how far each gated column is from the base. */
export function runNets(): void {
  standardise(originInputCount, inputCount);
  shift = 0;
  memory.fill(QUANTILES, 0, (<usize>quantileCount) << 3);
  let at = members;
  for (let member: u32 = 0; member < memberCount; member++) {
    at = openLayer(at);
    memory.copy(FIRST_LAYER, SHARED_SUMS + ((<usize>(member * HIDDEN_MAX)) << 3), (<usize>outputs) << 3);
    add(FIRST_LAYER, STANDARD_INPUTS, originInputCount, inputCount);
    bend(FIRST_LAYER);
    at = openLayer(at);
    multiply(FIRST_LAYER, SECOND_LAYER);
    bend(SECOND_LAYER);
    at = openLayer(at);
    multiply(SECOND_LAYER, OUTPUTS);
    sortOutputs();
    shift += gatedShift() / <f64>memberCount;
    for (let index: usize = 0; index < (<usize>quantileCount) << 3; index += 8)
      store<f64>(QUANTILES + index, load<f64>(QUANTILES + index) + load<f64>(OUTPUTS + index) / <f64>memberCount);
  }
}

function standardise(from: u32, to: u32): void {
  for (let index = from; index < to; index++) {
    const at = (<usize>index) << 3;
    const value = (load<f64>(INPUTS + at) - load<f64>(means + at)) / load<f64>(means + ((<usize>inputCount) << 3) + at);
    store<f64>(STANDARD_INPUTS + at, value === value ? min(INPUT_HELD, max(-INPUT_HELD, value)) : 0);
  }
}

// sums += the inputs from `first` to before `last`, weighted.
function add(sums: usize, from: usize, first: u32, last: u32): void {
  for (let input = first; input < last; input++)
    blendScaled(sums, weights + ((<usize>(input * outputs)) << 3), 1, load<f64>(from + ((<usize>input) << 3)), outputs);
}

function multiply(from: usize, into: usize): void {
  memory.copy(into, biases, (<usize>outputs) << 3);
  add(into, from, 0, inputs);
}

function bend(layer: usize): void {
  for (let at: usize = 0; at < (<usize>outputs) << 3; at += 8) store<f64>(layer + at, hyperbolicTangent(load<f64>(layer + at)));
}

// The quantiles, by insertion.
function sortOutputs(): void {
  for (let index: usize = 8; index < (<usize>quantileCount) << 3; index += 8) {
    const value = load<f64>(OUTPUTS + index);
    let at = index;
    while (at > 0 && load<f64>(OUTPUTS + at - 8) > value) {
      store<f64>(OUTPUTS + at, load<f64>(OUTPUTS + at - 8));
      at -= 8;
    }
    store<f64>(OUTPUTS + at, value);
  }
}

// Σ softmax × deviation; the base's own is 0.
function gatedShift(): f64 {
  const gates = OUTPUTS + ((<usize>quantileCount) << 3);
  let most: f64 = -Infinity;
  for (let index: u32 = 0; index <= gatedCount; index++) most = max(most, load<f64>(gates + ((<usize>index) << 3)));
  let sum: f64 = 0;
  let moved: f64 = 0;
  for (let index: u32 = 0; index <= gatedCount; index++) {
    const at = (<usize>index) << 3;
    const weight = exponential(load<f64>(gates + at) - most);
    sum += weight;
    if (index < gatedCount) moved += weight * load<f64>(DEVIATIONS + at);
  }
  return moved / sum;
}
