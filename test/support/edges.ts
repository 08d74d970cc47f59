// Several edge services, each an isolate of its own, on one namespace of objects: what a fleet of edges is to a pool. One
// workerd process; its first service has the objects, the others reach them.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState, type State } from "#cli/state.ts";
import { BUNDLE_FILE, BUNDLE_FOLDER } from "#scripts/build.ts";
import { OBJECT_CLASSES, workerdConfig } from "#scripts/local/workerd-config.ts";
import { SOCKET_NAME } from "#scripts/local/workerd-process.ts";
import { ROOT } from "#scripts/root.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";

export interface Edges {
  /** One per edge; the first is the one with the objects. */
  readonly urls: readonly string[];
  readonly operatorKey: string;
  readonly state: State;
  apply(documents: readonly ConfigurationDocument[]): Promise<void>;
  metrics(): Promise<string>;
  /** Kills the process without a word, and starts another one with what is on disk. */
  killAndStartAgain(): Promise<Edges>;
  stop(): Promise<void>;
}

export async function startEdges(count: number): Promise<Edges> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-edges-"));
  await mkdir(join(folder, "objects"));
  return startIn({ folder, count, operatorKey: randomBytes(32).toString("base64url") });
}

async function startIn({ folder, count, operatorKey }: { folder: string; count: number; operatorKey: string }): Promise<Edges> {
  const configFile = join(folder, "workerd.capnp");
  const objectsFolder = join(folder, "objects");
  const wasmFile = join(BUNDLE_FOLDER, "tidegate.wasm");
  const operatorKeySha256 = createHash("sha256").update(operatorKey).digest("hex");
  const one = await workerdConfig({
    configFile,
    bundleFile: BUNDLE_FILE,
    wasmFile,
    objectsFolder,
    socket: { host: "127.0.0.1", port: 0 },
    operatorKeySha256,
  });
  await writeFile(configFile, withEdges(one, count), { mode: 0o600 });

  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const leash = join(ROOT, "scripts/local/leash.ts");
  const child = spawn(process.execPath, [leash, workerd, "serve", configFile, "--control-fd=3"], {
    stdio: ["pipe", "ignore", "inherit", "pipe"],
  });
  const ended = once(child, "exit");
  const ports = await readPorts(child.stdio[3] as Readable, count);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const [first = ""] = urls;
  const state = openState(folder);
  return {
    urls,
    operatorKey,
    state,
    async apply(documents) {
      const applied = await applyConfiguration({ url: first, operatorKey, documents: await resolveStateKeys(documents, state) });
      if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
    },
    metrics: async () => (await fetch(`${first}/metrics`)).text(),
    async killAndStartAgain() {
      // The leash's only child is workerd.
      const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
      process.kill(Number(children.trim().split(" ")[0]), "SIGKILL");
      await ended;
      return startIn({ folder, count, operatorKey });
    },
    async stop() {
      child.stdin?.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The first edge's configuration, and the others beside it: the same code, with the first one's objects. */
function withEdges(one: string, count: number): string {
  const names = Array.from({ length: count - 1 }, (_, index) => `edge${index + 2}`);
  const [head, worker] = splitAt(one, "\nconst gateway :Workerd.Worker = ");
  const ownObjects = /\s*durableObjectNamespaces = \[[\s\S]*?\],\n\s*durableObjectStorage = [^\n]*\n/;
  const foreign = OBJECT_CLASSES.reduce(
    (text, { binding, className }) =>
      text.replace(
        `(name = "${binding}", durableObjectNamespace = "${className}")`,
        `(name = "${binding}", durableObjectNamespace = (className = "${className}", serviceName = "gateway"))`,
      ),
    worker.replace(ownObjects, "\n"),
  );
  const services = names.map((name) => `    (name = "${name}", worker = .${name}),\n`).join("");
  const sockets = names.map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  return [
    head
      .replace("  services = [\n", `  services = [\n${services}`)
      .replace(/sockets = \[([^\n]*)\],/, `sockets = [$1, ${sockets.join(", ")}],`),
    worker,
    ...names.map((name) => `const ${name} :Workerd.Worker = ${foreign.slice("\nconst gateway :Workerd.Worker = ".length)}`),
  ].join("\n");
}

function splitAt(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at)];
}

/** workerd writes one JSON object a line to the control descriptor, one per socket that listens. */
async function readPorts(control: Readable, count: number): Promise<number[]> {
  const ports = new Map<string, number>();
  for await (const line of createInterface({ input: control })) {
    const { event, socket = "", port = 0 } = JSON.parse(line) as { event: string; socket?: string; port?: number };
    if (event === "listen") ports.set(socket, port);
    if (ports.size === count) break;
  }
  return [SOCKET_NAME, ...Array.from({ length: count - 1 }, (_, index) => `edge${index + 2}`)].map((name) => ports.get(name) ?? 0);
}
