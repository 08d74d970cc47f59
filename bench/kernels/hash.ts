import { createHash } from "node:crypto";
import xxhashWasm from "xxhash-wasm";
import { xxh3, xxh64 } from "#wasm/binding/hash.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { measureInTurn, type Contender } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const OPERATIONS = 256;

export async function benchHash(): Promise<BenchRow[]> {
  return [...(await benchText("a key of 12 characters", "acme/d-10007")), ...(await benchText("4 KiB of text", "tide".repeat(1_024)))];
}

async function benchText(what: string, text: string): Promise<BenchRow[]> {
  const kernels = kernelsFor(131_072);
  const peer = await xxhashWasm();
  const encoder = new TextEncoder();
  const figures = await measureInTurn([
    repeat("xxh64", () => xxh64(kernels, text)),
    repeat("xxh3", () => xxh3(kernels, text)),
    repeat("twin", () => xxh64Reference(encoder.encode(text), 0n)),
    repeat("xxhash-wasm h64", () => peer.h64(text)),
    repeat("node:crypto md5", () => createHash("md5").update(text).digest()),
  ]);
  return ["xxh64", "xxh3"].map((own) => rowOf({ name: `${own} of ${what}`, figures, own }));
}

function repeat(name: string, of: () => unknown): Contender {
  const run = (): unknown => {
    let last: unknown;
    for (let count = 0; count < OPERATIONS; count += 1) last = of();
    return last;
  };
  return { name, operations: OPERATIONS, run };
}
