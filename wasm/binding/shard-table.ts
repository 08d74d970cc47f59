import { assert } from "#shared/assert.ts";
import { xxh64 } from "./hash.ts";
import { numberOf, type Kernels } from "./kernels.ts";

export interface WeightedShard {
  readonly shardId: string;
  /** Share of the keys, ≥ 0 and finite; 0: never chosen. */
  readonly weight: number;
}

/**
 * The shard table of one kernel instance and weighted rendezvous over it (wasm/assembly/schedule/rendezvous.ts).
 * A key stays with its shard for as long as that shard has weight; raising a weight moves keys only to it.
 */
export class ShardTable {
  readonly #kernels: Kernels;
  readonly #seedLow: Uint32Array;
  readonly #seedHigh: Uint32Array;
  readonly #inverseWeight: Float32Array;
  #count = 0;

  constructor(kernels: Kernels) {
    const { exports } = kernels;
    const countMax = numberOf(exports.SHARD_COUNT_MAX);
    this.#kernels = kernels;
    this.#seedLow = new Uint32Array(exports.memory.buffer, numberOf(exports.SEED_LOW_OFFSET), countMax);
    this.#seedHigh = new Uint32Array(exports.memory.buffer, numberOf(exports.SEED_HIGH_OFFSET), countMax);
    this.#inverseWeight = new Float32Array(exports.memory.buffer, numberOf(exports.INVERSE_WEIGHT_OFFSET), countMax);
  }

  /** Replaces the table. Throws RangeError for more than 1,024 shards or a weight that is none. */
  replace(shards: readonly WeightedShard[]): void {
    if (shards.length > this.#seedLow.length)
      throw new RangeError(`Cannot hold ${shards.length} shards: the table has ${this.#seedLow.length} places`);
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
    return this.#kernels.exports.rendezvousChooseKey(this.#kernels.writeKey(key), this.#count);
  }
}
