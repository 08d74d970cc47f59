// Which processes an agent has started, on disk: what survives an agent and its warden that were killed together is ended by the
// next agent on that folder, and nobody else is.
import { readFileSync } from "node:fs";
import { isSystemError } from "../system-error.ts";

export interface RecordedProcess {
  readonly unitId: string;
  /** Of the process and of its group. */
  readonly pid: number;
  /** Since the machine's start: with the pid it names one process for ever. Null: this system does not tell. */
  readonly startTicks: number | null;
}

/** proc(5), field 22 of /proc/pid/stat. Null: no such process, or another system. */
export function startTicksOf(pid: number): number | null {
  const fields = statOf(pid);
  return fields === null ? null : Number(fields[19]);
}

/** It has ended, and whoever started it has not asked yet how: it still has its pid, and takes signals. */
export function isZombie(pid: number): boolean {
  return statOf(pid)?.[0] === "Z";
}

/** From the third field on: the second is the program's name in parentheses, and may hold anything. */
function statOf(pid: number): readonly string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** Kills what is recorded and still runs. Returns the units' names. Synchronous: nothing new may be recorded meanwhile. */
export function reclaim(file: string): readonly string[] {
  return readRecord(file)
    .filter(({ pid, startTicks }) => startTicks !== null && startTicks === startTicksOf(pid) && kill(pid))
    .map(({ unitId }) => unitId);
}

function readRecord(file: string): readonly RecordedProcess[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as readonly RecordedProcess[];
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

function kill(pid: number): boolean {
  try {
    process.kill(-pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}
