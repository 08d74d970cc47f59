import { createHash } from "node:crypto";
import xxhashWasm from "xxhash-wasm";
import { xxh3, xxh64 } from "#wasm/binding/hash.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { xxh3Reference } from "#wasm/reference/xxh3.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOf, contender } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const OPERATIONS = 256;
/** By the names that c/hash.c has for them. */
const TEXTS = {
  key: { what: "a key of 12 characters", text: "acme/d-10007" },
  text: { what: "4 KiB of text", text: "tide".repeat(1_024) },
};
/** Each with a closure of its own: one that both share would be compiled for neither. */
const HASHES = {
  xxh64: {
    hash: xxh64,
    loop: (kernels: Kernels, text: string) => contender("xxh64", OPERATIONS, () => (xxh64(kernels, text) === 0n ? 0 : 1)),
    reference: xxh64Reference,
  },
  xxh3: {
    hash: xxh3,
    loop: (kernels: Kernels, text: string) => contender("xxh3", OPERATIONS, () => (xxh3(kernels, text) === 0n ? 0 : 1)),
    reference: xxh3Reference,
  },
};

export async function benchHash(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const text of ["key", "text"] as const) for (const own of ["xxh64", "xxh3"] as const) rows.push(await benchText(own, text));
  return rows;
}

async function benchText(own: keyof typeof HASHES, textName: keyof typeof TEXTS): Promise<BenchRow> {
  const { what, text } = TEXTS[textName];
  const { hash, loop, reference } = HASHES[own];
  const kernels = kernelsFor(131_072);
  const peer = await xxhashWasm();
  const encoder = new TextEncoder();
  const value = hash(kernels, text);
  const checksum = checksumOf([Number(value & 0xffff_ffffn), Number(value >> 32n)]);
  const { peers, missing } = cPeers({ program: "hash", args: [own, textName, textName === "key" ? 400_000 : 20_000], checksum });
  const figures = await measureInTurn([
    loop(kernels, text),
    contender("twin", 16, () => (reference(encoder.encode(text), 0n) === 0n ? 0 : 1)),
    contender("xxhash-wasm h64", OPERATIONS, () => (peer.h64(text) === 0n ? 0 : 1)),
    contender("node:crypto md5", OPERATIONS, () => createHash("md5").update(text).digest().length),
    ...peers,
  ]);
  return rowOf({ name: `${own} of ${what}`, figures, own, missing });
}
