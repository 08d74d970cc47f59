import { xxh64 } from "./hash.ts";
import type { Kernels } from "./kernels.ts";
import type { WeightedShard } from "./shard-table.ts";

const SHARD_COUNT_MAX = 4_096;
const TABLE_SIZE = 65_537;
const WEIGHT_MAX = 2 ** 20;
/** Next round, turns, position, skip, weight, shard: 4 each. */
const SHARD_BYTES = 24;
const ENTRY_BYTES = 2;
const EMPTY = 0xffff;

/**
 * Weighted Maglev hashing (wasm/assembly/schedule/maglev.ts): a lookup costs the same for any number of shards, a
 * change rebuilds the table and moves a few keys that need not move. For up to some hundred shards `ShardTable`
 * moves none and needs no building.
 */
export class MaglevTable {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #capacity: number;
  readonly #tableSize: number;
  readonly #columns: {
    readonly position: Uint32Array;
    readonly skip: Uint32Array;
    readonly weight: Uint32Array;
    readonly shard: Uint32Array;
  };
  readonly #entries: Uint16Array;

  /**
   * Takes 24 bytes per shard of `capacity`, at most 4,096, and 2 per entry: 131 KB, more than the default memory.
   * Throws RangeError where the memory has no room, or `tableSize` is no prime from 3 to 65,537.
   */
  constructor(kernels: Kernels, capacity: number, tableSize = TABLE_SIZE) {
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= SHARD_COUNT_MAX))
      throw new RangeError(`Cannot make a Maglev table of ${capacity} shards: expected 1 to ${SHARD_COUNT_MAX}`);
    if (!(tableSize <= TABLE_SIZE && isOddPrime(tableSize)))
      throw new RangeError(`Cannot make a Maglev table of ${tableSize} entries: expected a prime from 3 to ${TABLE_SIZE}`);
    this.#kernels = kernels;
    this.#capacity = Math.ceil(capacity / 4) * 4;
    this.#tableSize = tableSize;
    const { offset } = kernels.arena.allocate(SHARD_BYTES * this.#capacity + ENTRY_BYTES * tableSize, "a Maglev table");
    this.#base = offset;
    const column = (index: number): Uint32Array => new Uint32Array(kernels.memory, offset + 4 * index * this.#capacity, this.#capacity);
    this.#columns = { position: column(2), skip: column(3), weight: column(4), shard: column(5) };
    this.#entries = new Uint16Array(kernels.memory, offset + SHARD_BYTES * this.#capacity, tableSize);
    this.#entries.fill(EMPTY);
  }

  /**
   * Builds the table anew; the order of `shards` does not matter to it. Throws RangeError for more shards than it has
   * places, or a weight that is no integer from 0 to 2²⁰, and keeps the table that it has.
   */
  replace(shards: readonly WeightedShard[]): void {
    if (shards.length > this.#capacity) throw new RangeError(`Cannot hold ${shards.length} shards: the table has ${this.#capacity} places`);
    for (const { shardId, weight } of shards) {
      if (!(Number.isInteger(weight) && weight >= 0 && weight <= WEIGHT_MAX))
        throw new RangeError(`Cannot weigh shard ${shardId}: ${weight}, expected an integer from 0 to ${WEIGHT_MAX}`);
    }
    const size = BigInt(this.#tableSize);
    // By name, as UTF-16 units order them: a shard's turn must not depend on who came before it in a list.
    const sorted = shards
      .map(({ shardId, weight }, index) => ({ shardId, weight, index }))
      .toSorted((a, b) => (a.shardId < b.shardId ? -1 : a.shardId > b.shardId ? 1 : 0));
    for (const [place, { shardId, weight, index }] of sorted.entries()) {
      this.#columns.position[place] = Number(xxh64(this.#kernels, shardId) % size);
      this.#columns.skip[place] = Number(xxh64(this.#kernels, shardId, 1n) % (size - 1n)) + 1;
      this.#columns.weight[place] = weight;
      this.#columns.shard[place] = index;
    }
    this.#kernels.exports.maglevBuild(this.#base, this.#capacity, shards.length, this.#tableSize);
  }

  /** Index of the shard for `key`, or -1 where no shard has weight. Throws RangeError for a key of more than 8 KiB. */
  choose(key: string): number {
    return this.#kernels.exports.maglevChooseKey(this.#base, this.#capacity, this.#tableSize, this.#kernels.writeKey(key));
  }

  /** Per entry the index of its shard, -1 where the table is empty: a copy, to be counted and compared. */
  entries(): number[] {
    return Array.from(this.#entries, (entry) => (entry === EMPTY ? -1 : entry));
  }
}

function isOddPrime(value: number): boolean {
  if (!(Number.isInteger(value) && value >= 3 && value % 2 === 1)) return false;
  for (let divisor = 3; divisor * divisor <= value; divisor += 2) if (value % divisor === 0) return false;
  return true;
}
