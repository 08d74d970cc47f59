// What training gives, as bytes that every service shares: little-endian, without padding. Written by
// scripts/learn-forecast-constants.ts.
import { ConstantsReader } from "#shared/forecast/constants-reader.ts";
import { HIDDEN_MAX, OUTPUT_COUNT, type Layer, type Net, type NetMember } from "./net.ts";
import { withHandCluster } from "./pool.ts";
import type { Prior } from "./prior.ts";
import { INPUT_COUNT, LOG_ORDER, RAW_ORDER } from "./settings.ts";
import { triangleSize } from "./triangle.ts";

export const CONSTANTS_FORMAT = 2;
const LAYER_COUNT = 3;

export interface LearnedConstants {
  readonly log: Prior;
  readonly raw: Prior;
  /** Null where only priors were learned. */
  readonly net: Net | null;
}

/** The order of the file: u8 format, then the priors (the log one gets its hand-written cluster here), then the nets. Throws RangeError where it is no such file, or of another shape. */
export function decodeConstants(bytes: Uint8Array): LearnedConstants {
  const reader = new ConstantsReader(bytes);
  const format = reader.uint8();
  if (format !== CONSTANTS_FORMAT) throw new RangeError(`Cannot decode constants: format is ${format}, expected ${CONSTANTS_FORMAT}`);
  const log = withHandCluster(readPrior(reader, LOG_ORDER));
  const raw = readPrior(reader, RAW_ORDER);
  const net = readNet(reader);
  if (reader.at !== bytes.length) throw new RangeError(`Cannot decode constants: ${bytes.length} bytes, expected ${reader.at}`);
  return { log, raw, net };
}

/**
 * u8 order, u8 clusters, f32 kappa; of each cluster f32 log share, `order` × f16 mean, `order` × f16 scale of a row, then the
 * rows of the triangle as int8: an entry is its row's scale × itself.
 */
function readPrior(reader: ConstantsReader, expectedOrder: number): Prior {
  const order = reader.uint8();
  if (order !== expectedOrder) throw new RangeError(`Cannot decode constants: a prior's order is ${order}, expected ${expectedOrder}`);
  const clusterCount = reader.uint8();
  const kappa = reader.float32();
  const size = triangleSize(order);
  const logShares = new Float64Array(clusterCount);
  const means = new Float64Array(clusterCount * order);
  const roots = new Float64Array(clusterCount * size);
  for (let cluster = 0; cluster < clusterCount; cluster += 1) {
    logShares[cluster] = reader.float32();
    for (let row = 0; row < order; row += 1) means[cluster * order + row] = reader.float16();
    const scales = Array.from({ length: order }, () => reader.float16());
    for (let row = 0, at = cluster * size; row < order; row += 1)
      for (let column = 0; column <= row; column += 1, at += 1) roots[at] = scales[row]! * reader.int8();
  }
  return { order, clusterCount, features: Array.from({ length: order }, (_, index) => index), logShares, means, roots, kappa };
}

/**
 * u8 members, 0 for no net; of every input f16 mean, f16 deviation; then the members, each with u8 layers and each layer u8
 * inputs, u8 outputs, `outputs` × f16 scale, `outputs` × f16 bias, and int8 weights of one input after the other: a weight is
 * its output's scale × itself.
 */
function readNet(reader: ConstantsReader): Net | null {
  const memberCount = reader.uint8();
  if (memberCount === 0) return null;
  const means = new Float64Array(INPUT_COUNT);
  const deviations = new Float64Array(INPUT_COUNT);
  for (let index = 0; index < INPUT_COUNT; index += 1) {
    means[index] = reader.float16();
    deviations[index] = reader.float16();
  }
  return { means, deviations, members: Array.from({ length: memberCount }, () => readMember(reader)) };
}

function readMember(reader: ConstantsReader): NetMember {
  const layers = Array.from({ length: LAYER_COUNT }, () => readLayer(reader));
  const sizes = [INPUT_COUNT, ...layers.map(({ outputs }) => outputs)];
  for (const [index, { inputs, outputs }] of layers.entries()) {
    if (inputs !== sizes[index]) throw new RangeError(`Cannot decode constants: a layer takes ${inputs} inputs, expected ${sizes[index]}`);
    const outputsMax = index < LAYER_COUNT - 1 ? HIDDEN_MAX : OUTPUT_COUNT;
    if (outputs > outputsMax)
      throw new RangeError(`Cannot decode constants: a layer has ${outputs} outputs, expected at most ${outputsMax}`);
  }
  if (sizes[LAYER_COUNT] !== OUTPUT_COUNT)
    throw new RangeError(`Cannot decode constants: ${sizes[LAYER_COUNT]} outputs, expected ${OUTPUT_COUNT}`);
  return { layers };
}

function readLayer(reader: ConstantsReader): Layer {
  const inputs = reader.uint8();
  const outputs = reader.uint8();
  const scales = Array.from({ length: outputs }, () => reader.float16());
  const biases = Float64Array.from({ length: outputs }, () => reader.float16());
  const weights = Float64Array.from({ length: inputs * outputs }, (_, index) => scales[index % outputs]! * reader.int8());
  return { inputs, outputs, weights, biases };
}
