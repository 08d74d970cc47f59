// The same loop in C (bench/kernels/c/rendezvous.c): a second implementation, by another compiler, bit for bit.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "#scripts/root.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { kernels } from "../support/kernels.ts";

const KEY_COUNT = 1_024;

function hasGcc(): boolean {
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return process.arch === "x64";
  } catch {
    return false;
  }
}

describe("weighted rendezvous in C", () => {
  const gcc = hasGcc();
  it.skipIf(!gcc)(`chooses what the kernel chooses${gcc ? "" : " (SKIPPED: no gcc for x86-64 here)"}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "rendezvous-"));
    onTestFinished(() => {
      rmSync(folder, { recursive: true });
    });
    const program = join(folder, "rendezvous");
    const source = join(ROOT, "bench/kernels/c/rendezvous.c");
    execFileSync("gcc", ["-O3", "-msse4.1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
    for (const shardCount of [1, 3, 8, 64, 1_000, 1_024]) {
      const table = new ShardTable(kernels());
      table.replace(Array.from({ length: shardCount }, (_, index) => ({ shardId: `shard-${index}`, weight: 10 + ((index * 7) % 41) })));
      let checksum = 2166136261;
      for (let key = 0; key < KEY_COUNT; key += 1) checksum = Math.imul(checksum ^ table.choose(`acme/d-${10_000 + key}`), 16777619) >>> 0;
      const output: unknown = JSON.parse(execFileSync(program, [String(shardCount), "1"], { encoding: "utf8" }));
      expect(output).toMatchObject({ checksum });
    }
  });
});
