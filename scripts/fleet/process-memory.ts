import { readFileSync } from "node:fs";
import { KIB_BYTES } from "#shared/units.ts";

/** The resident set of a process: VmRSS of proc(5). */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`Cannot measure process ${pid}: its status says no VmRSS`);
  return Number(kib) * KIB_BYTES;
}

/** A process of this name among those that `pid` has started, and they have. */
export function findDescendant(pid: number, name: string): number | null {
  for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)) {
    if (readFileSync(`/proc/${child}/comm`, "utf8").trim() === name) return child;
    const found = findDescendant(child, name);
    if (found !== null) return found;
  }
  return null;
}

/** Files that this process, and what it starts, may have open: getrlimit(2). */
export function openFilesMax(): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "unlimited";
  return soft === "unlimited" ? Infinity : Number(soft);
}
