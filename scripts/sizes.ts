// What is shipped, weighed against its budget (DESIGN.md §11). size-limit was tried and rejected: it passes
// when the file is missing.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { KIB_BYTES } from "#shared/units.ts";
import { ROOT } from "./root.ts";

export interface SizeBudget {
  /** Relative to the project's folder. */
  readonly file: string;
  /** Which of the two sizes the budget is for. */
  readonly weigh: "raw" | "gzip";
  readonly bytesMax: number;
  /** One character that is not, and V8 may keep two bytes for each in every isolate's heap. */
  readonly isAscii?: boolean;
}

export interface SizeJudgement {
  readonly ok: boolean;
  readonly line: string;
}

const ASCII_MAX = 0x7f;

export const SIZE_BUDGETS: readonly SizeBudget[] = [
  { file: "wasm/build/tidegate.wasm", weigh: "raw", bytesMax: 64 * KIB_BYTES },
  { file: "dist/worker.js", weigh: "gzip", bytesMax: 200 * KIB_BYTES, isAscii: true },
  { file: "dist/client.js", weigh: "gzip", bytesMax: 8 * KIB_BYTES },
];

/** `content` is null where the file is missing: nothing weighs nothing, but it was not built either. */
export function judgeSize({ file, weigh, bytesMax, isAscii = false }: SizeBudget, content: Uint8Array | null): SizeJudgement {
  if (content === null) return { ok: false, line: `Cannot weigh ${file}: it is missing, expected a build (npm run build)` };
  const bytes = { raw: content.length, gzip: gzipSync(content, { level: 9 }).length };
  const ok = bytes[weigh] <= bytesMax;
  const sizes = `${showKib(bytes.raw)} raw, ${showKib(bytes.gzip)} gzip`;
  const foreignAt = isAscii ? content.findIndex((byte) => byte > ASCII_MAX) : -1;
  if (ok && foreignAt >= 0) return { ok: false, line: `${file}: a character beyond ASCII at byte ${foreignAt}` };
  return { ok, line: `${file}: ${sizes}, ${ok ? "within" : "over"} its budget of ${showKib(bytesMax)} ${weigh}` };
}

function showKib(bytes: number): string {
  return `${(bytes / KIB_BYTES).toFixed(1)} KiB`;
}

async function main(): Promise<void> {
  for (const budget of SIZE_BUDGETS) {
    const { ok, line } = judgeSize(budget, await readFile(join(ROOT, budget.file)).catch(() => null));
    console.log(line);
    if (!ok) process.exitCode = 1;
  }
}

if (import.meta.main) await main();
