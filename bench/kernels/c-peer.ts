// The same loop in C, where a compiler is installed: built for the row, its JSON read.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "#scripts/root.ts";
import type { Contender } from "../measure.ts";

const BUILD_FOLDER = join(ROOT, "node_modules/.cache/bench");
/** The 128-bit vectors that Wasm has, and no more; multiplication and addition stay two roundings, as in Wasm. */
const C_FLAGS_128 = ["-O3", "-msse4.1", "-mno-avx", "-ffp-contract=off"];
/** For the record: what this machine could do beyond Wasm's vectors. */
const C_FLAGS_256 = ["-O3", "-mavx2", "-ffp-contract=off"];

type CPeer =
  | { readonly ok: true; readonly run: (...args: readonly (string | number)[]) => Record<string, number | string> }
  | { readonly ok: false; readonly why: string };

export interface CInput {
  /** Of bench/kernels/c, without its ending. */
  readonly program: string;
  readonly args: readonly (string | number)[];
  /** What the program must print where it does the same as the kernel. */
  readonly checksum: number;
  /** Whether wider vectors change anything. */
  readonly isVector?: boolean;
}

/** The C loops that answer the same, to be measured in turn with the rest; and why others are missing. */
export function cPeers({ program, args, checksum, isVector = false }: CInput): { peers: Contender[]; missing: Record<string, string> } {
  const peers: Contender[] = [];
  const missing: Record<string, string> = {};
  for (const [name, flags] of Object.entries({ "C 128": C_FLAGS_128, ...(isVector ? { "C AVX2": C_FLAGS_256 } : {}) })) {
    const c = buildC(program, flags);
    if (!c.ok) {
      missing[name] = c.why;
      continue;
    }
    const { checksum: other } = c.run(...args);
    if (other === checksum) peers.push({ name, nsPerOperation: () => Number(c.run(...args)["nsPerOperation"]) });
    else missing[name] = `does something else (${other} instead of ${checksum})`;
  }
  return { peers, missing };
}

/** Compiles bench/kernels/c/{name}.c. Without a compiler, or with one that cannot, the reason is a value. */
function buildC(name: string, flags: readonly string[] = C_FLAGS_128): CPeer {
  mkdirSync(BUILD_FOLDER, { recursive: true });
  const program = join(BUILD_FOLDER, `${name}${flags.includes("-mavx2") ? "-avx2" : ""}`);
  try {
    execFileSync("gcc", [...flags, "-o", program, join(ROOT, "bench/kernels/c", `${basename(name)}.c`), "-lm"], { stdio: "pipe" });
  } catch (error) {
    return { ok: false, why: (error as NodeJS.ErrnoException).code === "ENOENT" ? "no C compiler here" : "gcc cannot build it here" };
  }
  return {
    ok: true,
    run: (...args) => JSON.parse(execFileSync(program, args.map(String), { encoding: "utf8" })) as Record<string, number | string>,
  };
}
