import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface WorkerdProcess {
  /** Where its socket named `http` listens. */
  readonly port: number;
  /** Of the leash that holds workerd, which is its only child. */
  readonly leashPid: number;
  /** Settles when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface WorkerdOptions {
  readonly configFile: string;
  readonly options?: readonly string[];
  /** Takes what workerd writes. */
  readonly onLog: (line: string) => void;
}

/** The socket whose port workerd reports once it listens. */
export const SOCKET_NAME = "http";

/** Runs workerd on a leash; resolves once it listens, or to null where it ended before that. */
export async function startWorkerd({ configFile, options = [], onLog }: WorkerdOptions): Promise<WorkerdProcess | null> {
  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const leash = join(import.meta.dirname, "leash.ts");
  const child = spawn(process.execPath, [leash, workerd, "serve", configFile, "--control-fd=3", ...options], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLog);
  const ended = once(child, "exit").then(() => undefined);
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  const port = await Promise.race([readPort(child), ended.then(() => null)]);
  return port === null || child.pid === undefined ? null : { port, leashPid: child.pid, ended, stop };
}

/** workerd writes one JSON object a line to the control descriptor. */
async function readPort(child: ChildProcess): Promise<number | null> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const message = JSON.parse(line) as { event: string; socket?: string; port?: number };
    if (message.event === "listen" && message.socket === SOCKET_NAME) return message.port ?? null;
  }
  return null;
}
