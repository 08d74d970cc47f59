// Which shard a request meets that waited in the pool: weighted rendezvous over the shards whose endpoint has a free slot.
import type { Kernels } from "#wasm/binding/kernels.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import type { PoolShard } from "./layout.ts";

export class ShardChoice {
  readonly #table: ShardTable;
  #shards: readonly PoolShard[] = [];
  /** Per lane, whether its shards have weight now. */
  readonly #isOpen = new Map<string, boolean>();

  constructor(kernels: Kernels) {
    this.#table = new ShardTable(kernels);
  }

  replace(shards: readonly PoolShard[]): void {
    this.#shards = shards.filter(({ state }) => state === "active");
    this.#isOpen.clear();
    for (const { endpointUrl } of this.#shards) this.#isOpen.set(endpointUrl, true);
    this.#table.replace(this.#shards.map(({ shardId, size }) => ({ shardId, weight: size })));
  }

  get isEmpty(): boolean {
    return this.#shards.length === 0;
  }

  hasRoom(hasRoom: (lane: string) => boolean): boolean {
    return [...this.#isOpen.keys()].some(hasRoom);
  }

  /** Undefined: no endpoint has a free slot. */
  choose(key: string, hasRoom: (lane: string) => boolean): PoolShard | undefined {
    for (const [lane, wasOpen] of this.#isOpen) {
      const isOpen = hasRoom(lane);
      if (isOpen !== wasOpen) this.#weigh(lane, isOpen);
    }
    return this.#shards[this.#table.choose(key)];
  }

  #weigh(lane: string, isOpen: boolean): void {
    this.#isOpen.set(lane, isOpen);
    for (const [index, { endpointUrl, size }] of this.#shards.entries()) {
      if (endpointUrl === lane) this.#table.setWeight(index, isOpen ? size : 0);
    }
  }
}
