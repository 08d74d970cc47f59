import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface WorkerdProcess {
  /** Where its socket named `http` listens; 0: on what has no port. */
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
  /** Where relative paths begin, those of Unix sockets too; where this process is by default. */
  readonly folder?: string;
  /** The file descriptor that its socket named `http` accepts from; the configuration says an address where this is absent. */
  readonly listener?: number;
  /** The listener that is waited for. */
  readonly awaited?: typeof SOCKET_NAME | typeof DEBUG_PORT_NAME;
  /** Takes what workerd writes. */
  readonly onLog: (line: string) => void;
}

/** The socket whose port workerd reports once it listens. */
export const SOCKET_NAME = "http";
/** So it reports its --debug-port. */
export const DEBUG_PORT_NAME = "debug-port";
/** leash.ts. */
const LISTENER_DESCRIPTOR = 4;
/** glibc keeps restartable sequences for itself; without them workerd's allocator has a cache for each thread only (docs/decisions/0112). */
const RSEQ_TUNABLE = "glibc.pthread.rseq";

/** Runs workerd on a leash; resolves once it listens, or to null where it ended before that. Has spawned when it returns. */
export async function startWorkerd({
  configFile,
  options = [],
  folder,
  listener,
  awaited = SOCKET_NAME,
  onLog,
}: WorkerdOptions): Promise<WorkerdProcess | null> {
  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const leash = [join(import.meta.dirname, "leash.ts"), ...(listener === undefined ? [] : ["--listener"])];
  const command = [workerd, "serve", configFile, "--control-fd=3", ...options];
  if (listener !== undefined) command.push(`--socket-fd=${SOCKET_NAME}=${LISTENER_DESCRIPTOR}`);
  const stdio: StdioOptions = ["pipe", "pipe", "pipe", "pipe"];
  if (listener !== undefined) stdio.push(listener);
  const child = spawn(process.execPath, [...leash, ...command], { stdio, cwd: folder, env: withFreeRseq(process.env) });
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface({ input: stream }).on("line", onLog);
  const ended = once(child, "exit").then(() => undefined);
  const stop = async (): Promise<void> => {
    child.stdin?.end();
    await ended;
  };
  const port = await Promise.race([readPort(child, awaited), ended.then(() => null)]);
  return port === null || child.pid === undefined ? null : { port, leashPid: child.pid, ended, stop };
}

/** The environment, in which workerd's allocator may use restartable sequences, unless it says otherwise. Where there is no glibc nobody reads it. */
export function withFreeRseq(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const said = environment["GLIBC_TUNABLES"] ?? "";
  if (said.includes(RSEQ_TUNABLE)) return environment;
  return { ...environment, GLIBC_TUNABLES: `${said === "" ? "" : `${said}:`}${RSEQ_TUNABLE}=0` };
}

/** workerd writes one JSON object a line to the control descriptor. */
async function readPort(child: ChildProcess, awaited: string): Promise<number | null> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const message = JSON.parse(line) as { event: string; socket?: string; port?: number };
    if (message.event === "listen" && message.socket === awaited) return message.port ?? null;
  }
  return null;
}
