// Rendezvous: the budget over 64 shards, and the kernel against the same loop in C and its twin, interleaved in one run.
// node bench/kernels/rendezvous.ts [--json]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { WASM_FILE, buildWasm } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { xxh64 } from "#wasm/binding/hash.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { rendezvousReference } from "#wasm/reference/rendezvous.ts";

const REPETITIONS = 9;
const KEY_COUNT = 1_024;
const BUDGETS = [
  { shardCount: 64, lookups: 300_000, nsMax: 120, versusC: 1.5 },
  { shardCount: 1_024, lookups: 60_000, nsMax: undefined, versusC: 1.3 },
];

interface Row {
  name: string;
  value: number;
  unit: string;
  budget?: number | undefined;
  ok?: boolean;
  versus?: Record<string, number>;
}

// JSON.parse gives flat strings, as a request's are: a template's may be ropes.
const keys = Array.from({ length: KEY_COUNT }, (_, index) => JSON.parse(`"acme/d-${10_000 + index}"`) as string);

await buildWasm();
const kernels = instantiateKernels(new WebAssembly.Module(readFileSync(WASM_FILE)));
const folder = mkdtempSync(join(tmpdir(), "bench-rendezvous-"));
const program = compileC();
const rows = BUDGETS.flatMap(measure);
rmSync(folder, { recursive: true });
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim();
const report = {
  bench: "rendezvous",
  commit,
  machine: `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}, Node ${process.version}`,
  rows,
};
if (process.argv.includes("--json")) console.log(JSON.stringify(report));
else console.table(rows.map(({ versus, ...row }) => ({ ...row, ...versus })));
if (rows.some(({ ok }) => ok === false)) process.exitCode = 1;

function measure({ shardCount, lookups, nsMax, versusC }: (typeof BUDGETS)[number]): Row[] {
  const base = kernels.memory.byteLength - kernels.arena.bytesLeft;
  const table = new ShardTable(kernels, shardCount);
  const shards = Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: 10 + ((index * 7) % 41) }));
  table.replace(shards);
  const seeded = shards.map(({ shardId, weight }) => ({ seed: xxh64(kernels, shardId), weight }));
  const hashes = keys.map((key) => xxh64(kernels, key));
  // What C does per lookup, and no more: twelve bytes of key as one word of eight and one of four, then the call.
  const [words, tails] = [new Float64Array(KEY_COUNT), new Uint32Array(KEY_COUNT)];
  for (const [index, key] of keys.entries()) {
    const view = new DataView(new TextEncoder().encode(key).buffer);
    words[index] = view.getFloat64(0, true);
    tails[index] = view.getUint32(8, true);
  }
  const [word, tail] = [new Float64Array(kernels.memory, kernels.keyOffset, 1), new Uint32Array(kernels.memory, kernels.keyOffset + 8, 1)];
  const { rendezvousChooseKey } = kernels.exports;
  const kernel = (index: number): number => {
    word[0] = words[index] ?? 0;
    tail[0] = tails[index] ?? 0;
    return rendezvousChooseKey(base, shardCount, shardCount, 12);
  };
  const choose = (index: number): number => table.choose(keys[index] ?? "");
  const twin = (index: number): number => rendezvousReference(hashes[index] ?? 0n, seeded);
  for (const run of [kernel, choose]) timeNs(run, 2 * lookups);
  const times = Array.from({ length: REPETITIONS }, () => ({
    kernel: timeNs(kernel, lookups),
    choose: timeNs(choose, lookups),
    twin: timeNs(twin, 500),
    c: timeC(shardCount, Math.ceil(lookups / 4)),
  }));
  const [kernelNs, chooseNs, twinNs] = [
    median(times.map((t) => t.kernel)),
    median(times.map((t) => t.choose)),
    median(times.map((t) => t.twin)),
  ];
  const name = `rendezvous, ${shardCount} shards`;
  const whole: Row = { name: `${name}, one lookup`, value: chooseNs, unit: "ns", versus: { twin: ratio(twinNs, chooseNs) } };
  if (nsMax !== undefined) Object.assign(whole, { budget: nsMax, ok: chooseNs <= nsMax });
  if (program === undefined)
    return [whole, { name: `${name}, kernel ÷ C (MISSING: no gcc for x86-64 here)`, value: Number.NaN, unit: "ratio" }];
  const cNs = median(times.map((t) => t.c));
  const timesC = median(times.map((t) => t.kernel / t.c)); // Of pairs: another job's burst hits both.
  return [
    whole,
    {
      name: `${name}, kernel ÷ C`,
      value: ratio(timesC, 1),
      unit: "ratio",
      budget: versusC,
      ok: timesC <= versusC,
      versus: { cNs, kernelNs },
    },
  ];
}

function timeNs(run: (index: number) => number, lookups: number): number {
  let sink = 0;
  const start = process.hrtime.bigint();
  for (let lookup = 0; lookup < lookups; lookup += 1) sink += run(lookup % KEY_COUNT);
  const ns = Number(process.hrtime.bigint() - start) / lookups;
  return sink === -1 ? Number.NaN : ns;
}

function timeC(shardCount: number, lookups: number): number {
  if (program === undefined) return Number.NaN;
  const output = JSON.parse(execFileSync(program, [String(shardCount), String(lookups)], { encoding: "utf8" })) as { nsPerLookup: number };
  return output.nsPerLookup;
}

function compileC(): string | undefined {
  const path = join(folder, "rendezvous");
  try {
    execFileSync("gcc", ["-O3", "-msse4.1", "-ffp-contract=off", "-o", path, join(ROOT, "bench/kernels/c/rendezvous.c")], {
      stdio: "ignore",
    });
    return path;
  } catch {
    return undefined;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function ratio(a: number, b: number): number {
  return Math.round((100 * a) / b) / 100;
}
