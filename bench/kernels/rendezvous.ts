import ConsistentHash from "consistent-hash";
import HashRing from "hashring";
import rendezvousHash from "rendezvous-hash";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { rendezvousReference } from "#wasm/reference/rendezvous.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn, type Contender } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOfAnswers, contender, keyAt, weightAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const WINDOW = 1_024;
/** The budget is held against the best of them, though a ring look-up answers a plainer question. */
const NPM_PEERS = ["rendezvous-hash", "hashring (ring)", "consistent-hash (ring)"];
const OWN = "kernel";

/** Calls between two keys of the bare loop: what writing one costs is not the loop's. */
const CALLS_PER_KEY = 16;
const LOOP = "loop, key in memory";

export async function benchRendezvous(): Promise<BenchRow[]> {
  return [...(await benchTable(64, { budgetNs: 120, ratioToC: 1.5 })), ...(await benchTable(1_024, { ratioToC: 1.3 }))];
}

async function benchTable(shardCount: number, { budgetNs, ratioToC }: { budgetNs?: number; ratioToC: number }): Promise<BenchRow[]> {
  const shards = Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: weightAt(index) }));
  const kernels = kernelsFor(262_144);
  const table = new ShardTable(kernels, shardCount);
  table.replace(shards);
  const checksum = checksumOfAnswers((index) => table.choose(keyAt(index)), 1_024);
  const c = cPeers({ program: "rendezvous", args: [shardCount, shardCount === 64 ? 100_000 : 20_000], checksum, isVector: true });
  const own = contender(OWN, WINDOW, (index) => table.choose(keyAt(index)));
  const figures = await measureInTurn([own, loopOf(kernels, shardCount), twinOf(shards), ...peersOf(shards), ...c.peers]);
  const name = `rendezvous over ${shardCount} shards`;
  return [
    // What a caller pays: the key's encoding and the way into Wasm included.
    rowOf({
      name,
      figures,
      own: OWN,
      ...(budgetNs === undefined ? {} : { budgetNs, ratioMax: Object.fromEntries(NPM_PEERS.map((peer) => [peer, 1 / 5])) }),
      missing: c.missing,
    }),
    // What the kernel does, as C does it (docs/decisions/0005-peers-of-a-bench.md).
    rowOf({ name: `${name}, ${LOOP}`, figures, own: LOOP, ratioMax: { "C 128": ratioToC }, missing: c.missing }),
  ];
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

interface BenchShard {
  readonly shardId: string;
  readonly weight: number;
}

function twinOf(shards: readonly BenchShard[]): Contender {
  const encoder = new TextEncoder();
  const seeded = shards.map(({ shardId, weight }) => ({ seed: xxh64Reference(encoder.encode(shardId), 0n), weight }));
  return contender("twin", 8, (index) => rendezvousReference(xxh64Reference(encoder.encode(keyAt(index)), 0n), seeded));
}

function peersOf(shards: readonly BenchShard[]): Contender[] {
  const named = Object.fromEntries(shards.map(({ shardId }) => [shardId, shardId]));
  const ring = new HashRing(Object.fromEntries(shards.map(({ shardId, weight }) => [`${shardId}:80`, { weight }])));
  const consistent = new ConsistentHash();
  for (const { shardId, weight } of shards) consistent.add(shardId, weight);
  return [
    contender("rendezvous-hash", 8, (index) => rendezvousHash(keyAt(index), named).length),
    contender("hashring (ring)", WINDOW, (index) => ring.get(keyAt(index)).length),
    contender("consistent-hash (ring)", WINDOW, (index) => consistent.get(keyAt(index)).length),
  ];
}
