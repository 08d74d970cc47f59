// What every family measures with, and the checksum of what came out: bit for bit those of bench/kernels/c/bench.h.
import type { Contender } from "../measure.ts";

const INDEX_COUNT = 65_536;
/** A gateway's devices are many: hashring remembers the answers for 5,000 keys, which is not what is measured here. */
const KEYS = Array.from({ length: INDEX_COUNT }, (_, index) => `acme/d-${10_000 + index}`);
const FNV_START = 2_166_136_261;

/**
 * Calls `of` `operations` at a time with an index, 0, 1, 2 … modulo 65,536, and how many came before. Contenders that share
 * a closure or a method's call would be compiled for neither: each brings its own.
 */
export function contender(name: string, operations: number, of: (index: number, tick: number) => number): Contender {
  let tick = 0;
  const run = (): number => {
    let sum = 0;
    for (const end = tick + operations; tick < end; tick += 1) sum += of(tick % INDEX_COUNT, tick);
    return sum;
  };
  return { name, operations, run };
}

/** A key of 12 characters. */
export function keyAt(index: number): string {
  return KEYS[index] ?? "";
}

/** The same keys, a few of them often. */
export function skewedKeyAt(index: number): string {
  const [a, b] = wordsAt(index);
  return keyAt(((a >>> 20) * (b >>> 20)) >>> 12);
}

/** Two words of 32 bits that look random. */
export function wordsAt(index: number): [number, number] {
  return [Math.imul(index + 1, 0x9e3779b1) >>> 0, Math.imul(index + 1, 0x85ebca77) >>> 0];
}

/** 0.5 to 4,096.5 ms, the short ones more often; exact. */
export function latencyMsAt(index: number): number {
  const [a, b] = wordsAt(index);
  return ((a >>> 12) * (b >>> 12)) / 2 ** 28 + 0.5;
}

/** FNV-1a over words of 32 bits. */
export function checksumOf(words: Iterable<number>): number {
  let sum = FNV_START;
  for (const word of words) sum = Math.imul(sum ^ word, 16_777_619) >>> 0;
  return sum;
}

/** Of the first answers; all 65,536 where no number is given. */
export function checksumOfAnswers(of: (index: number) => number, count = INDEX_COUNT): number {
  return checksumOf(Array.from({ length: count }, (_, index) => of(index)));
}

/** The words of a 64-bit float, the low one first. */
export function wordsOf(value: number): Uint32Array {
  return new Uint32Array(Float64Array.of(value).buffer);
}

/** 10 to 50, each shard its own. */
export function weightAt(index: number): number {
  return 10 + ((index * 7) % 41);
}
