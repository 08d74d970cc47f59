import { createHash } from "node:crypto";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BUNDLE_FILE, BUNDLE_FOLDER } from "../build.ts";
import { startFronts, type Fronts } from "./front-processes.ts";
import { workerdConfig } from "./workerd-config.ts";
import { DEBUG_PORT_NAME, startWorkerd, type WorkerdProcess } from "./workerd-process.ts";

export interface GatewayProcess {
  readonly url: string;
  /** Of the leash that holds the gateway's workerd. */
  readonly leashPid: number;
  /** Of those that hold its fronts' workerds. */
  readonly frontLeashPids: readonly number[];
  /** Settles when one of its processes has ended, for whatever reason, with that one's name. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** Absolute. Objects, and workerd's configuration, are in it. */
  readonly stateFolder: string;
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  /** Front processes that hold the devices' connections; 0, the default: the gateway's process holds them itself. */
  readonly frontCount?: number;
  readonly operatorKey: string;
  /** Another build of the gateway, beside its .wasm; the project's own by default. */
  readonly bundleFile?: string;
  /** Absent: problems cannot be explained. */
  readonly explainKeys?: string;
  /** CAPACITY_AGENT_KEYS. Absent: no capacity agent is asked anything. */
  readonly agentKeys?: string;
  /** For development: shared/demand-clock.ts. */
  readonly demandSpeed?: number;
  /** For tests: how often Shard objects ask what holds, in milliseconds. */
  readonly limitsAskMs?: number;
  /** Takes the gateway's log lines. */
  readonly onLog: (line: string) => void;
}

/**
 * Where the gateway's process listens for its fronts: a Unix socket in a folder that is its user's alone, whatever the state folder
 * around it is, for whoever reaches it has every object and needs no key. Relative, for such a path has 107 bytes at most.
 */
export const FRONTS_FOLDER = "fronts";
const FRONTS_SOCKET = `${FRONTS_FOLDER}/gateway.sock`;
const FRONTS_ADDRESS = `unix:${FRONTS_SOCKET}`;
const FOLDER_MODE = 0o700;

/** Runs the built bundle on workerd; resolves once it listens. */
export async function startGatewayProcess({
  stateFolder,
  host = "127.0.0.1",
  port,
  frontCount = 0,
  operatorKey,
  bundleFile = BUNDLE_FILE,
  explainKeys,
  agentKeys,
  demandSpeed,
  limitsAskMs,
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
      socket: frontCount === 0 ? { host, port } : null,
      operatorKeySha256,
      explainKeys,
      agentKeys,
      demandSpeed: demandSpeed?.toString(),
      limitsAskMs: limitsAskMs?.toString(),
    }),
    { mode: 0o600 },
  );
  if (frontCount === 0) return gatewayOf({ host, workerd: await startOne({ configFile, onLog }), fronts: null });
  // One that is there already may be open to others.
  await mkdir(join(stateFolder, FRONTS_FOLDER), { recursive: true, mode: FOLDER_MODE });
  await chmod(join(stateFolder, FRONTS_FOLDER), FOLDER_MODE);
  // One that was killed has left its socket behind.
  await rm(join(stateFolder, FRONTS_SOCKET), { force: true });
  const options = ["--experimental", `--debug-port=${FRONTS_ADDRESS}`];
  const workerd = await startOne({ configFile, options, folder: stateFolder, awaited: DEBUG_PORT_NAME, onLog });
  try {
    const fronts = await startFronts({ count: frontCount, stateFolder, gatewayAddress: FRONTS_ADDRESS, host, port, onLog });
    return gatewayOf({ host, workerd, fronts });
  } catch (error) {
    await workerd.stop();
    throw error;
  }
}

async function startOne(options: Parameters<typeof startWorkerd>[0]): Promise<WorkerdProcess> {
  const workerd = await startWorkerd(options);
  if (workerd === null) throw new Error("the gateway's process ended before it listened");
  return workerd;
}

function gatewayOf({ host, workerd, fronts }: { host: string; workerd: WorkerdProcess; fronts: Fronts | null }): GatewayProcess {
  const { leashPid } = workerd;
  const ended = workerd.ended.then(() => "process");
  if (fronts === null) return { url: `http://${host}:${workerd.port}`, leashPid, frontLeashPids: [], ended, stop: workerd.stop };
  return {
    url: `http://${host}:${fronts.port}`,
    leashPid,
    frontLeashPids: fronts.leashPids,
    ended: Promise.race([ended, fronts.ended.then((number) => `front process ${number} of ${fronts.leashPids.length}`)]),
    async stop() {
      await Promise.all([fronts.stop(), workerd.stop()]);
    },
  };
}
