// Twin of wasm/assembly/schedule/maglev.ts, from the paper's listing: positions by multiplication, targets as Envoy has them.
import { xxh64Reference } from "./xxh64.ts";

export interface ReferenceBackend {
  readonly shardId: string;
  /** An integer ≥ 0. */
  readonly weight: number;
}

/** Per entry the index of a shard, -1 throughout where none has weight. */
export function maglevReference(shards: readonly ReferenceBackend[], tableSize: number): number[] {
  const entries = Array.from({ length: tableSize }, () => -1);
  const encoder = new TextEncoder();
  const size = BigInt(tableSize);
  const inTurn = shards
    .map(({ shardId, weight }, index) => ({ index, shardId, weight }))
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => (a.shardId < b.shardId ? -1 : a.shardId > b.shardId ? 1 : 0))
    .map(({ index, shardId, weight }) => {
      const name = encoder.encode(shardId);
      const [offset, skip] = [Number(xxh64Reference(name, 0n) % size), Number(xxh64Reference(name, 1n) % (size - 1n)) + 1];
      return { index, weight, offset, skip, next: 0, target: 0 };
    });
  const weightMax = Math.max(...inTurn.map(({ weight }) => weight));
  let filled = 0;
  for (let round = 1; filled < tableSize && inTurn.length > 0; round += 1) {
    for (const shard of inTurn) {
      if (filled === tableSize) break;
      if (round * shard.weight < shard.target) continue;
      shard.target += weightMax;
      while (entries[(shard.offset + shard.skip * shard.next) % tableSize] !== -1) shard.next += 1;
      entries[(shard.offset + shard.skip * shard.next) % tableSize] = shard.index;
      filled += 1;
    }
  }
  return entries;
}
