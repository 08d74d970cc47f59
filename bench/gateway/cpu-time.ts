import { readFileSync } from "node:fs";

/** USER_HZ: what /proc counts in on every Linux, whatever the kernel's own clock. */
const TICK_MS = 10;

/** User and system time that all threads of a process have used, milliseconds. */
export function cpuTimeMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, which may hold spaces and parentheses; utime and stime are 14 and 15 (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The only child of a leash (scripts/local/leash.ts). */
export function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  if (child === undefined || child === "") throw new Error(`Cannot measure process ${pid}: it has no child, expected what it leads`);
  return Number(child);
}
