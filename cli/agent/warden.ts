// Starts and ends processes for whoever started it, and lets none outlive that one: `node warden.ts RECORD`. Commands come as lines of JSON on standard
// input, what happens goes out as lines of JSON on standard output. When standard input ends, which it does however the starter
// dies, every process group is told to stop, and killed if it does not. RECORD holds what runs, for the case that this one is killed too.
import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { startTicksOf, type RecordedProcess } from "./process-record.ts";

/** To the warden. */
export type WardenCommand =
  | { readonly op: "start"; readonly unitId: string; readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> }
  | { readonly op: "stop"; readonly unitId: string };

/** From the warden. */
export interface WardenEvent {
  readonly event: "ended";
  readonly unitId: string;
  /** For people: "exit code 1". */
  readonly how: string;
}

/** Between being told to stop and being killed. */
const STOP_MS_MAX = 5_000;

const [recordFile] = process.argv.slice(2);
const pids = new Map<string, number>();
if (recordFile === undefined) throw new Error("Cannot start the warden: no record was named, expected a file");
const file = recordFile;

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line) as WardenCommand;
  if (command.op === "start") start(command);
  else stop(command.unitId);
});
// The terminal's Ctrl-C reaches this process too; the starter decides what happens.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("SIGTERM", stopAll);
process.stdin.on("end", stopAll).on("close", stopAll).on("error", stopAll);
// Nobody reads what it says any more: the same.
process.stdout.on("error", stopAll);
// However this one ends, and it can, while something runs.
process.on("exit", () => pids.forEach((pid) => signalGroup(pid, "SIGKILL")));

function start({ unitId, command: [program = "", ...args], env }: WardenCommand & { op: "start" }): void {
  // A group of its own: what it starts ends with it. Its output goes where ours goes that is for people.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", 2, 2], env });
  if (child.pid !== undefined) {
    pids.set(unitId, child.pid);
    record();
  }
  child.once("error", (error) => ended(unitId, `cannot be started: ${error.message}`));
  child.once("exit", (code, signal) => ended(unitId, signal === null ? `ended with exit code ${code}` : `ended by ${signal}`));
}

function ended(unitId: string, how: string): void {
  const pid = pids.get(unitId);
  pids.delete(unitId);
  record();
  if (pid !== undefined) signalGroup(pid, "SIGKILL");
  process.stdout.write(`${JSON.stringify({ event: "ended", unitId, how } satisfies WardenEvent)}\n`);
}

function stop(unitId: string): void {
  const pid = pids.get(unitId);
  if (pid === undefined) return;
  signalGroup(pid, "SIGTERM");
  setTimeout(() => pids.get(unitId) === pid && signalGroup(pid, "SIGKILL"), STOP_MS_MAX);
}

function stopAll(): void {
  for (const unitId of pids.keys()) stop(unitId);
  setInterval(() => pids.size === 0 && process.exit(0), 20);
}

function record(): void {
  const processes = [...pids].map(([unitId, pid]): RecordedProcess => ({ unitId, pid, startTicks: startTicksOf(pid) }));
  // Whole or not at all.
  writeFileSync(`${file}.new`, JSON.stringify(processes), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** What is gone already needs no signal. */
function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH.
  }
}
