// HAProxy (Debian's package) with its priority queue: requests beyond the server's maxconn wait, gold before silver before
// bronze. One thread, as workerd has one event loop.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Contender } from "./contender.ts";

const PROGRAMS = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];
const START_MS_MAX = 5_000;
const POLL_MS = 20;

export interface HaproxyOptions {
  readonly folder: string;
  readonly backendPort: number;
  /** Requests in flight at the backend. */
  readonly capacity: number;
  /** The longest wait in the queue. */
  readonly waitMsMax: number;
}

/** Why it cannot be measured here, or null. */
export function whyNoHaproxy(): string | null {
  return programOf() === undefined ? "not installed (Debian: haproxy)" : null;
}

export function haproxyVersion(): string {
  const program = programOf();
  if (program === undefined) return "absent";
  return /version (\S+)/.exec(execFileSync(program, ["-v"], { encoding: "utf8" }))?.[1] ?? "unknown";
}

export async function startHaproxy({ folder, backendPort, capacity, waitMsMax }: HaproxyOptions): Promise<Contender> {
  const program = programOf();
  if (program === undefined) throw new Error("Cannot start HAProxy: it is not installed, expected Debian's package haproxy");
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const configFile = join(folder, "haproxy.cfg");
  await writeFile(configFile, configOf({ port, backendPort, capacity, waitMsMax }));
  const child = spawn(program, ["-db", "-f", configFile], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2_000)));
  const ended = once(child, "exit");
  // It must not outlive a bench that dies.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    process.off("exit", kill);
  };
  for (const giveUpAtMs = Date.now() + START_MS_MAX; !(await isListening(port)); await setTimeout(POLL_MS)) {
    if (child.exitCode === null && Date.now() < giveUpAtMs) continue;
    kill();
    throw new Error(`Cannot start HAProxy: it does not listen: ${complaint}`);
  }
  return { name: "HAProxy", port, pid: child.pid ?? 0, stop };
}

function configOf({ port, backendPort, capacity, waitMsMax }: Omit<HaproxyOptions, "folder"> & { port: number }): string {
  return `global
  maxconn 8000
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout queue ${waitMsMax}ms
  http-reuse always
frontend devices
  bind 127.0.0.1:${port}
  http-request set-priority-class int(-100) if { path_beg /s/echo/gold }
  http-request set-priority-class int(100) if { path_beg /s/echo/bronze }
  default_backend echo
backend echo
  server endpoint 127.0.0.1:${backendPort} maxconn ${capacity}
`;
}

function programOf(): string | undefined {
  return PROGRAMS.find((program) => existsSync(program));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((is) => (socket.destroy(), is as boolean));
}
