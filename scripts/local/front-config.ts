// A front process as a workerd of this machine: it listens on the descriptor that it is started with, and has nothing on disk.
import { dirname, relative } from "node:path";
import { GATEWAY_SERVICE, readWranglerFacts } from "./workerd-config.ts";
import { SOCKET_NAME } from "./workerd-process.ts";

export interface FrontConfigInput {
  /** Where the text will be: workerd finds embedded files relative to it. */
  readonly configFile: string;
  readonly bundleFile: string;
  /** Of the gateway's process, as workerd writes addresses. */
  readonly gatewayAddress: string;
}

/** Configuration for `workerd serve`, in Cap'n Proto's text form. */
export async function frontConfig({ configFile, bundleFile, gatewayAddress }: FrontConfigInput): Promise<string> {
  const { compatibilityDate, compatibilityFlags } = await readWranglerFacts();
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "front", worker = .front)],
  sockets = [(name = ${text(SOCKET_NAME)}, http = (), service = "front")],
);

const front :Workerd.Worker = (
  modules = [(name = "front.js", esModule = embed ${text(relative(dirname(configFile), bundleFile))})],
  compatibilityDate = ${text(compatibilityDate)},
  # A device that goes is known to the gateway at once.
  compatibilityFlags = [${[...compatibilityFlags, "request_signal_passthrough"].map(text).join(", ")}],
  bindings = [
    (name = "DEBUG_PORT", workerdDebugPort = void),
    (name = "GATEWAY_ADDRESS", text = ${text(gatewayAddress)}),
    (name = "GATEWAY_SERVICE", text = ${text(GATEWAY_SERVICE)}),
    (name = "TRUNK", durableObjectNamespace = "Trunk"),
  ],
  # Where it is evicted the connection goes, and every device's with it.
  durableObjectNamespaces = [(className = "Trunk", uniqueKey = "tidegate-Trunk", preventEviction = true)],
  durableObjectStorage = (inMemory = void),
);
`;
}

function text(value: string): string {
  return JSON.stringify(value);
}
