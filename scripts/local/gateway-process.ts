import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BUNDLE_FILE, BUNDLE_FOLDER } from "../build.ts";
import { workerdConfig } from "./workerd-config.ts";
import { startWorkerd } from "./workerd-process.ts";

export interface GatewayProcess {
  readonly url: string;
  /** Of the leash that holds the gateway's workerd. */
  readonly leashPid: number;
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
  /** Another build of the gateway, beside its .wasm; the project's own by default. */
  readonly bundleFile?: string;
  /** Absent: problems cannot be explained. */
  readonly explainKeys?: string;
  /** CAPACITY_AGENT_KEYS. Absent: no capacity agent is asked anything. */
  readonly agentKeys?: string;
  /** For development: shared/demand-clock.ts. */
  readonly demandSpeed?: number;
  /** Takes the gateway's log lines. */
  readonly onLog: (line: string) => void;
}

/** Runs the built bundle on workerd; resolves once it listens. */
export async function startGatewayProcess({
  stateFolder,
  host = "127.0.0.1",
  port,
  operatorKey,
  bundleFile = BUNDLE_FILE,
  explainKeys,
  agentKeys,
  demandSpeed,
  onLog,
}: GatewayOptions): Promise<GatewayProcess> {
  const objectsFolder = join(stateFolder, "objects");
  await mkdir(objectsFolder, { recursive: true });
  const configFile = join(stateFolder, "workerd.capnp");
  const operatorKeySha256 = createHash("sha256").update(operatorKey).digest("hex");
  const wasmFile = join(BUNDLE_FOLDER, "tidegate.wasm");
  await writeFile(
    configFile,
    await workerdConfig({
      configFile,
      bundleFile,
      wasmFile,
      objectsFolder,
      host,
      port,
      operatorKeySha256,
      explainKeys,
      agentKeys,
      demandSpeed: demandSpeed?.toString(),
    }),
    { mode: 0o600 },
  );
  const workerd = await startWorkerd({ configFile, onLog });
  if (workerd === null) throw new Error("the gateway's process ended before it listened");
  const { leashPid, ended, stop } = workerd;
  return { url: `http://${host}:${workerd.port}`, leashPid, ended, stop };
}
