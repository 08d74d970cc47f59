import { readdirSync, readFileSync } from "node:fs";
import { KIB_BYTES } from "#shared/units.ts";

/** The resident set of a process: VmRSS of proc(5). */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`Cannot measure process ${pid}: its status says no VmRSS`);
  return Number(kib) * KIB_BYTES;
}

/** Processes of this name among those that `pid` has started, and they have; earlier ones first. */
export function findDescendants(pid: number, name: string): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return children
    .toSorted((a, b) => a - b)
    .flatMap((child) => (readFileSync(`/proc/${child}/comm`, "utf8").trim() === name ? [child] : findDescendants(child, name)));
}

/** Files that this process, and what it starts, may have open: getrlimit(2). */
export function openFilesMax(): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "unlimited";
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** Files that a process has open: proc_pid_fd(5). */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
