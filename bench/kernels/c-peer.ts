// The same loop in C, where a compiler is installed: built once a run, its JSON read.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "#scripts/root.ts";

const BUILD_FOLDER = join(ROOT, "node_modules/.cache/bench");
/** The 128-bit vectors that Wasm has, and no more; multiplication and addition stay two roundings, as in Wasm. */
export const C_FLAGS_128 = ["-O3", "-msse4.1", "-mno-avx", "-ffp-contract=off"];
/** For the record: what this machine could do beyond Wasm's vectors. */
export const C_FLAGS_256 = ["-O3", "-mavx2", "-ffp-contract=off"];

export type CPeer =
  | { readonly ok: true; readonly run: (...args: readonly (string | number)[]) => Record<string, number | string> }
  | { readonly ok: false; readonly why: string };

/** Compiles bench/kernels/c/{name}.c. Without a compiler, or with one that cannot, the reason is a value. */
export function buildC(name: string, flags: readonly string[] = C_FLAGS_128): CPeer {
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
