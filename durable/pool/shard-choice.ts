// Which shard a request meets that waited in the pool: weighted rendezvous over the shards whose endpoint has a free slot.
import type { Kernels } from "#wasm/binding/kernels.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import type { PoolShard } from "./layout.ts";
import type { Refusals } from "./refusals.ts";

export class ShardChoice {
  readonly #table: ShardTable;
  #shards: readonly PoolShard[] = [];
  /** Per lane, whether its shards have weight now. */
  readonly #isOpen = new Map<string, boolean>();
  readonly #refusals: Pick<Refusals, "isSuspect">;
  /** Where every endpoint refuses connections, requests rather wait: others are about to be there. */
  mayWait = false;
  #avoided: { readonly shardId: string; readonly untilMs: number } | null = null;

  constructor(kernels: Kernels, refusals: Pick<Refusals, "isSuspect">) {
    this.#table = new ShardTable(kernels);
    this.#refusals = refusals;
  }

  /** This shard is only used where there is no other, until then: who suspects it may fall silent. Null: none. */
  avoid(shardId: string | null, untilMs: number): void {
    this.#avoided = shardId === null ? null : { shardId, untilMs };
  }

  /** For regional pools. */
  avoided(nowMs: number): { readonly avoided?: { readonly shardId: string; readonly forMs: number } } {
    const { shardId = "", untilMs = 0 } = this.#avoided ?? {};
    return nowMs < untilMs ? { avoided: { shardId, forMs: untilMs - nowMs } } : {};
  }

  tick(nowMs: number): void {
    if (this.#avoided !== null && nowMs >= this.#avoided.untilMs) this.#avoided = null;
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
    const lanes = [...this.#isOpen.keys()];
    return lanes.some((lane) => hasRoom(lane) && this.#isUsable(lane));
  }

  /** Undefined: no endpoint has a free slot. `left`: a shard that a session leaves; it goes back there only where there is no other. */
  choose(key: string, hasRoom: (lane: string) => boolean, left?: string): PoolShard | undefined {
    for (const [lane, wasOpen] of this.#isOpen) {
      const isOpen = hasRoom(lane) && this.#isUsable(lane);
      if (isOpen !== wasOpen) this.#weigh(lane, isOpen);
    }
    const avoided = [this.#avoided?.shardId ?? null, left ?? null].filter((shardId) => shardId !== null);
    return avoided.length === 0 ? this.#shards[this.#table.choose(key)] : this.#chooseBut(avoided, key);
  }

  #chooseBut(avoided: readonly string[], key: string): PoolShard | undefined {
    const open = this.#shards.flatMap((shard, index) => (this.#isOpen.get(shard.endpointUrl) === true ? [{ shard, index }] : []));
    const shunned = open.filter(({ shard }) => avoided.includes(shard.shardId));
    for (const { index } of shunned) this.#table.setWeight(index, 0);
    const chosen = this.#shards[this.#table.choose(key)];
    for (const { shard, index } of shunned) this.#table.setWeight(index, shard.size);
    return chosen ?? this.#shards[this.#table.choose(key)];
  }

  /** Nobody listens where connections are refused: not used while there is another, or will be. */
  #isUsable(lane: string): boolean {
    if (!this.#refusals.isSuspect(lane, this.mayWait)) return true;
    return !this.mayWait && [...this.#isOpen.keys()].every((other) => this.#refusals.isSuspect(other, false));
  }

  #weigh(lane: string, isOpen: boolean): void {
    this.#isOpen.set(lane, isOpen);
    for (const [index, { endpointUrl, size }] of this.#shards.entries()) {
      if (endpointUrl === lane) this.#table.setWeight(index, isOpen ? size : 0);
    }
  }
}
