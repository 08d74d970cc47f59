// Where a pool's requests may go: its shards, numbered anew with every change, and the choice among them. Pure but for Wasm memory.
import type { RouteTable } from "#shared/protocol/pool-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { Awaited } from "./fleet/awaited.ts";
import { layoutShards, type PoolShard } from "./layout.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";
import { Refusals } from "./refusals.ts";
import { ShardChoice } from "./shard-choice.ts";

export class Routes {
  readonly refusals = new Refusals();
  readonly choice: ShardChoice;
  /** Of a service without a shard: when the first is expected, and what is told to those who wait for it; null: none will come. */
  awaited: (nowMs: number) => Awaited | null = () => null;
  #shards: readonly PoolShard[] = [];
  #version = 0;

  constructor(kernels: Kernels) {
    this.choice = new ShardChoice(kernels, this.refusals);
  }

  get shards(): readonly PoolShard[] {
    return this.#shards;
  }

  /** Rises with every change. */
  get version(): number {
    return this.#version;
  }

  /** As it was written down. */
  load(shards: readonly PoolShard[], version: number): void {
    this.#follow(shards);
    this.#version = version;
  }

  /** Follows a new configuration; returns the number of the next new shard. */
  configure(
    { service, name }: PoolConfiguration,
    { nextNumber, inUse }: { nextNumber: number; inUse: (shardId: string) => number },
  ): number {
    const none = { service: name, endpoints: [], shards: { sizeMin: 1, sizeMax: 1, countMin: 0, countMax: 0 } };
    const layout = layoutShards({ service: service ?? none, current: this.#shards, inUse, nextNumber });
    this.#follow(layout.shards);
    this.#version += 1;
    return layout.nextNumber;
  }

  /** Takes over another table than its own; false: it is the same. */
  adopt(shards: readonly PoolShard[]): boolean {
    if (JSON.stringify(shards) === JSON.stringify(this.#shards)) return false;
    this.#replace(shards);
    return true;
  }

  /** Takes a shard out of use, and a new one of its size into it; returns the new one, or null where there is no such shard in use. */
  drain(shardId: string, newShardId: string): PoolShard | null {
    const drained = this.#shards.find((shard) => shard.shardId === shardId && shard.state === "active");
    if (drained === undefined) return null;
    const replacement: PoolShard = { ...drained, shardId: newShardId };
    this.#replace(this.#shards.flatMap((shard) => (shard === drained ? [replacement, { ...drained, state: "draining" }] : [shard])));
    return replacement;
  }

  /** Takes a draining shard into use again. The one that took its place goes, unless it holds something: then both stay. */
  restore(shardId: string, { replacement, inUse }: { replacement: string | null; inUse: (shardId: string) => number }): void {
    const isEmpty = replacement !== null && inUse(replacement) === 0;
    const left = this.#shards.filter((shard) => !isEmpty || shard.shardId !== replacement);
    this.#replace(left.map((shard) => (shard.shardId === shardId ? { ...shard, state: "active" } : shard)));
  }

  /** Ends the draining shards that hold nothing any more; says whether there were any. */
  dropDrained(inUse: (shardId: string) => number): boolean {
    const left = this.#shards.filter(({ shardId, state }) => state === "active" || inUse(shardId) > 0);
    if (left.length === this.#shards.length) return false;
    this.#shards = left;
    return true;
  }

  /** Null: the holder's is current. */
  tableFor(version: number): RouteTable | null {
    if (version === this.#version) return null;
    const shards = this.#shards.filter(({ state }) => state === "active");
    return { version: this.#version, shards: shards.map(({ shardId, endpointUrl, size }) => ({ shardId, endpointUrl, size })) };
  }

  #replace(shards: readonly PoolShard[]): void {
    this.#follow(shards);
    this.#version += 1;
  }

  #follow(shards: readonly PoolShard[]): void {
    this.#shards = shards;
    this.refusals.keep(new Set(shards.map(({ endpointUrl }) => endpointUrl)));
    this.choice.replace(shards);
  }
}
