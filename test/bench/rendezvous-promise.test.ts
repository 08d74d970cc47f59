// The budget against npm peers: who keeps the promise is judged, and only who keeps it.
import { expect, it } from "vitest";
import { measurePromise, type MakeTable, type PromiseShard } from "#bench/kernels/promise.ts";
import { promiseRow, ratioMaxOfKeepers } from "#bench/kernels/promise-row.ts";
import { rowOf } from "#bench/kernels/row.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";

const SHARDS = Array.from({ length: 8 }, (_, index) => ({ shardId: `shard-${index}`, weight: 10 + 5 * index }));
const KEYS = Array.from({ length: 2_000 }, (_, index) => `acme/d-${10_000 + index}`);
const FAST_NS = 100;
const SLOW_NS = 1_000;
const OWN_NS = 100;

/** Weighted rendezvous with another hash and Math.log: what ours promises, by other means. */
const keeper = rendezvousBy((key, shardId) => hashOf(`${shardId} ${key}`));
const own = measurePromise(
  rendezvousBy((key, shardId) => hashOf(`${key} ${shardId}`)),
  SHARDS,
  KEYS,
);

it.for<{ name: string; make: MakeTable; ns: number; want: boolean | undefined }>([
  { name: "fails where a peer keeps the promise and is fast", make: keeper, ns: FAST_NS, want: false },
  { name: "holds where a peer keeps the promise and is slow", make: keeper, ns: SLOW_NS, want: true },
  { name: "does not judge a fast peer that ignores weights", make: rendezvousBy(hashedPair, false), ns: FAST_NS, want: undefined },
  { name: "does not judge a fast peer whose tables disagree", make: disagreeing(), ns: FAST_NS, want: undefined },
  { name: "does not judge a fast peer that moves keys without need", make: modulo, ns: FAST_NS, want: undefined },
])("$name", ({ make, ns, want }) => {
  const kept = { own, peers: new Map([["peer", measurePromise(make, SHARDS, KEYS)]]) };
  const figures = new Map([
    ["own", OWN_NS],
    ["peer", ns],
  ]);
  const { ok, versus } = rowOf({ name: "row", figures, own: "own", ratioMax: ratioMaxOfKeepers(kept, 1 / 5) });
  expect(ok).toBe(want);
  // Judged or not, it is printed, and what it does not keep is said.
  expect(versus).toEqual({ peer: OWN_NS / ns });
  expect(Object.keys(promiseRow("row", kept)[0]?.missing ?? {})).toEqual(want === undefined ? ["peer"] : []);
});

it("measures the worst shard, the needless moves, and whether tables agree", () => {
  const always: MakeTable = () => ({ choose: () => 0, remove: () => undefined });
  const two = [
    { shardId: "a", weight: 1 },
    { shardId: "b", weight: 3 },
  ];
  expect(measurePromise(always, two, KEYS)).toEqual({ deviation: 3, needless: 0, isRepeatable: true });
  expect(measurePromise(modulo, SHARDS, KEYS).needless).toBeGreaterThan(0.5);
  expect(measurePromise(disagreeing(), SHARDS, KEYS).isRepeatable).toBe(false);
});

function rendezvousBy(unitOf: (key: string, shardId: string) => number, isWeighted = true): MakeTable {
  return (shards) => {
    const open = new Map(shards.map((shard, index) => [index, shard]));
    return {
      choose: (key) => bestOf(open, ({ shardId, weight }) => -Math.log(unitOf(key, shardId)) / (isWeighted ? weight : 1)),
      remove: (index) => open.delete(index),
    };
  };
}

function bestOf(open: ReadonlyMap<number, PromiseShard>, costOf: (shard: PromiseShard) => number): number {
  return [...open].reduce(
    (best, [index, shard]) => {
      const cost = costOf(shard);
      return cost < best.cost ? { index, cost } : best;
    },
    { index: -1, cost: Infinity },
  ).index;
}

/** Each table is salted with how many there were before. */
function disagreeing(): MakeTable {
  let salt = 0;
  return (shards) => {
    salt += 1;
    const mine = salt;
    return rendezvousBy((key, shardId) => hashOf(`${mine} ${shardId} ${key}`))(shards);
  };
}

/** Even by weight, and everything moves when one goes. */
function modulo(shards: readonly PromiseShard[]): ReturnType<MakeTable> {
  let places = shards.flatMap(({ weight }, index) => Array.from({ length: weight }, () => index));
  return {
    choose: (key) => places[Math.floor(hashOf(key) * 2 ** 30) % places.length] ?? -1,
    remove: (gone) => {
      places = places.filter((index) => index !== gone);
    },
  };
}

function hashedPair(key: string, shardId: string): number {
  return hashOf(`${shardId} ${key}`);
}

/** In (0, 1). */
function hashOf(text: string): number {
  return (Number(xxh64Reference(new TextEncoder().encode(text), 0n) >> 32n) + 0.5) / 2 ** 32;
}
