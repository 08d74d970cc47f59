// Which shards a service's endpoints are cut into. Pure. Until the planner acts, all of every endpoint's
// capacity is sharded, in as few shards as the size allows.
import type { ServiceConfig } from "#shared/config/schema.ts";

/** A slice of one endpoint. A draining shard gets nothing new and ends with its last socket. */
export interface PoolShard {
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly size: number;
  readonly state: "active" | "draining";
}

export interface LayoutInput {
  readonly service: Pick<ServiceConfig, "service" | "endpoints" | "shards">;
  readonly current: readonly PoolShard[];
  readonly inUse: (shardId: string) => number;
  /** Number of the next new shard: ids are never used twice, because keys are hashed to them. */
  readonly nextNumber: number;
}

export interface Layout {
  readonly shards: readonly PoolShard[];
  readonly nextNumber: number;
}

/** Keeps the shards that can stay (so that keys stay), resizes them in place, adds what is missing, drains the rest. */
export function layoutShards({ service, current, inUse, nextNumber }: LayoutInput): Layout {
  const endpoints = staticEndpoints(service);
  const counts = countShards({ ...service, endpoints });
  const shards: PoolShard[] = [];
  let next = nextNumber;
  for (const [index, { url, capacity }] of endpoints.entries()) {
    const sizes = splitCapacity(capacity, counts[index] ?? 0, service.shards.sizeMax);
    // Active ones first: a draining shard comes back before a new one is made.
    const own = current
      .filter(({ endpointUrl }) => endpointUrl === url)
      .toSorted((a, b) => Number(a.state === "draining") - Number(b.state === "draining"));
    for (const [place, size] of sizes.entries()) {
      const shardId = own[place]?.shardId ?? `${service.service}-${next++}`;
      shards.push({ shardId, endpointUrl: url, size, state: "active" });
    }
  }
  const kept = new Set(shards.map(({ shardId }) => shardId));
  for (const shard of current) {
    if (!kept.has(shard.shardId) && inUse(shard.shardId) > 0) shards.push({ ...shard, state: "draining" });
  }
  return { shards, nextNumber: next };
}

/** An agent's address takes no requests; its units do. */
export function staticEndpoints({ endpoints }: Pick<ServiceConfig, "endpoints">): ServiceConfig["endpoints"] {
  return endpoints.filter(({ provider }) => provider === "static");
}

/** Shards per endpoint: as few as sizeMax allows, as many as sizeMin allows, in turn up to countMax in all. */
function countShards({ endpoints, shards }: LayoutInput["service"]): number[] {
  const wanted = endpoints.map(({ capacity }) =>
    Math.max(1, Math.min(Math.ceil(capacity / shards.sizeMax), Math.floor(capacity / shards.sizeMin))),
  );
  const counts = wanted.map(() => 0);
  let left = Math.min(
    shards.countMax,
    wanted.reduce((sum, count) => sum + count, 0),
  );
  while (left > 0) {
    for (const [index, count] of wanted.entries()) {
      if (left === 0 || (counts[index] ?? 0) >= count) continue;
      counts[index] = (counts[index] ?? 0) + 1;
      left -= 1;
    }
  }
  return counts;
}

function splitCapacity(capacity: number, count: number, sizeMax: number): number[] {
  const base = Math.floor(capacity / count);
  const larger = capacity - base * count;
  return Array.from({ length: count }, (_, place) => Math.min(sizeMax, place < larger ? base + 1 : base));
}
