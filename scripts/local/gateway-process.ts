import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { BUNDLE_FILE, BUNDLE_FOLDER } from "../build.ts";
import { SOCKET_NAME, workerdConfig } from "./workerd-config.ts";

export interface GatewayProcess {
  readonly url: string;
  /** Settles when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** Absolute. Objects, and workerd's configuration, are in it. */
  readonly stateFolder: string;
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  readonly operatorKey: string;
  /** Absent: problems cannot be explained. */
  readonly explainKeys?: string;
  /** Takes the gateway's log lines. */
  readonly onLog: (line: string) => void;
}

/** Runs the built bundle on workerd; resolves once it listens. */
export async function startGatewayProcess({
  stateFolder,
  host = "127.0.0.1",
  port,
  operatorKey,
  explainKeys,
  onLog,
}: GatewayOptions): Promise<GatewayProcess> {
  const objectsFolder = join(stateFolder, "objects");
  await mkdir(objectsFolder, { recursive: true });
  const configFile = join(stateFolder, "workerd.capnp");
  const operatorKeySha256 = createHash("sha256").update(operatorKey).digest("hex");
  const wasmFile = join(BUNDLE_FOLDER, "tidegate.wasm");
  await writeFile(
    configFile,
    await workerdConfig({ configFile, bundleFile: BUNDLE_FILE, wasmFile, objectsFolder, host, port, operatorKeySha256, explainKeys }),
    { mode: 0o600 },
  );

  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const leash = join(import.meta.dirname, "leash.ts");
  const child = spawn(process.execPath, [leash, workerd, "serve", configFile, "--control-fd=3"], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLog);
  const ended = once(child, "exit").then(() => undefined);
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  const listeningPort = await Promise.race([readPort(child), ended.then(() => null)]);
  if (listeningPort === null) throw new Error("the gateway's process ended before it listened");
  return { url: `http://${host}:${listeningPort}`, ended, stop };
}

/** workerd writes one JSON object a line to the control descriptor. */
async function readPort(child: ChildProcess): Promise<number | null> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const message = JSON.parse(line) as { event: string; socket?: string; port?: number };
    if (message.event === "listen" && message.socket === SOCKET_NAME) return message.port ?? null;
  }
  return null;
}
