// Everything `npm start` runs, as one thing to start and to stop.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, relative, resolve } from "node:path";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { configurationError, readConfigurationFolder, resolveStateKeys } from "#cli/configuration-folder.ts";
import { callGateway } from "#cli/gateway-api.ts";
import { CliError } from "#cli/output.ts";
import { isSystemError } from "#cli/system-error.ts";
import { openState, type State } from "#cli/state.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { Configuration } from "#shared/config/schema.ts";
import type { Snapshot } from "#shared/protocol/registry-rpc.ts";
import { build } from "../build.ts";
import { ROOT } from "../root.ts";
import { localAgentsOf, startAgentProcess, type AgentProcess, type LocalAgent } from "./agent-process.ts";
import { demoEndpointsOf, startDemoProcess, type DemoProcess } from "./demo-process.ts";
import { FRONTS_FOLDER, startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
import { greet } from "./greeting.ts";
import { withProcessProvider } from "./process-configuration.ts";

export interface LocalGatewayOptions {
  readonly port: number;
  /** Front processes that hold the devices' connections; 0: the gateway's process does. */
  readonly frontCount: number;
  /** Null: the embedded default, where nothing was applied yet. */
  readonly configFolder: string | null;
  readonly stateFolder: string;
  readonly isFresh: boolean;
  readonly hasBackend: boolean;
  /** Where a capacity agent runs the echo service's backends; null: they are there, as configured. */
  readonly process: { readonly agentPort: number } | null;
  /** With agents: each unit takes so much longer to start. */
  readonly startMs: number;
  /** For development: shared/demand-clock.ts. */
  readonly demandSpeed: number;
}

const HOST = "127.0.0.1";
const CONFIG_FOLDER_DEFAULT = join(ROOT, "config");
/** What --fresh removes: what we put there, and nothing else that may be in the folder. */
const LOCK_FILE = "gateway.lock";
const STATE_ENTRIES = [
  "objects",
  "keys",
  "operator.key",
  "explain.keys",
  "agent.key",
  "agents",
  "gateway.json",
  "workerd.capnp",
  "front.capnp",
  FRONTS_FOLDER,
];

const onLog = (line: string): void => console.log(line);

export class LocalGateway {
  readonly #options: LocalGatewayOptions;
  readonly #stateFolder: string;
  readonly #state: State;
  #gateway: GatewayProcess | null = null;
  readonly #backends: DemoProcess[] = [];
  readonly #agents: AgentProcess[] = [];
  readonly #ended = Promise.withResolvers<string>();
  #ownsState = false;

  constructor(options: LocalGatewayOptions) {
    this.#options = options;
    this.#stateFolder = resolve(options.stateFolder);
    this.#state = openState(this.#stateFolder);
  }

  /** Settles when a process of the gateway ends by itself, with that one's name. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  async start(): Promise<{ url: string; greeting: string }> {
    const { port, configFolder, isFresh, hasBackend } = this.#options;
    const { documents, configuration: read } = await this.#readConfiguration(configFolder ?? CONFIG_FOLDER_DEFAULT);
    if (port !== 0 && (await isListening(port)))
      throw new CliError(`Cannot listen on ${HOST}:${port}: something does already, expected a free port (npm start -- --port N)`);
    await build();
    // Everything that can be wrong is known by now: only then is anything taken, or thrown away.
    await this.#takeState();
    if (isFresh) for (const entry of STATE_ENTRIES) await rm(join(this.#stateFolder, entry), { recursive: true, force: true });
    const operatorKey = await this.#state.ensureOperatorKey();
    const { gateway, before, isKept, agents } = await this.#startWithAgents(read, operatorKey);
    void gateway.ended.then((name) => this.#ended.resolve(name));
    for (const agent of agents) this.#agents.push(await this.#startAgent(agent));
    const notes = isKept
      ? [`Version ${before.version} from the state folder is in force; --config DIR or tidegate apply DIR changes it.`]
      : await this.#apply(gateway.url, operatorKey, documents);
    const active = await this.#active(gateway.url, operatorKey);
    await writeFile(join(this.#stateFolder, "gateway.json"), `${JSON.stringify({ url: gateway.url, pid: process.pid })}\n`, {
      mode: 0o600,
    });
    if (hasBackend) for (const endpoint of demoEndpointsOf(active.configuration)) this.#backends.push(await startDemoProcess(endpoint));
    return { url: gateway.url, greeting: this.#greeting(gateway.url, active, notes) };
  }

  /** The gateway, and the agents that its configuration names: the folder's, or what the state folder had in force before. */
  async #startWithAgents(read: Configuration, operatorKey: string) {
    const { port, configFolder, hasBackend, process: onAgent } = this.#options;
    const gateway = await this.#startGateway(port, operatorKey, localAgentsOf(read));
    const before = await this.#active(gateway.url, operatorKey);
    // The folder is applied where it was named, or where nothing was before; what an operator applied stays.
    const isKept = before.version > 0 && configFolder === null && onAgent === null;
    const agents = hasBackend ? localAgentsOf(isKept ? before.configuration : read) : [];
    const isKnown = agents.every(({ url }) => localAgentsOf(read).some((known) => known.url === url));
    if (isKnown) return { gateway, before, isKept, agents };
    // What the state folder's version names is known only now; a Worker's secrets are from its start on.
    await gateway.stop();
    return { gateway: await this.#startGateway(port, operatorKey, agents), before, isKept, agents };
  }

  #greeting(url: string, { configuration, version }: Snapshot, notes: readonly string[]): string {
    const { frontCount, demandSpeed } = this.#options;
    const stateFolder = this.#stateFolder === resolve(".tidegate") ? null : this.#stateFolder;
    const agents = this.#agents.map(({ agent }) => agent);
    return greet({ url, version, configuration, backends: this.#backends, agents, frontCount, demandSpeed, stateFolder, notes });
  }

  /** Stops everything that was started, in any state. */
  async stop(): Promise<void> {
    await Promise.all([this.#gateway, ...this.#backends, ...this.#agents].map(async (part) => part?.stop()));
    if (this.#ownsState) for (const entry of ["gateway.json", LOCK_FILE]) await rm(join(this.#stateFolder, entry), { force: true });
  }

  async #startGateway(port: number, operatorKey: string, agents: readonly LocalAgent[]): Promise<GatewayProcess> {
    const agentKey = agents.length === 0 ? null : await this.#state.ensureAgentKey();
    this.#gateway = await startGatewayProcess({
      stateFolder: this.#stateFolder,
      port,
      frontCount: this.#options.frontCount,
      operatorKey,
      demandSpeed: this.#options.demandSpeed,
      explainKeys: await this.#state.ensureExplainKeys(),
      ...(agentKey === null ? {} : { agentKeys: agents.map(({ url }) => `${url}=${agentKey}`).join(",") }),
      onLog,
    });
    return this.#gateway;
  }

  async #startAgent(agent: LocalAgent): Promise<AgentProcess> {
    const key = await this.#state.ensureAgentKey();
    return startAgentProcess(agent, { stateFolder: this.#stateFolder, key, startMs: this.#options.startMs, onLog });
  }

  async #active(url: string, operatorKey: string): Promise<Snapshot> {
    const { json } = await callGateway({ url, path: "/v1/config", bearer: operatorKey });
    return json as Snapshot;
  }

  async #readConfiguration(folder: string): Promise<{ documents: readonly ConfigurationDocument[]; configuration: Configuration }> {
    const { documents: written, lineOf } = await readConfigurationFolder(folder);
    const { process: onAgent } = this.#options;
    const documents = onAgent === null ? written : withProcessProvider(written, onAgent.agentPort);
    const validated = validateConfiguration(documents);
    if (!validated.ok)
      throw configurationError(`Cannot start with configuration ${relative(process.cwd(), folder) || "."}`, validated.errors, lineOf);
    return { documents, configuration: validated.configuration };
  }

  async #apply(url: string, operatorKey: string, documents: readonly ConfigurationDocument[]): Promise<string[]> {
    const applied = await applyConfiguration({ url, operatorKey, documents: await resolveStateKeys(documents, this.#state) });
    if (!applied.ok) throw configurationError("Cannot start: the gateway refused the configuration", applied.errors);
    return applied.warnings.map(({ file, message }) => `${file}: ${message}`);
  }

  /** One gateway per state folder: two would each believe they own its objects. Whoever creates the lock has it. */
  async #takeState(): Promise<void> {
    await mkdir(this.#stateFolder, { recursive: true, mode: 0o700 }).catch(cannotUse(this.#stateFolder));
    const file = join(this.#stateFolder, LOCK_FILE);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      try {
        await writeFile(file, String(process.pid), { flag: "wx", mode: 0o600 });
        this.#ownsState = true;
        return;
      } catch (error) {
        if (!isSystemError(error, "EEXIST")) cannotUse(this.#stateFolder)(error);
      }
      const owner = Number(await readFile(file, "utf8").catch(() => "0"));
      if (owner > 0 && isAlive(owner)) {
        throw new CliError(
          `Cannot use state folder ${this.#stateFolder}: the gateway of process ${owner} has it, expected it to be stopped (or another --state DIR)`,
        );
      }
      await rm(file, { force: true });
    }
    throw new CliError(`Cannot use state folder ${this.#stateFolder}: another gateway is starting there, expected none`);
  }
}

function cannotUse(stateFolder: string): (error: unknown) => never {
  return (error) => {
    if (!isSystemError(error)) throw error;
    const found = `Cannot use state folder ${stateFolder}: ${error.code}`;
    throw new CliError(`${found}, expected a folder that can be written (or another --state DIR)`, { cause: error });
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isListening(port: number): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  const socket = connect({ host: HOST, port });
  socket.on("connect", () => settle(true)).on("error", () => settle(false));
  const isOpen = await promise;
  socket.destroy();
  return isOpen;
}
