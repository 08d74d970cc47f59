// Front processes: they hold the devices' connections, so that the process with the objects needs no file for any of them.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { FRONT_BUNDLE_FILE } from "../build.ts";
import { frontConfig } from "./front-config.ts";
import { startWorkerd } from "./workerd-process.ts";

export interface FrontsOptions {
  readonly count: number;
  /** Absolute. The gateway's socket is in it, and workerd's configuration for its fronts. */
  readonly stateFolder: string;
  readonly gatewayAddress: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly onLog: (line: string) => void;
}

export interface Fronts {
  readonly port: number;
  /** Of the leashes that hold their workerds. */
  readonly leashPids: readonly number[];
  /** Settles when one of them has ended, with its number from 1 on. */
  readonly ended: Promise<number>;
  stop(): Promise<void>;
}

/** Connections that wait to be accepted; the kernel's own limit is below it or at it. */
const BACKLOG_MAX = 4_096;

/** All of them accept from one listening socket: whoever is free takes the next connection. */
export async function startFronts({ count, stateFolder, gatewayAddress, host, port, onLog }: FrontsOptions): Promise<Fronts> {
  const configFile = join(stateFolder, "front.capnp");
  await writeFile(configFile, await frontConfig({ configFile, bundleFile: FRONT_BUNDLE_FILE, gatewayAddress }), { mode: 0o600 });
  const listener = createServer();
  listener.listen({ host, port, backlog: BACKLOG_MAX });
  await once(listener, "listening");
  const { port: listening } = listener.address() as AddressInfo;
  const options = { configFile, options: ["--experimental"], folder: stateFolder, listener: descriptorOf(listener), onLog };
  // In one turn they inherit the socket and we let go of it, before the event loop looks for connections: none is ever accepted here.
  const starting = Array.from({ length: count }, async () => startWorkerd(options));
  listener.close();
  const started = await Promise.all(starting);
  const fronts = started.filter((front) => front !== null);
  const stop = async (): Promise<void> => {
    await Promise.all(fronts.map(async (front) => front.stop()));
  };
  if (fronts.length < count) {
    await stop();
    throw new Error("a front process of the gateway ended before it listened");
  }
  return {
    port: listening,
    leashPids: fronts.map(({ leashPid }) => leashPid),
    ended: Promise.race(fronts.map(async (front, index) => front.ended.then(() => index + 1))),
    stop,
  };
}

/** Node says it nowhere else. */
function descriptorOf(listener: Server): number {
  const handle = Reflect.get(listener, "_handle") as { readonly fd?: unknown } | null;
  const fd = handle?.fd;
  if (typeof fd !== "number" || fd < 0) throw new Error("Cannot hand a listening socket on: this Node does not say its descriptor");
  return fd;
}
