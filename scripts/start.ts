// `npm start`: the gateway on workerd, with the embedded default configuration and a demo backend.
import { parseArgs } from "node:util";
import { CliError } from "#cli/output.ts";
import { DEMAND_SPEED_MAX } from "#shared/demand-clock.ts";
import { LocalGateway, type LocalGatewayOptions } from "./local/local-gateway.ts";

const HELP = `Usage: npm start -- [options]

Runs the gateway on this machine, with a demo backend behind it.

Options:
  --port N        Port to listen on, on 127.0.0.1 (default 8787; 0: any free one)
  --fronts N      For more devices than one process may have open files: so many front processes hold their connections, on the same
                  port (default 0: the gateway's process holds them; at most 16)
  --config DIR    Apply this folder of configuration (default: the embedded config/, at the first start)
  --state DIR     Where objects, keys and the operator's credential are kept (default .tidegate)
  --fresh         Begin with an empty state: new keys, version 1
  --no-backend    Start no demo backend and no capacity agent
  --provider KIND static: the demo backends are there (default); process: a capacity agent starts and stops those of echo, as planned
  --agent-port N  Where that agent listens, on 127.0.0.1 (default 9300)
  --demand-speed N
                  For development: forecasts and plans live by a clock that is N times as fast (default 1, at most 60: a day in 24 minutes)
  --start-ms N    Each of its processes takes so many milliseconds longer to start (default 0)
  --help          Say this
`;

const PORT_DEFAULT = "8787";
const FRONTS_MAX = 16;
const AGENT_PORT_DEFAULT = "9300";
const PORT_MAX = 65_535;
const START_MS_MAX = 3_600_000;
const STOPPED = Symbol("stopped");

// Exits by itself whatever is still under way: what was started ends when its standard input does.
process.exit(await main(process.argv.slice(2)).catch(explain));

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const stopped = stopSignal();
  const gateway = new LocalGateway(options);
  try {
    const started = await Promise.race([gateway.start(), stopped.then(() => null)]);
    if (started === null) return 0;
    console.log(started.greeting);
    const ending = await Promise.race([stopped, gateway.ended]);
    if (ending === STOPPED) return 0;
    console.error(`The gateway's ${ending} has ended by itself; its last lines are above.`);
    return 1;
  } finally {
    await gateway.stop();
  }
}

function explain(error: unknown): number {
  console.error(error instanceof CliError ? error.message : error);
  return 1;
}

function readOptions(argv: readonly string[]): LocalGatewayOptions | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: "string", default: PORT_DEFAULT },
        fronts: { type: "string", default: "0" },
        config: { type: "string" },
        state: { type: "string" },
        fresh: { type: "boolean", default: false },
        "no-backend": { type: "boolean", default: false },
        provider: { type: "string", default: "static" },
        "agent-port": { type: "string", default: AGENT_PORT_DEFAULT },
        "demand-speed": { type: "string", default: "1" },
        "start-ms": { type: "string", default: "0" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return null;
    const state = values.state ?? process.env["TIDEGATE_STATE"] ?? ".tidegate";
    if (values.provider !== "static" && values.provider !== "process")
      throw new TypeError(`--provider is ${JSON.stringify(values.provider)}, expected static or process`);
    if (values.provider === "process" && values.config !== undefined)
      throw new TypeError(
        "--provider process is beside --config, expected one of them: a configuration says itself what its endpoints are",
      );
    const agentPort = readInteger("--agent-port", values["agent-port"], { min: 1, max: PORT_MAX });
    return {
      port: readInteger("--port", values.port, { min: 0, max: PORT_MAX }),
      frontCount: readInteger("--fronts", values.fronts, { min: 0, max: FRONTS_MAX }),
      configFolder: values.config ?? null,
      stateFolder: state,
      isFresh: values.fresh,
      hasBackend: !values["no-backend"],
      process: values.provider === "process" ? { agentPort } : null,
      demandSpeed: readInteger("--demand-speed", values["demand-speed"], { min: 1, max: DEMAND_SPEED_MAX }),
      startMs: readInteger("--start-ms", values["start-ms"], { min: 0, max: START_MS_MAX }),
    };
  } catch (error) {
    throw new CliError(`Cannot start: ${error instanceof Error ? error.message : String(error)} (npm start -- --help says what there is)`);
  }
}

function readInteger(option: string, text: string, { min, max }: { readonly min: number; readonly max: number }): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  throw new TypeError(`${option} is ${JSON.stringify(text)}, expected an integer from ${min} to ${max}`);
}

/** Ctrl-C, SIGTERM, the end of the terminal, and the end of whoever started this process. */
async function stopSignal(): Promise<typeof STOPPED> {
  const { promise, resolve } = Promise.withResolvers<typeof STOPPED>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(STOPPED));
  const parentPid = process.ppid;
  setInterval(() => {
    if (process.ppid !== parentPid) resolve(STOPPED);
  }, 500).unref();
  return promise;
}
