import ConsistentHash from "consistent-hash";
import HashRing from "hashring";
import rendezvousHash from "rendezvous-hash";
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
/** The same algorithm from npm; the ring look-ups beside it answer a plainer question. */
const RENDEZVOUS_PEER = "rendezvous-hash";
const OWN = "kernel";

export async function benchRendezvous(): Promise<BenchRow[]> {
  return [await benchTable(64, { budgetNs: 120, ratioToC: 1.5 }), await benchTable(1_024, { ratioToC: 1.3 })];
}

async function benchTable(shardCount: number, { budgetNs, ratioToC }: { budgetNs?: number; ratioToC: number }): Promise<BenchRow> {
  const shards = Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: weightAt(index) }));
  const table = new ShardTable(kernelsFor(262_144), shardCount);
  table.replace(shards);
  const checksum = checksumOfAnswers((index) => table.choose(keyAt(index)), 1_024);
  const c = cPeers({ program: "rendezvous", args: [shardCount, shardCount === 64 ? 100_000 : 20_000], checksum, isVector: true });
  const own = contender(OWN, WINDOW, (index) => table.choose(keyAt(index)));
  const figures = await measureInTurn([own, twinOf(shards), ...peersOf(shards), ...c.peers]);
  return rowOf({
    name: `rendezvous over ${shardCount} shards`,
    figures,
    own: OWN,
    ...(budgetNs === undefined ? {} : { budgetNs }),
    ratioMax: { "C 128": ratioToC, ...(shardCount === 64 ? { [RENDEZVOUS_PEER]: 1 / 5 } : {}) },
    missing: c.missing,
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
    contender(RENDEZVOUS_PEER, 8, (index) => rendezvousHash(keyAt(index), named).length),
    contender("hashring (ring)", WINDOW, (index) => ring.get(keyAt(index)).length),
    contender("consistent-hash (ring)", WINDOW, (index) => consistent.get(keyAt(index)).length),
  ];
}
