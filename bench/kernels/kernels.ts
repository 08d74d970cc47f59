// Each kernel through its typed binding, beside its twin, the best npm peers, and the same loop in C.
import type { BenchRow } from "../report.ts";
import { benchBalance } from "./balance.ts";
import { benchFairQueue } from "./fair-queue.ts";
import { benchHash } from "./hash.ts";
import { benchLimit } from "./limit.ts";
import { benchMaglev } from "./maglev.ts";
import { benchRendezvous } from "./rendezvous.ts";
import { benchSketch } from "./sketch.ts";

const FAMILIES: Readonly<Record<string, () => Promise<BenchRow[]>>> = {
  hash: benchHash,
  rendezvous: benchRendezvous,
  maglev: benchMaglev,
  balance: benchBalance,
  limit: benchLimit,
  sketch: benchSketch,
  "fair queue": benchFairQueue,
};

export async function kernels(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const names = Object.keys(FAMILIES);
  for (const [index, [name, bench]] of Object.entries(FAMILIES).entries()) {
    onProgress(`${name} (${index + 1} of ${names.length})`);
    rows.push(...(await bench()));
  }
  return rows;
}
