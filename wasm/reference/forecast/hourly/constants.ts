// What training gives, as bytes that every service shares: little-endian, without padding. Written by
// scripts/learn-forecast-constants.ts.
import type { Prior } from "./prior.ts";
import { LOG_ORDER, RAW_ORDER } from "./settings.ts";
import { triangleSize } from "./triangle.ts";

export const CONSTANTS_FORMAT = 1;

export interface LearnedConstants {
  readonly log: Prior;
  readonly raw: Prior;
}

/** The order of the file: u8 format, then the priors. Throws RangeError where it is no such file, or of another shape. */
export function decodeConstants(bytes: Uint8Array): LearnedConstants {
  const reader = new Reader(bytes);
  const format = reader.uint8();
  if (format !== CONSTANTS_FORMAT) throw new RangeError(`Cannot decode constants: format is ${format}, expected ${CONSTANTS_FORMAT}`);
  const log = readPrior(reader, LOG_ORDER);
  const raw = readPrior(reader, RAW_ORDER);
  if (reader.at !== bytes.length) throw new RangeError(`Cannot decode constants: ${bytes.length} bytes, expected ${reader.at}`);
  return { log, raw };
}

/**
 * u8 order, u8 clusters, f32 kappa; of each cluster f32 log share, `order` × f16 mean, `order` × f16 scale of a row, then the
 * rows of the triangle as int8: an entry is its row's scale × itself.
 */
function readPrior(reader: Reader, expectedOrder: number): Prior {
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

class Reader {
  at = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  float32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  /** IEEE 754 binary16; what the writer never writes, subnormals and infinities, is not read right. */
  float16(): number {
    const word = this.#view.getUint16(this.#take(2), true);
    if ((word & 0x7fff) === 0) return 0;
    const sign = word & 0x8000 ? -1 : 1;
    return sign * (1 + (word & 0x3ff) / 1024) * 2 ** (((word >> 10) & 31) - 15);
  }

  #take(bytes: number): number {
    const from = this.at;
    if (from + bytes > this.#view.byteLength)
      throw new RangeError(`Cannot decode constants: they end after ${this.#view.byteLength} bytes`);
    this.at += bytes;
    return from;
  }
}
