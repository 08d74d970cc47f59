// A Worker of this bench on a workerd of its own, under the flags that Tidegate runs under.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleWorker } from "#scripts/build.ts";
import { readWranglerFacts } from "#scripts/local/workerd-config.ts";
import { SOCKET_NAME, startWorkerd } from "#scripts/local/workerd-process.ts";
import { ROOT } from "#scripts/root.ts";
import { childOf } from "../cpu-time.ts";
import type { Contender } from "./contender.ts";

export interface PlainWorker {
  readonly name: string;
  /** In `workersFolder`. */
  readonly file: string;
  /** bench/gateway/workers where it is absent. */
  readonly workersFolder?: string;
  /** A class of objects that it brings, bound as SLOTS, on disk as ours are. */
  readonly objectClass?: string;
}

export async function startPlainWorker(
  { name, file, objectClass, workersFolder = "bench/gateway/workers" }: PlainWorker,
  { folder, backendPort }: { folder: string; backendPort: number },
): Promise<Contender> {
  const own = join(folder, name.replaceAll(/\W/g, "-"));
  await mkdir(join(own, "objects"), { recursive: true });
  await bundleWorker(join(ROOT, workersFolder, file), join(own, "worker.js"));
  const configFile = join(own, "workerd.capnp");
  await writeFile(configFile, await configOf({ backendPort, objectClass, objectsFolder: join(own, "objects") }));
  const log: string[] = [];
  const workerd = await startWorkerd({ configFile, onLog: (line) => log.push(line) });
  if (workerd === null) throw new Error(`Cannot start ${name}: workerd ended before it listened: ${log.slice(-5).join(" · ")}`);
  return { name, port: workerd.port, pid: childOf(workerd.leashPid), stop: workerd.stop };
}

interface ConfigInput {
  readonly backendPort: number;
  readonly objectClass: string | undefined;
  readonly objectsFolder: string;
}

async function configOf({ backendPort, objectClass, objectsFolder }: ConfigInput): Promise<string> {
  const { compatibilityDate, compatibilityFlags } = await readWranglerFacts();
  const objects =
    objectClass === undefined
      ? ""
      : `durableObjectNamespaces = [(className = "${objectClass}", uniqueKey = "bench", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),`;
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "objects", disk = (path = ${JSON.stringify(objectsFolder)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "${SOCKET_NAME}", address = "127.0.0.1:0", http = (), service = "worker")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${JSON.stringify(compatibilityDate)},
  compatibilityFlags = ${JSON.stringify(compatibilityFlags)},
  bindings = [
    (name = "BACKEND", text = "http://127.0.0.1:${backendPort}"),
    ${objectClass === undefined ? "" : `(name = "SLOTS", durableObjectNamespace = "${objectClass}"),`}
  ],
  ${objects}
);
`;
}
