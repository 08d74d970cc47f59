// Twin of wasm/assembly/schedule/rendezvous.ts, one shard at a time, rounded to f32 where the kernel is.

export interface ReferenceShard {
  readonly seed: bigint;
  readonly weight: number;
}

const f32 = Math.fround;
const SQRT_HALF_BITS = 0x3f3504f3;
const SERIES = [0.4121985831, 0.5770780164, 0.9617966939, 2.8853900818].map(f32);
const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/** Index of the chosen shard, or -1 where every weight is 0. */
export function rendezvousReference(keyHash: bigint, shards: readonly ReferenceShard[]): number {
  let best = -1;
  let bestCost = Infinity;
  for (const [index, { seed, weight }] of shards.entries()) {
    const cost = f32(negativeLog2(mix(keyHash ^ seed)) * f32(1 / weight));
    if (cost < bestCost) [best, bestCost] = [index, cost];
  }
  return best;
}

function mix(word: bigint): number {
  const low = Number(word & 0xffff_ffffn);
  const high = Number((word >> 32n) & 0xffff_ffffn);
  let x = Math.imul(low ^ (low >>> 16), 0x7feb352d) ^ high;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

function negativeLog2(word: number): number {
  float[0] = f32((word >>> 9) + 0.5);
  const shifted = (bits[0] ?? 0) - SQRT_HALF_BITS;
  const exponent = shifted >> 23;
  bits[0] = (shifted & 0x007f_ffff) + SQRT_HALF_BITS;
  const mantissa = float[0];
  const s = f32(f32(mantissa - 1) / f32(mantissa + 1));
  const s2 = f32(s * s);
  const series = SERIES.reduce((sum, term) => f32(f32(sum * s2) + term), 0);
  return f32(f32(23 - exponent) - f32(s * series));
}
