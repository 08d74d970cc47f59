import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { LIMITS, NAME_PATTERN } from "#shared/limits.ts";
import { AGENT_KEY_PATTERN, AGENT_LIMITS } from "#shared/protocol/capacity-agent.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { AgentLock } from "../agent/agent-lock.ts";
import { agentServer } from "../agent/agent-server.ts";
import { PORTS_DEFAULT, type PortRange } from "../agent/free-port.ts";
import { ProcessAgent } from "../agent/process-agent.ts";
import { reclaim } from "../agent/process-record.ts";
import { defineCommand } from "../command.ts";
import { badValue, readDurationMs, readInteger, readNumber, readPattern } from "../option-values.ts";
import { CliError, EXIT_OK, EXIT_USAGE } from "../output.ts";
import { openState, stateFolderOf, type State } from "../state.ts";
import { isSystemError } from "../system-error.ts";
import { untilUnwanted } from "../until-unwanted.ts";

/** The agent's key in its environment; it is taken out before anything is started. */
const KEY_VARIABLE = "TIDEGATE_AGENT_KEY";
const PORT_MAX = 65_535;

export const agentCommand = defineCommand({
  name: "agent",
  summary: "Sell capacity of this machine to a gateway: start and stop backend processes as it orders them.",
  details: `Each unit is one process on a port of its own on 127.0.0.1. In COMMAND {port}, {slots}, {service} and {unit} are filled in; no shell
reads it. A unit is ready when --health answers 2xx. All processes end when the agent does, however it ends.

The key is ${KEY_VARIABLE}, or the file that --key-file names, or agent.key in the state folder, generated at the first start. The
gateway needs the same: docs/capacity-agent.md.

  tidegate agent --port 9300 --units-max 8 --slots-max 50 -- node server.js --port {port}`,
  options: {
    port: { type: "string", default: "9300", placeholder: "PORT", description: "Where the agent listens; 0 takes any that is free." },
    host: {
      type: "string",
      default: "127.0.0.1",
      placeholder: "ADDRESS",
      description: "Where the agent listens. Beyond this machine, put TLS before it.",
    },
    "key-file": { type: "string", placeholder: "FILE", description: "Holds the agent's key; only its owner may read it." },
    service: { type: "string", multiple: true, placeholder: "NAME", description: "Sell to this service only." },
    "units-max": { type: "string", default: "16", placeholder: "COUNT", description: "Processes at once." },
    "slots-max": { type: "string", default: "50", placeholder: "COUNT", description: "The most slots of one unit." },
    price: { type: "string", default: "0", placeholder: "NUMBER", description: "Of one unit, per hour." },
    region: { type: "string", placeholder: "NAME", description: "Where this machine is." },
    health: { type: "string", default: "/", placeholder: "PATH", description: "What to ask a process for to know that it is ready." },
    ports: {
      type: "string",
      default: `${PORTS_DEFAULT.first}-${PORTS_DEFAULT.last}`,
      placeholder: "FIRST-LAST",
      description: "The processes' ports.",
    },
    "start-ms": {
      type: "string",
      default: "0",
      placeholder: "MILLISECONDS",
      description: "Wait so long before each start: for demonstrations.",
    },
    "ready-timeout": {
      type: "string",
      default: "2m",
      placeholder: "DURATION",
      description: "A process that is not ready by then has failed.",
    },
    "silence-timeout": {
      type: "string",
      default: "20s",
      placeholder: "DURATION",
      description: "A ready process that has not answered --health for so long has failed.",
    },
    "owner-timeout": {
      type: "string",
      default: "30m",
      placeholder: "DURATION",
      description:
        "Units of a service that nobody has asked for for so long are stopped, once nobody is connected to them; a gateway asks every ten minutes at least. never: they run on.",
    },
    state: { type: "string", placeholder: "DIR", description: "The state folder; else TIDEGATE_STATE, else .tidegate." },
  },
  rest: "COMMAND…",
  async run({ values, rest, output, environment }) {
    if (rest.length === 0)
      throw new CliError("Cannot run tidegate agent: no command is named, expected it after --", { exitCode: EXIT_USAGE });
    const state = openState(stateFolderOf(values.state, environment));
    const key = await keyOf(environment[KEY_VARIABLE], values["key-file"], state);
    const options = {
      offer: {
        offerId: "process",
        region: values.region ?? null,
        slotsMax: readInteger(values["slots-max"], { option: "--slots-max", min: 1, max: LIMITS.shardSizeMax }),
        pricePerHour: readNumber(values.price, { option: "--price", min: 0, max: AGENT_LIMITS.pricePerHourMax }),
      },
      unitCountMax: readInteger(values["units-max"], { option: "--units-max", min: 1, max: AGENT_LIMITS.unitCountMax }),
      services: values.service.map((service) =>
        readPattern(service, { option: "--service", pattern: NAME_PATTERN, expected: "a service's name" }),
      ),
      command: rest,
      healthPath: readPattern(values.health, {
        option: "--health",
        pattern: /^\/[\x21-\x7e]{0,500}$/,
        expected: "a path such as /healthz",
      }),
      ports: readPorts(values.ports),
      startDelayMs: readInteger(values["start-ms"], { option: "--start-ms", min: 0, max: HOUR_MS }),
      silenceMsMax: readDurationMs(values["silence-timeout"], { option: "--silence-timeout", min: 3 * SECOND_MS, max: 60 * MINUTE_MS }),
      ownerMsMax:
        values["owner-timeout"] === "never"
          ? Infinity
          : readDurationMs(values["owner-timeout"], { option: "--owner-timeout", min: 3 * SECOND_MS, max: 24 * HOUR_MS }),
      readyMsMax: readDurationMs(values["ready-timeout"], { option: "--ready-timeout", min: SECOND_MS / 10, max: 60 * MINUTE_MS }),
    };
    const port = readInteger(values.port, { option: "--port", min: 0, max: PORT_MAX });
    // From here on, the folder's processes are this agent's: it ends those that an earlier one could not.
    const lock = await AgentLock.take(state.folder);
    const recordFile = join(state.folder, "agent-processes.json");
    for (const unitId of reclaim(recordFile)) output.notice(`ended ${unitId}, which an earlier agent had left`);
    const { [KEY_VARIABLE]: _key, ...childEnvironment } = environment;
    const agent = new ProcessAgent({ ...options, recordFile, environment: childEnvironment, log: (line) => output.notice(line) });
    const server = agentServer(agent, key);
    try {
      const { host } = values;
      // `once` rejects with an error that comes first.
      await once(server.listen({ host, port }), "listening").catch((error: unknown) => {
        if (!isSystemError(error)) throw error;
        const expected = error.code === "EADDRINUSE" ? "a free port (--port)" : "an address of this machine (--host)";
        throw new CliError(`Cannot listen on ${host}:${port}: ${error.code}, expected ${expected}`, { cause: error });
      });
      const url = `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
      output.result({ json: { ready: url }, text: `ready ${url}` });
      await untilUnwanted();
      return EXIT_OK;
    } finally {
      server.close();
      server.closeAllConnections();
      await agent.close();
      await lock.release();
    }
  },
});

async function keyOf(fromEnvironment: string | undefined, file: string | undefined, state: State): Promise<string> {
  if (fromEnvironment !== undefined && file !== undefined)
    throw new CliError(`Cannot choose the agent's key: both ${KEY_VARIABLE} and --key-file name one, expected one of them`);
  if (fromEnvironment !== undefined) return checkKey(fromEnvironment, KEY_VARIABLE);
  if (file === undefined) return state.ensureAgentKey();
  const found = await stat(file).catch(() => null);
  if (found === null) throw new CliError(`Cannot read the agent's key: ${file} is missing, expected a file of one line`);
  if ((found.mode & 0o077) !== 0)
    throw new CliError(
      `Cannot read the agent's key: ${file} has mode ${(found.mode & 0o777).toString(8)}, expected 600: only its owner may read it`,
    );
  return checkKey((await readFile(file, "utf8")).trim(), file);
}

/** The text itself is never said. */
function checkKey(key: string, where: string): string {
  if (AGENT_KEY_PATTERN.test(key)) return key;
  throw new CliError(
    `Cannot read the agent's key: ${where} holds ${key.length} characters, expected 43 to 200 of base64url, such as 32 random bytes`,
  );
}

function readPorts(text: string): PortRange {
  const [first = 0, last = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).slice(1).map(Number);
  if (first < 1 || last < first || last > PORT_MAX) throw badValue("--ports", text, "a range such as 21000-24999");
  return { first, last };
}
