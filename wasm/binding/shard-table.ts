import type { Region } from "./arena.ts";
import { assert } from "#shared/assert.ts";
import { xxh64 } from "./hash.ts";
import type { Kernels } from "./kernels.ts";

export interface WeightedShard {
  readonly shardId: string;
  /** Share of the keys, ≥ 0 and finite; 0: never chosen. Beyond 2⁻⁶⁴ and 2⁶⁴ it counts as these. */
  readonly weight: number;
}

const SHARD_COUNT_MAX = 1_024;
const PICK_COUNT_MAX = 16;
const LOAD_MAX = 2 ** 20;
const WEIGHT_MIN = 2 ** -64;
const WEIGHT_MAX = 2 ** 64;
/** Seed low, seed high, inverse weight, weight, load: 4 bytes each; then the picks. */
const SHARD_BYTES = 20;
const PICKS_BYTES = 4 * PICK_COUNT_MAX;
const RATIO_UNIT = 256;

/**
 * A shard table and weighted rendezvous over it (wasm/assembly/schedule/rendezvous.ts). A key stays with its shard
 * for as long as that shard has weight; raising a weight moves keys only to it.
 */
export class ShardTable {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #place: Region;
  readonly #capacity: number;
  readonly #seedLow: Uint32Array;
  readonly #seedHigh: Uint32Array;
  readonly #inverseWeight: Float32Array;
  readonly #weight: Float32Array;
  readonly #load: Uint32Array;
  readonly #picks: Int32Array;
  #count = 0;

  /** Takes 20 bytes per shard of `capacity`, at most 1,024 shards. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, capacity = SHARD_COUNT_MAX) {
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= SHARD_COUNT_MAX))
      throw new RangeError(`Cannot make a table of ${capacity} shards: expected 1 to ${SHARD_COUNT_MAX}`);
    this.#kernels = kernels;
    this.#capacity = Math.ceil(capacity / 8) * 8;
    this.#place = kernels.arena.allocate(SHARD_BYTES * this.#capacity + PICKS_BYTES, "a shard table");
    const { offset } = this.#place;
    const column = (index: number): [ArrayBuffer, number, number] => [kernels.memory, offset + 4 * index * this.#capacity, this.#capacity];
    this.#base = offset;
    this.#seedLow = new Uint32Array(...column(0));
    this.#seedHigh = new Uint32Array(...column(1));
    this.#inverseWeight = new Float32Array(...column(2));
    this.#weight = new Float32Array(...column(3));
    this.#load = new Uint32Array(...column(4));
    this.#picks = new Int32Array(kernels.memory, offset + SHARD_BYTES * this.#capacity, PICK_COUNT_MAX);
    this.#clear();
  }

  /** Replaces the table; every load is 0 then. Throws RangeError for more shards than it has places, or a weight that is none. */
  replace(shards: readonly WeightedShard[]): void {
    if (shards.length > this.#capacity) throw new RangeError(`Cannot hold ${shards.length} shards: the table has ${this.#capacity} places`);
    this.#clear();
    this.#count = shards.length;
    for (const [index, { shardId, weight }] of shards.entries()) {
      const seed = xxh64(this.#kernels, shardId);
      this.#seedLow[index] = Number(seed & 0xffff_ffffn);
      this.#seedHigh[index] = Number(seed >> 32n) | 1; // Odd: the kernel multiplies by it.
      this.setWeight(index, weight);
    }
  }

  /** Changes one weight in place; 0 takes the shard out until it has weight again. */
  setWeight(index: number, weight: number): void {
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(`Cannot weigh shard ${index}: ${weight}, expected a finite number ≥ 0`);
    assert(Number.isInteger(index) && index >= 0 && index < this.#count, "a weight belongs to a shard of the table");
    const clamped = weight === 0 ? 0 : Math.min(Math.max(weight, WEIGHT_MIN), WEIGHT_MAX);
    this.#weight[index] = clamped;
    this.#inverseWeight[index] = 1 / clamped;
  }

  /** Says how much a shard carries now: what `chooseBounded` holds against its bound. */
  setLoad(index: number, load: number): void {
    if (!(Number.isInteger(load) && load >= 0 && load <= LOAD_MAX))
      throw new RangeError(`Cannot load shard ${index}: ${load}, expected an integer from 0 to ${LOAD_MAX}`);
    assert(Number.isInteger(index) && index >= 0 && index < this.#count, "a load belongs to a shard of the table");
    this.#load[index] = load;
  }

  /** Index of the shard for `key`, or -1 where no shard has weight. Throws RangeError for a key of more than 8 KiB. */
  choose(key: string): number {
    return this.#kernels.exports.rendezvousChooseKey(this.#base, this.#capacity, this.#count, this.#kernels.writeKey(key));
  }

  /**
   * Index of the best shard for `key` whose load is below ⌈ratio × its part of all loads⌉, by weight and with the one
   * being placed; -1 where no shard has weight. `ratio` ≥ 1 is taken up to the next 256th; 1.25 is usual.
   */
  chooseBounded(key: string, ratio: number): number {
    if (!(ratio >= 1)) throw new RangeError(`Cannot bound loads: ratio ${ratio}, expected a number ≥ 1`);
    const ratio256 = Math.min(Math.ceil(ratio * RATIO_UNIT), 0xffff_ffff);
    const keyBytes = this.#kernels.writeKey(key);
    return this.#kernels.exports.rendezvousChooseBounded(this.#base, this.#capacity, this.#count, keyBytes, ratio256);
  }

  /** Indices of the `k` best shards for `key`, best first, for replicas and failover; fewer where fewer have weight. */
  topK(key: string, k: number): number[] {
    if (!(Number.isInteger(k) && k >= 1 && k <= PICK_COUNT_MAX))
      throw new RangeError(`Cannot choose ${k} shards: expected 1 to ${PICK_COUNT_MAX}`);
    const found = this.#kernels.exports.rendezvousTopK(this.#base, this.#capacity, this.#count, this.#kernels.writeKey(key), k);
    const picks: number[] = [];
    for (let index = 0; index < found; index += 1) picks.push(this.#picks[index] ?? -1); // Array.from over a view: 300 ns.
    return picks;
  }

  #clear(): void {
    this.#inverseWeight.fill(Infinity);
    this.#weight.fill(0);
    this.#load.fill(0);
  }

  /** Gives the memory back. The table must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#place);
  }
}
