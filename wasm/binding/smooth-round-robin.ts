import type { Region } from "./arena.ts";
import { checkCapacity, checkIndex, checkInteger } from "./balance-range.ts";
import type { Kernels } from "./kernels.ts";

/** Weight, credit: 4 bytes each. */
const SHARD_BYTES = 8;
const WEIGHT_MAX = 2 ** 20;

/**
 * Smooth weighted round robin (wasm/assembly/schedule/balance/smooth-round-robin.ts): exact proportions over a cycle,
 * spread over it. Shards are indices; weight 0 has no turn.
 */
export class SmoothRoundRobin {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #place: Region;
  readonly #capacity: number;
  readonly #weight: Uint32Array;
  readonly #credit: Int32Array;
  #count = 0;

  /** Takes 8 bytes per shard of `capacity`, at most 1,024 shards. Throws RangeError where the memory has no room. */
  constructor(kernels: Kernels, capacity: number) {
    checkCapacity(capacity);
    this.#kernels = kernels;
    this.#capacity = Math.ceil(capacity / 4) * 4;
    this.#place = kernels.arena.allocate(SHARD_BYTES * this.#capacity, "a table of turns");
    const { offset } = this.#place;
    this.#base = offset;
    this.#weight = new Uint32Array(kernels.memory, offset, this.#capacity);
    this.#credit = new Int32Array(kernels.memory, offset + 4 * this.#capacity, this.#capacity);
  }

  /** Replaces all weights and begins a cycle. */
  replace(weights: readonly number[]): void {
    checkInteger("hold shards", weights.length, [0, this.#capacity]);
    for (const weight of weights) checkInteger("weigh a shard", weight, [0, WEIGHT_MAX]);
    this.#count = weights.length;
    this.#weight.fill(0);
    this.#credit.fill(0);
    this.#weight.set(weights);
  }

  /** Changes one weight within the cycle: the credits stay, so a shard that closes for a moment loses no turn. */
  setWeight(index: number, weight: number): void {
    checkIndex(index, this.#count);
    checkInteger("weigh a shard", weight, [0, WEIGHT_MAX]);
    this.#weight[index] = weight;
  }

  /** Index of the shard whose turn it is, or -1 where none has weight. */
  next(): number {
    return this.#kernels.exports.smoothRoundRobinNext(this.#base, this.#capacity, this.#count);
  }

  /** Gives the memory back. The table must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#place);
  }
}
