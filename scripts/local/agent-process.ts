// The capacity agents that `npm start` brings along: one for each address of this machine that the configuration names, selling
// demo backends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CliError } from "#cli/output.ts";
import { canonicalEndpoint, isLoopback } from "#shared/config/endpoint-url.ts";
import type { Configuration } from "#shared/config/schema.ts";
import { DEMO_SERVICES } from "../demo-backend/demo-backend.ts";

export interface LocalAgent {
  readonly url: string;
  readonly services: readonly string[];
  readonly unitCountMax: number;
  readonly slotsMax: number;
  readonly pricePerHour: number;
  readonly region: string | null;
}

export interface AgentProcess {
  readonly agent: LocalAgent;
  stop(): Promise<void>;
}

export interface AgentProcessOptions {
  readonly stateFolder: string;
  readonly key: string;
  /** Each unit takes so much longer to start. */
  readonly startMs: number;
  readonly onLog: (line: string) => void;
}

/** Of every answer: so that a few hundred requests a second are work for several processes. */
const DELAY_MS = 200;
/** Stopped units hold their place until they have ended: so many may be on their way out. */
const ENDING_COUNT = 2;

export function localAgentsOf({ services }: Configuration): LocalAgent[] {
  const named = Object.values(services).flatMap(({ service, endpoints, shards }) =>
    endpoints
      .filter(({ provider, url }) => provider === "process" && isHere(url))
      .map(({ url, capacity, pricePerHour, region }) => ({
        url: canonicalEndpoint(url),
        service,
        unitCount: Math.ceil(capacity / shards.sizeMax),
        slots: shards.sizeMax,
        price: (pricePerHour * shards.sizeMax) / capacity,
        region: region ?? null,
      })),
  );
  return [...Map.groupBy(named, ({ url }) => url)].map(([url, endpoints]) => ({
    url,
    services: endpoints.map(({ service }) => service).filter((service) => DEMO_SERVICES.some((name) => name === service)),
    unitCountMax: endpoints.reduce((sum, { unitCount }) => sum + unitCount, ENDING_COUNT),
    slotsMax: Math.max(...endpoints.map(({ slots }) => slots)),
    pricePerHour: Math.min(...endpoints.map(({ price }) => price)),
    region: endpoints[0]?.region ?? null,
  }));
}

/** Ends when its standard input does, so it never outlives this process. */
export async function startAgentProcess(
  agent: LocalAgent,
  { stateFolder, key, startMs, onLog }: AgentProcessOptions,
): Promise<AgentProcess> {
  const { port, hostname } = new URL(agent.url);
  const options = {
    port: port || "80",
    host: hostname,
    state: join(stateFolder, "agents", port || "80"),
    "units-max": String(agent.unitCountMax),
    "slots-max": String(agent.slotsMax),
    price: String(agent.pricePerHour),
    "start-ms": String(startMs),
    // Not counted among the requests that it has a capacity for.
    health: "/__stats",
    ...(agent.region === null ? {} : { region: agent.region }),
  };
  const backend = join(import.meta.dirname, "../demo-backend/main.ts");
  const args = [
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ...agent.services.flatMap((service) => ["--service", service]),
    "--",
    process.execPath,
    backend,
    "--service",
    "{service}",
    "--port",
    "{port}",
    "--capacity",
    "{slots}",
    "--delay",
    String(DELAY_MS),
  ];
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../cli/main.ts"), "agent", ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, TIDEGATE_AGENT_KEY: key },
  });
  createInterface({ input: child.stderr }).on("line", (line) => onLog(`agent: ${line}`));
  const ended = once(child, "exit").then(() => undefined);
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("ready ")) continue;
    child.stdout.resume();
    return {
      agent,
      async stop() {
        child.stdin.end();
        await ended;
      },
    };
  }
  throw new CliError(
    `Cannot start the capacity agent at ${agent.url}: it ended at once (see above), expected a free port (--agent-port N)`,
  );
}

function isHere(url: string): boolean {
  const { hostname, protocol } = new URL(url);
  return protocol === "http:" && isLoopback(hostname);
}
