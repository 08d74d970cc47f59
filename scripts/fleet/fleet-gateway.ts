// The gateway as `npm start` runs it, with one service whose slots are enough for a fleet, in a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { openState } from "#cli/state.ts";
import { ROOT } from "../root.ts";
import { ECHO_TENANT, echoDocuments, echoToken, type EchoService } from "./echo-service.ts";
import { findDescendants } from "./process-memory.ts";
import type { WatchedProcess } from "./process-watch.ts";

export interface FleetGatewayOptions extends EchoService {
  readonly frontCount: number;
}

export interface FleetGateway {
  readonly url: string;
  readonly operatorKey: string;
  /** Those that are workerd: the gateway's, and its fronts'. */
  readonly processes: readonly WatchedProcess[];
  tokenOf(device: string): Promise<string>;
  stop(): Promise<void>;
}

const LOG_LINES_MAX = 20;

export async function startFleetGateway(options: FleetGatewayOptions): Promise<FleetGateway> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-fleet-"));
  const [config, stateFolder] = [join(folder, "config"), join(folder, "state")];
  for (const { file, document } of echoDocuments(options)) {
    await mkdir(join(config, file, ".."), { recursive: true });
    await writeFile(join(config, file), stringify(document));
  }
  const of = ["--port", "0", "--config", config, "--state", stateFolder, "--fronts", String(options.frontCount), "--no-backend"];
  const child = spawn(process.execPath, ["scripts/start.ts", ...of], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const url = await readUrl(child.stdout);
  const processes = child.pid === undefined ? [] : processesOf(child.pid);
  if (url === null || processes.length !== 1 + options.frontCount) {
    await stop();
    throw new Error("Cannot start the gateway: it ended before it listened (see above)");
  }
  // Its log, of which the end is told where it dies.
  const log: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    log.push(line);
    if (log.length > LOG_LINES_MAX) log.shift();
  });
  let isWanted = true;
  child.once("exit", () => {
    if (isWanted) console.error(["the gateway has ended:", ...log].join("\n"));
  });
  const state = openState(stateFolder);
  const { signers } = await state.ensureTenantKeys(ECHO_TENANT);
  return {
    url,
    processes,
    async stop() {
      isWanted = false;
      await stop();
    },
    operatorKey: await state.operatorKey(),
    tokenOf: async (device) => echoToken(device, signers.EdDSA),
  };
}

/** The gateway's process begins before its fronts do. */
function processesOf(pid: number): WatchedProcess[] {
  return findDescendants(pid, "workerd").map((of, index) => ({ pid: of, name: index === 0 ? "gateway" : `front ${index}` }));
}

async function readUrl(output: NodeJS.ReadableStream): Promise<string | null> {
  for await (const line of createInterface({ input: output })) {
    const url = /^Tidegate listens on (\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  return null;
}
