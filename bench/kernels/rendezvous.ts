import ConsistentHash from "consistent-hash";
import HashRing from "hashring";
import rendezvousHash from "rendezvous-hash";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { rendezvousReference } from "#wasm/reference/rendezvous.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn, type Contender } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { buildC, C_FLAGS_128, C_FLAGS_256 } from "./c-peer.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

/** As in c/rendezvous.c, so that the choices can be compared. */
const CHECKED_KEYS = Array.from({ length: 1_024 }, (_, index) => `acme/d-${10_000 + index}`);
/** A gateway's devices are many: hashring remembers the answers for 5,000 keys, which is not what is measured here. */
const KEYS = Array.from({ length: 65_536 }, (_, index) => `acme/d-${10_000 + index}`);
const WINDOW = 1_024;
/** The same algorithm from npm; the ring look-ups beside it answer a plainer question. */
const RENDEZVOUS_PEER = "rendezvous-hash";
const OWN = "kernel";

export async function benchRendezvous(): Promise<BenchRow[]> {
  return [await benchTable(64, { budgetNs: 120, ratioToC: 1.5 }), await benchTable(1_024, { ratioToC: 1.3 })];
}

async function benchTable(shardCount: number, { budgetNs, ratioToC }: { budgetNs?: number; ratioToC: number }): Promise<BenchRow> {
  const shards = Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: 10 + ((index * 7) % 41) }));
  const table = new ShardTable(kernelsFor(262_144), shardCount);
  table.replace(shards);
  const figures = await measureInTurn([contender(OWN, WINDOW, (key) => table.choose(key)), twinOf(shards), ...peersOf(shards)]);
  const checksum = CHECKED_KEYS.reduce((sum, key) => Math.imul(sum ^ table.choose(key), 16_777_619) >>> 0, 2_166_136_261);
  const missing = addC(figures, { shardCount, checksum });
  return rowOf({
    name: `rendezvous over ${shardCount} shards`,
    figures,
    own: OWN,
    ...(budgetNs === undefined ? {} : { budgetNs }),
    ratioMax: { "C 128": ratioToC, ...(shardCount === 64 ? { [RENDEZVOUS_PEER]: 1 / 5 } : {}) },
    missing,
  });
}

/** Adds the figures of the C loops that choose the same shards; returns why others are missing. */
function addC(figures: Map<string, number>, { shardCount, checksum }: { shardCount: number; checksum: number }): Record<string, string> {
  const missing: Record<string, string> = {};
  for (const [name, flags] of [
    ["C 128", C_FLAGS_128],
    ["C AVX2", C_FLAGS_256],
  ] as const) {
    const c = buildC("rendezvous", flags);
    if (!c.ok) {
      missing[name] = c.why;
      continue;
    }
    const { nsPerLookup, checksum: theirs } = c.run(shardCount, 200_000);
    if (theirs === checksum) figures.set(name, Number(nsPerLookup));
    else missing[name] = `chooses other shards (${theirs} instead of ${checksum})`;
  }
  return missing;
}

interface BenchShard {
  readonly shardId: string;
  readonly weight: number;
}

function twinOf(shards: readonly BenchShard[]): Contender {
  const encoder = new TextEncoder();
  const seeded = shards.map(({ shardId, weight }) => ({ seed: xxh64Reference(encoder.encode(shardId), 0n), weight }));
  return contender("twin", 8, (key) => rendezvousReference(xxh64Reference(encoder.encode(key), 0n), seeded));
}

function peersOf(shards: readonly BenchShard[]): Contender[] {
  const named = Object.fromEntries(shards.map(({ shardId }) => [shardId, shardId]));
  const ring = new HashRing(Object.fromEntries(shards.map(({ shardId, weight }) => [`${shardId}:80`, { weight }])));
  const consistent = new ConsistentHash();
  for (const { shardId, weight } of shards) consistent.add(shardId, weight);
  return [
    contender(RENDEZVOUS_PEER, 8, (key) => rendezvousHash(key, named).length),
    contender("hashring (ring)", WINDOW, (key) => ring.get(key).length),
    contender("consistent-hash (ring)", WINDOW, (key) => consistent.get(key).length),
  ];
}

/** Goes through the keys, `operations` at a time. */
function contender(name: string, operations: number, of: (key: string) => number): Contender {
  let at = 0;
  const run = (): number => {
    let sum = 0;
    for (let count = 0; count < operations; count += 1) sum += of(KEYS[(at + count) % KEYS.length] ?? "");
    at += operations;
    return sum;
  };
  return { name, operations, run };
}
