// The bytes that wasm/reference/forecast/hourly/constants.ts reads.
import { CONSTANTS_FORMAT } from "#wasm/reference/forecast/hourly/constants.ts";
import type { Layer, Net } from "#wasm/reference/forecast/hourly/net.ts";
import type { Prior } from "#wasm/reference/forecast/hourly/prior.ts";
import { triangleSize } from "#wasm/reference/forecast/hourly/triangle.ts";

export interface TrainedConstants {
  readonly log: Prior;
  readonly raw: Prior;
  readonly net: Net | null;
}

export function encodeConstants({ log, raw, net }: TrainedConstants): Uint8Array {
  const writer = new Writer();
  writer.uint8(CONSTANTS_FORMAT);
  writePrior(writer, log);
  writePrior(writer, raw);
  writeNet(writer, net);
  return writer.bytes();
}

function writePrior(writer: Writer, { order, clusterCount, kappa, logShares, means, roots }: Prior): void {
  const size = triangleSize(order);
  writer.uint8(order);
  writer.uint8(clusterCount);
  writer.float32(kappa);
  for (let cluster = 0; cluster < clusterCount; cluster += 1) {
    writer.float32(logShares[cluster] ?? Number.NaN);
    for (let row = 0; row < order; row += 1) writer.float16(means[cluster * order + row] ?? Number.NaN);
    const rows = Array.from({ length: order }, (_, row) =>
      quantise(roots.subarray(cluster * size + triangleSize(row), cluster * size + triangleSize(row + 1))),
    );
    for (const { scale } of rows) writer.float16(scale);
    for (const { levels } of rows) for (const level of levels) writer.int8(level);
  }
}

function writeNet(writer: Writer, net: Net | null): void {
  writer.uint8(net?.members.length ?? 0);
  if (net === null) return;
  for (const [index, mean] of net.means.entries()) {
    writer.float16(mean);
    writer.float16(net.deviations[index] ?? Number.NaN);
  }
  for (const { layers } of net.members) for (const layer of layers) writeLayer(writer, layer);
}

function writeLayer(writer: Writer, { inputs, outputs, weights, biases }: Layer): void {
  writer.uint8(inputs);
  writer.uint8(outputs);
  const columns = Array.from({ length: outputs }, (_, output) => quantise(weights.filter((__, index) => index % outputs === output)));
  for (const { scale } of columns) writer.float16(scale);
  for (const bias of biases) writer.float16(bias);
  for (let input = 0; input < inputs; input += 1) for (const { levels } of columns) writer.int8(levels[input] ?? 0);
}

/** Levels from −127 to 127 of one scale, which is rounded first, so that the levels are those of the scale that is read. */
function quantise(values: Float64Array): { scale: number; levels: number[] } {
  const most = values.reduce((sofar, value) => Math.max(sofar, Math.abs(value)), 0);
  const scale = roundToHalf(most / 127);
  return { scale, levels: Array.from(values, (value) => (scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale))))) };
}

const SMALLEST_NORMAL = 2 ** -14;
const MANTISSA_STEPS = 1024;

/** To the nearest binary16; below its smallest normal number 0, and refused beyond its largest. */
function roundToHalf(value: number): number {
  const size = Math.abs(value);
  if (size < SMALLEST_NORMAL) return 0;
  const step = 2 ** Math.floor(Math.log2(size)) / MANTISSA_STEPS;
  const rounded = Math.round(size / step) * step;
  if (!(rounded < 65_536)) throw new RangeError(`Cannot write ${value} in 16 bits: expected less than 65536 of size`);
  return Math.sign(value) * rounded;
}

class Writer {
  readonly #bytes: number[] = [];

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  uint8(value: number): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 255)) throw new RangeError(`Cannot write ${value} in 8 bits`);
    this.#bytes.push(value);
  }

  int8(value: number): void {
    this.uint8(value < 0 ? value + 256 : value);
  }

  float32(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`Cannot write ${value}: expected a finite number`);
    this.#bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
  }

  float16(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`Cannot write ${value}: expected a finite number`);
    const rounded = roundToHalf(value);
    const size = Math.abs(rounded);
    const exponent = size === 0 ? 0 : Math.floor(Math.log2(size)) + 15;
    const mantissa = size === 0 ? 0 : Math.round((size / 2 ** (exponent - 15) - 1) * MANTISSA_STEPS);
    const word = (rounded < 0 ? 0x8000 : 0) | (exponent << 10) | mantissa;
    this.#bytes.push(word & 255, word >> 8);
  }
}
