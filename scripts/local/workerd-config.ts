// The gateway as a workerd of this machine: the bundle, five namespaces of objects on disk, one socket at most.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { ROOT } from "../root.ts";
import { SOCKET_NAME } from "./workerd-process.ts";

export interface WorkerdConfigInput {
  /** Where the text will be: workerd finds embedded files relative to it. */
  readonly configFile: string;
  readonly bundleFile: string;
  readonly wasmFile: string;
  readonly objectsFolder: string;
  /** Where devices reach it; null: nowhere, its fronts hand on what they say. */
  readonly socket: { readonly host: string; readonly port: number } | null;
  readonly operatorKeySha256: string;
  readonly explainKeys?: string | undefined;
  readonly agentKeys?: string | undefined;
  readonly demandSpeed?: string | undefined;
  readonly limitsAskMs?: string | undefined;
}

/** The Worker's name in the configuration. */
export const GATEWAY_SERVICE = "gateway";

export const OBJECT_CLASSES = [
  { binding: "POOL", className: "ServicePool" },
  { binding: "REGIONAL_POOL", className: "RegionalPool" },
  { binding: "QUOTA", className: "TenantQuota" },
  { binding: "SHARD", className: "Shard" },
  { binding: "REGISTRY", className: "Registry" },
] as const;

/** Configuration for `workerd serve`, in Cap'n Proto's text form. */
export async function workerdConfig(input: WorkerdConfigInput): Promise<string> {
  const { compatibilityDate, compatibilityFlags, gatewayName } = await readWranglerFacts();
  const near = (file: string): string => text(relative(dirname(input.configFile), file));
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = ${text(GATEWAY_SERVICE)}, worker = .gateway),
    (name = "objects", disk = (path = ${text(input.objectsFolder)}, writable = true)),
    # Private addresses too: the demo backend is on this machine.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [${socketOf(input.socket)}],
);

const gateway :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed ${near(input.bundleFile)}),
    (name = "tidegate.wasm", wasm = embed ${near(input.wasmFile)}),
  ],
  compatibilityDate = ${text(compatibilityDate)},
  compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}],
  bindings = [
    (name = "GATEWAY_NAME", text = ${text(gatewayName)}),
    (name = "OPERATOR_KEY_SHA256", text = ${text(input.operatorKeySha256)}),
    (name = "IS_LOOPBACK", text = "true"),
    (name = "VERSION", json = ${text(JSON.stringify({ id: randomUUID() }))}),
${optionalBinding("EXPLAIN_KEYS", input.explainKeys)}
${optionalBinding("CAPACITY_AGENT_KEYS", input.agentKeys)}
${optionalBinding("DEMAND_SPEED", input.demandSpeed)}
${optionalBinding("LIMITS_ASK_MS", input.limitsAskMs)}
${OBJECT_CLASSES.map(({ binding, className }) => `    (name = "${binding}", durableObjectNamespace = "${className}"),`).join("\n")}
  ],
  durableObjectNamespaces = [
${OBJECT_CLASSES.map(({ className }) => `    (className = "${className}", uniqueKey = "tidegate-${className}", enableSql = true),`).join("\n")}
  ],
  durableObjectStorage = (localDisk = "objects"),
);
`;
}

function socketOf(socket: WorkerdConfigInput["socket"]): string {
  if (socket === null) return "";
  return `(name = ${text(SOCKET_NAME)}, address = ${text(`${socket.host}:${socket.port}`)}, http = (), service = ${text(GATEWAY_SERVICE)})`;
}

function optionalBinding(name: string, value: string | undefined): string {
  return value === undefined ? "" : `    (name = ${text(name)}, text = ${text(value)}),`;
}

/** Date and flags are said in wrangler.toml alone. */
export async function readWranglerFacts(): Promise<{ compatibilityDate: string; compatibilityFlags: string[]; gatewayName: string }> {
  const toml = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  const find = (pattern: RegExp): string => {
    const found = pattern.exec(toml)?.[1];
    if (found === undefined) throw new Error(`Cannot read wrangler.toml: no line matches ${String(pattern)}`);
    return found;
  };
  return {
    compatibilityDate: find(/^compatibility_date = "([\d-]+)"/m),
    compatibilityFlags: JSON.parse(find(/^compatibility_flags = (\[.*\])/m)) as string[],
    gatewayName: find(/^GATEWAY_NAME = "(.+)"/m),
  };
}

function text(value: string): string {
  return JSON.stringify(value);
}
