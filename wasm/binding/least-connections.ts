import type { Region } from "./arena.ts";
import { checkCapacity, checkIndex, checkInteger } from "./balance-range.ts";
import type { Kernels } from "./kernels.ts";

/** Weight, active: 4 bytes each. */
const SHARD_BYTES = 8;
const WORD_MAX = 0xffff_ffff;

/**
 * Weighted least connections (wasm/assembly/schedule/balance/least-connections.ts): the smallest (active + 1) / weight,
 * compared in integers; of equals the first from `start`. Shards are indices; weight 0 is never chosen.
 */
export class LeastConnections {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #place: Region;
  readonly #capacity: number;
  readonly #weight: Uint32Array;
  readonly #active: Uint32Array;
  #count = 0;

  /** Takes 8 bytes per shard of `capacity`, at most 1,024 shards. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, capacity: number) {
    checkCapacity(capacity);
    this.#kernels = kernels;
    this.#capacity = Math.ceil(capacity / 4) * 4;
    this.#place = kernels.arena.allocate(SHARD_BYTES * this.#capacity, "a table of connections");
    const { offset } = this.#place;
    this.#base = offset;
    this.#weight = new Uint32Array(kernels.memory, offset, this.#capacity);
    this.#active = new Uint32Array(kernels.memory, offset + 4 * this.#capacity, this.#capacity);
  }

  /** Replaces all weights; nothing is active then. */
  replace(weights: readonly number[]): void {
    checkInteger("hold shards", weights.length, [0, this.#capacity]);
    for (const weight of weights) checkInteger("weigh a shard", weight, [0, WORD_MAX]);
    this.#count = weights.length;
    this.#weight.fill(0);
    this.#active.fill(0);
    this.#weight.set(weights);
  }

  setWeight(index: number, weight: number): void {
    checkIndex(index, this.#count);
    checkInteger("weigh a shard", weight, [0, WORD_MAX]);
    this.#weight[index] = weight;
  }

  /** Says how many connections a shard has. */
  setActive(index: number, active: number): void {
    checkIndex(index, this.#count);
    checkInteger("count connections", active, [0, WORD_MAX]);
    this.#active[index] = active;
  }

  /** Index of the chosen shard, or -1 where none has weight. `start` is a counter or a random word of 32 bits. */
  choose(start: number): number {
    checkInteger("choose a shard from a start", start, [0, WORD_MAX]);
    return this.#kernels.exports.leastConnectionsChoose(this.#base, this.#capacity, this.#count, start);
  }

  /** Gives the memory back. The table must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#place);
  }
}
