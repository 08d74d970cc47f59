// What every bench prints: one table for people, one JSON object for programs, with machine and commit.
import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { ROOT } from "#scripts/root.ts";

export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most that `value` may be, or the least. */
  readonly budget?: number;
  readonly isLeast?: boolean;
  /** Whether every budget of the row holds. */
  readonly ok?: boolean;
  /** Peer → this ÷ the peer's own figure in the same run: below 1, this one is the faster. */
  readonly versus?: Readonly<Record<string, number>>;
  /** A peer that could not be measured, and why: never a silent pass. */
  readonly missing?: Readonly<Record<string, string>>;
  /** Under which conditions. */
  readonly note?: string;
}

export interface BenchReport {
  readonly bench: string;
  readonly commit: string;
  readonly machine: string;
  readonly rows: readonly BenchRow[];
}

export function reportOf(bench: string, rows: readonly BenchRow[]): BenchReport {
  return { bench, commit: commitOf(), machine: machineOf(), rows };
}

export function formatReport({ bench, commit, machine, rows }: BenchReport): string {
  const lines = rows.map(({ name, value, unit, budget, isLeast = false, ok, versus = {}, missing = {}, note }) => {
    const verdict = ok === undefined ? "" : ok ? "ok  " : "OVER";
    const limit = budget === undefined ? "" : ` (${isLeast ? "≥" : "≤"} ${budget})`;
    const peers = [
      ...Object.entries(versus).map(([peer, ratio]) => `${ratio.toFixed(2)} × ${peer}`),
      ...Object.entries(missing).map(([peer, why]) => `${peer}: ${why}`),
    ];
    const line = `${verdict.padEnd(5)}${name.padEnd(52)} ${`${figure(value)} ${unit}${limit}`.padEnd(22)} ${peers.join(" · ")}`.trimEnd();
    return note === undefined ? line : `${line}\n       ${note}`;
  });
  return [`${bench} · ${commit} · ${machine}`, ...lines].join("\n");
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function commitOf(): string {
  try {
    const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim();
    const isClean = execFileSync("git", ["status", "--porcelain"], { cwd: ROOT, encoding: "utf8" }) === "";
    return isClean ? commit : `${commit} and changes`;
  } catch {
    return "no commit";
  }
}

function machineOf(): string {
  const [cpu] = cpus();
  return `${cpu?.model.trim() ?? "unknown processor"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
}
