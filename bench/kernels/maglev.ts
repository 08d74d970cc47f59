import { MaglevTable } from "#wasm/binding/maglev-table.ts";
import { maglevReference } from "#wasm/reference/maglev.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOf, checksumOfAnswers, contender, keyAt, weightAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const SHARDS = Array.from({ length: 64 }, (_, index) => ({ shardId: `shard-${index}`, weight: weightAt(index) }));
const TABLE_SIZE = 65_537;
const OWN = "kernel";
const NO_PEER = { npm: "no peer" };

export async function benchMaglev(): Promise<BenchRow[]> {
  const table = new MaglevTable(kernelsFor(262_144), SHARDS.length, TABLE_SIZE);
  table.replace(SHARDS);
  return [await benchChoose(table), await benchBuild(table)];
}

async function benchChoose(table: MaglevTable): Promise<BenchRow> {
  const encoder = new TextEncoder();
  const entries = maglevReference(SHARDS, TABLE_SIZE);
  const checksum = checksumOfAnswers((index) => table.choose(keyAt(index)), 1_024);
  const { peers, missing } = cPeers({ program: "maglev", args: ["choose", 1_000_000], checksum });
  const figures = await measureInTurn([
    contender(OWN, 1_024, (index) => table.choose(keyAt(index))),
    contender("twin", 64, (index) => entries[Number(xxh64Reference(encoder.encode(keyAt(index)), 0n) % BigInt(TABLE_SIZE))] ?? -1),
    ...peers,
  ]);
  return rowOf({ name: "maglev over 64 shards: a key of 12 characters", figures, own: OWN, missing: { ...NO_PEER, ...missing } });
}

async function benchBuild(table: MaglevTable): Promise<BenchRow> {
  const build = (): number => {
    table.replace(SHARDS);
    return 0;
  };
  const { peers, missing } = cPeers({ program: "maglev", args: ["build", 2], checksum: checksumOf(table.entries()) });
  const twin = contender("twin", 1, () => maglevReference(SHARDS, TABLE_SIZE).length);
  const figures = await measureInTurn([contender(OWN, 1, build), twin, ...peers]);
  return rowOf({ name: "maglev over 64 shards: build 65,537 entries", figures, own: OWN, missing: { ...NO_PEER, ...missing } });
}
