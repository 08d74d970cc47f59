import type { Kernels } from "#wasm/binding/kernels.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { rendezvousReference } from "#wasm/reference/rendezvous.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn, type Contender } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOfAnswers, contender, keyAt, weightAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { measurePromise, type Kept, type MakeTable, type PromiseShard } from "./promise.ts";
import { promiseRow, ratioMaxOfKeepers } from "./promise-row.ts";
import { denserRings, peersAsTheyCome, type Peer } from "./rendezvous-peers.ts";
import { rowOf } from "./row.ts";

const WINDOW = 1_024;
const OWN = "kernel";
/** Every key of the bench once. */
const PROMISE_KEYS = Array.from({ length: 65_536 }, (_, index) => keyAt(index));

/** Calls between two keys of the bare loop: what writing one costs is not the loop's. */
const CALLS_PER_KEY = 16;
const LOOP = "loop, key in memory";

interface TableBudget {
  readonly budgetNs?: number;
  readonly ratioToC: number;
  /** The most of a peer's time, where the peer keeps the promise; no peer is asked where this is not given. */
  readonly ratioToPeers?: number;
}

export async function benchRendezvous(): Promise<BenchRow[]> {
  return [
    ...(await benchTable(64, { budgetNs: 120, ratioToC: 1.5, ratioToPeers: 1 / 5 })),
    ...(await benchTable(1_024, { ratioToC: 1.3 })),
  ];
}

async function benchTable(shardCount: number, { budgetNs, ratioToC, ratioToPeers }: TableBudget): Promise<BenchRow[]> {
  const shards = Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: weightAt(index) }));
  const kernels = kernelsFor(262_144);
  const table = new ShardTable(kernels, shardCount);
  table.replace(shards);
  const checksum = checksumOfAnswers((index) => table.choose(keyAt(index)), 1_024);
  const c = cPeers({ program: "rendezvous", args: [shardCount, shardCount === 64 ? 100_000 : 20_000], checksum, isVector: true });
  const peers = [...peersAsTheyCome(), ...(ratioToPeers === undefined ? [] : denserRings(kernels))];
  const own = contender(OWN, WINDOW, (index) => table.choose(keyAt(index)));
  const contenders = [own, loopOf(kernels, shardCount), twinOf(shards), ...peers.map(({ contend }) => contend(shards)), ...c.peers];
  const figures = await measureInTurn(contenders);
  const name = `rendezvous over ${shardCount} shards`;
  const loop = rowOf({ name: `${name}, ${LOOP}`, figures, own: LOOP, ratioMax: { "C 128": ratioToC }, missing: c.missing });
  // What a caller pays: the key's encoding and the way into Wasm included.
  const paid = { name, figures, own: OWN, ...(budgetNs === undefined ? {} : { budgetNs }), missing: c.missing };
  if (ratioToPeers === undefined) return [rowOf(paid), loop];
  const kept = { own: measurePromise(ownTable, shards, PROMISE_KEYS), peers: keptBy(peers, shards) };
  return [rowOf({ ...paid, ratioMax: ratioMaxOfKeepers(kept, ratioToPeers) }), ...promiseRow(name, kept), loop];
}

/** Each in an instance of its own, that their tables share nothing. */
const ownTable: MakeTable = (shards) => {
  const table = new ShardTable(kernelsFor(131_072), shards.length);
  table.replace(shards);
  return { choose: (key) => table.choose(key), remove: (index) => table.setWeight(index, 0) };
};

function keptBy(peers: readonly Peer[], shards: readonly PromiseShard[]): ReadonlyMap<string, Kept> {
  return new Map(peers.map(({ name, make }) => [name, measurePromise(make, shards, PROMISE_KEYS)]));
}

/** The raw call: hash and loop over the first table of the instance. */
function loopOf({ exports, writeKey }: Kernels, shardCount: number): Contender {
  const base = Number(exports.ARENA_OFFSET.value);
  const capacity = Math.ceil(shardCount / 8) * 8;
  let bytes = 0;
  return contender(LOOP, WINDOW, (index) => {
    if (index % CALLS_PER_KEY === 0) bytes = writeKey(keyAt(index));
    return exports.rendezvousChooseKey(base, capacity, shardCount, bytes);
  });
}

function twinOf(shards: readonly PromiseShard[]): Contender {
  const encoder = new TextEncoder();
  const seeded = shards.map(({ shardId, weight }) => ({ seed: xxh64Reference(encoder.encode(shardId), 0n), weight }));
  return contender("twin", 8, (index) => rendezvousReference(xxh64Reference(encoder.encode(keyAt(index)), 0n), seeded));
}
