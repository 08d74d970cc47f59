// Twin of wasm/assembly/schedule/rendezvous.ts and rendezvous-bounded.ts, one shard at a time, every cost exact,
// rounded to f32 where the kernel is.

export interface ReferenceShard {
  readonly seed: bigint;
  readonly weight: number;
  /** Requests in flight; the bounded choice alone looks at it. */
  readonly load?: number;
}

const f32 = Math.fround;
const SCALE = 2 ** 24;
const LN2 = f32(Math.LN2);
const SQRT_HALF_BITS = 0x3f3504f3;
const POLYNOMIAL = [
  0.11949444562196732, -0.18587608635425568, 0.20449119806289673, -0.24919062852859497, 0.33319219946861267, -0.5000084638595581, 1,
].map(f32);
const WEIGHT_MIN = 2 ** -64;
const WEIGHT_MAX = 2 ** 64;
const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/** Index of the chosen shard, or -1 where every weight is 0. */
export function rendezvousReference(keyHash: bigint, shards: readonly ReferenceShard[]): number {
  return rendezvousTopKReference(keyHash, shards, 1)[0] ?? -1;
}

/** The `k` best shards, best first; fewer where fewer have weight. */
export function rendezvousTopKReference(keyHash: bigint, shards: readonly ReferenceShard[], k: number): number[] {
  return preference(keyHash, shards).slice(0, k);
}

/** The best shard below its bound, or -1 where every weight is 0. */
export function rendezvousBoundedReference(keyHash: bigint, shards: readonly ReferenceShard[], ratio256: number): number {
  const lanes: [number, number, number, number] = [0, 0, 0, 0];
  let loadSum = 0;
  for (const [index, { weight, load = 0 }] of shards.entries()) {
    const lane = (index % 4) as 0 | 1 | 2 | 3;
    lanes[lane] += f32(clamp(weight));
    if (weight > 0) loadSum += load;
  }
  const perLoad = 256 * (lanes[0] + lanes[1] + (lanes[2] + lanes[3]));
  const perWeight = ratio256 * (loadSum + 1);
  const isBelow = (shard: ReferenceShard | undefined): boolean =>
    shard !== undefined && (shard.load ?? 0) * perLoad < f32(clamp(shard.weight)) * perWeight;
  return preference(keyHash, shards).find((index) => isBelow(shards[index])) ?? -1;
}

/** -ln(1 - v / 2²⁴) × 2²⁴ as the kernel computes it, for odd v below 2²⁴. */
export function negativeLogReference(v: number): number {
  float[0] = SCALE - v;
  const shifted = (bits[0] ?? 0) - SQRT_HALF_BITS;
  const exponent = shifted >> 23;
  bits[0] = (shifted & 0x007f_ffff) + SQRT_HALF_BITS;
  const f = f32(float[0] - 1);
  const polynomial = POLYNOMIAL.reduce((sum, term) => f32(f32(sum * f) + term), 0);
  const log = f32(f32((24 - exponent) * LN2) - f32(f * polynomial)) * SCALE;
  return Math.max(log, v);
}

function preference(keyHash: bigint, shards: readonly ReferenceShard[]): number[] {
  return shards
    .map(({ seed, weight }, index) => ({ index, cost: f32(negativeLogReference(draw(keyHash ^ seed)) * f32(1 / clamp(weight))) }))
    .filter(({ cost }) => cost < Infinity)
    .toSorted((a, b) => a.cost - b.cost || a.index - b.index)
    .map(({ index }) => index);
}

function draw(word: bigint): number {
  const low = Number(word & 0xffff_ffffn);
  const high = Number((word >> 32n) & 0xffff_ffffn);
  return (Math.imul(low, high | 1) >>> 8) | 1;
}

function clamp(weight: number): number {
  return weight === 0 ? 0 : Math.min(Math.max(weight, WEIGHT_MIN), WEIGHT_MAX);
}
