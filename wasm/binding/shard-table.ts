import { assert } from "#shared/assert.ts";
import { xxh64 } from "./hash.ts";
import type { Kernels } from "./kernels.ts";

export interface WeightedShard {
  readonly shardId: string;
  /** Share of the keys, ≥ 0 and finite; 0: never chosen. */
  readonly weight: number;
}

const SHARD_COUNT_MAX = 1_024;
/** Seed low, seed high, inverse weight: 4 bytes each. */
const SHARD_BYTES = 12;

/**
 * A shard table and weighted rendezvous over it (wasm/assembly/schedule/rendezvous.ts). A key stays with its shard
 * for as long as that shard has weight; raising a weight moves keys only to it.
 */
export class ShardTable {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #capacity: number;
  readonly #seedLow: Uint32Array;
  readonly #seedHigh: Uint32Array;
  readonly #inverseWeight: Float32Array;
  #count = 0;

  /** Takes 12 bytes per shard of `capacity`, at most 1,024 shards. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, capacity = SHARD_COUNT_MAX) {
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= SHARD_COUNT_MAX))
      throw new RangeError(`Cannot make a table of ${capacity} shards: expected 1 to ${SHARD_COUNT_MAX}`);
    this.#kernels = kernels;
    this.#capacity = Math.ceil(capacity / 4) * 4;
    const { offset } = kernels.arena.allocate(SHARD_BYTES * this.#capacity, "a shard table");
    const stride = 4 * this.#capacity;
    this.#base = offset;
    this.#seedLow = new Uint32Array(kernels.memory, offset, this.#capacity);
    this.#seedHigh = new Uint32Array(kernels.memory, offset + stride, this.#capacity);
    this.#inverseWeight = new Float32Array(kernels.memory, offset + 2 * stride, this.#capacity);
    this.#inverseWeight.fill(Infinity);
  }

  /** Replaces the table. Throws RangeError for more shards than it has places, or a weight that is none. */
  replace(shards: readonly WeightedShard[]): void {
    if (shards.length > this.#capacity) throw new RangeError(`Cannot hold ${shards.length} shards: the table has ${this.#capacity} places`);
    this.#inverseWeight.fill(Infinity);
    this.#count = shards.length;
    for (const [index, { shardId, weight }] of shards.entries()) {
      const seed = xxh64(this.#kernels, shardId);
      this.#seedLow[index] = Number(seed & 0xffff_ffffn);
      this.#seedHigh[index] = Number(seed >> 32n);
      this.setWeight(index, weight);
    }
  }

  /** Changes one weight in place; 0 takes the shard out until it has weight again. */
  setWeight(index: number, weight: number): void {
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(`Cannot weigh shard ${index}: ${weight}, expected a finite number ≥ 0`);
    assert(Number.isInteger(index) && index >= 0 && index < this.#count, "a weight belongs to a shard of the table");
    this.#inverseWeight[index] = 1 / weight;
  }

  /** Index of the shard for `key`, or -1 where no shard has weight. Throws RangeError for a key of more than 8 KiB. */
  choose(key: string): number {
    return this.#kernels.exports.rendezvousChooseKey(this.#base, this.#capacity, this.#count, this.#kernels.writeKey(key));
  }
}
