// The npm peers of the shard table, as they come and at settings that could keep its promise.
import ConsistentHash from "consistent-hash";
import HashRing from "hashring";
import rendezvousHash from "rendezvous-hash";
import { xxh64 } from "#wasm/binding/hash.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { Contender } from "../measure.ts";
import { contender, keyAt } from "./inputs.ts";
import type { MakeTable, PromiseShard } from "./promise.ts";

export interface Peer {
  readonly name: string;
  readonly make: MakeTable;
  /** The peer's own call, and nothing around it. */
  readonly contend: (shards: readonly PromiseShard[]) => Contender;
}

const WINDOW = 1_024;
/** A look-up by MD5 takes microseconds: a longer window would count what else the machine does. */
const SLOW_WINDOW = 32;
/** Points per unit of weight, on a ring of about a million places: at 200 a third of them are taken. */
const POINTS_PER_WEIGHT = [10, 50, 100, 200];
const RANGE = 1_000_003;
/** hashring's own is 40, each of four points. */
const VNODE_COUNTS = [400, 4_000];

export function peersAsTheyCome(): Peer[] {
  return [
    {
      name: "rendezvous-hash",
      make(shards) {
        const named = namedOf(shards);
        const indices = indicesOf(shards);
        return {
          choose: (key) => indices.get(rendezvousHash(key, named)) ?? -1,
          remove: (index) => delete named[shards[index]?.shardId ?? ""],
        };
      },
      contend(shards) {
        const named = namedOf(shards);
        return contender("rendezvous-hash", 8, (index) => rendezvousHash(keyAt(index), named).length);
      },
    },
    ringPeer("hashring (ring)", SLOW_WINDOW, (shards) => hashRing(shards)),
    ringPeer("consistent-hash (ring)", WINDOW, (shards) => {
      const ring = new ConsistentHash();
      for (const { shardId, weight } of shards) ring.add(shardId, weight);
      return ring;
    }),
  ];
}

/** Rings with ever more points: the more, the evener, and the longer a look-up. */
export function denserRings(kernels: Kernels): Peer[] {
  return [
    ...VNODE_COUNTS.map((count) =>
      ringPeer(`hashring, ${count} vnodes`, SLOW_WINDOW, (shards) => hashRing(shards, { "vnode count": count })),
    ),
    ...POINTS_PER_WEIGHT.map((perWeight) =>
      ringPeer(`consistent-hash, ${perWeight} points per weight`, WINDOW, (shards) => pointedRing(kernels, shards, perWeight)),
    ),
  ];
}

interface Ring {
  get(key: string): string;
  remove(node: string): unknown;
}

function ringPeer(name: string, operations: number, ringOf: (shards: readonly PromiseShard[]) => Ring): Peer {
  return {
    name,
    make(shards) {
      const ring = ringOf(shards);
      const indices = indicesOf(shards);
      return { choose: (key) => indices.get(ring.get(key)) ?? -1, remove: (index) => ring.remove(shards[index]?.shardId ?? "") };
    },
    contend(shards) {
      const ring = ringOf(shards);
      return contender(name, operations, (index) => ring.get(keyAt(index)).length);
    },
  };
}

function hashRing(shards: readonly PromiseShard[], options: Readonly<Record<string, number>> = {}): Ring {
  return new HashRing(Object.fromEntries(shards.map(({ shardId, weight }) => [shardId, { weight }])), "md5", options);
}

/** consistent-hash's own points are random, so no two rings agree: here they are the shard's name, numbered and hashed. */
function pointedRing(kernels: Kernels, shards: readonly PromiseShard[], perWeight: number): Ring {
  const ring = new ConsistentHash({ range: RANGE });
  const taken = new Set<number>();
  for (const { shardId, weight } of shards) {
    const points: number[] = [];
    for (let attempt = 0; points.length < weight * perWeight; attempt += 1) {
      const point = Number(xxh64(kernels, `${shardId}-${attempt}`) % BigInt(RANGE));
      if (taken.has(point)) continue;
      taken.add(point);
      points.push(point);
    }
    ring.add(shardId, weight, points);
  }
  return ring;
}

function namedOf(shards: readonly PromiseShard[]): Record<string, string> {
  return Object.fromEntries(shards.map(({ shardId }) => [shardId, shardId]));
}

function indicesOf(shards: readonly PromiseShard[]): ReadonlyMap<string, number> {
  return new Map(shards.map(({ shardId }, index) => [shardId, index]));
}
