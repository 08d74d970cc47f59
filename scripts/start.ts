// `npm start`: the gateway on workerd, with the embedded default configuration and a demo backend.
import { parseArgs } from "node:util";
import { CliError } from "#cli/output.ts";
import { LocalGateway, type LocalGatewayOptions } from "./local/local-gateway.ts";

const HELP = `Usage: npm start -- [options]

Runs the gateway on this machine, with a demo backend behind it.

Options:
  --port N        Port to listen on, on 127.0.0.1 (default 8787; 0: any free one)
  --config DIR    Apply this folder of configuration (default: the embedded config/, at the first start)
  --state DIR     Where objects, keys and the operator's credential are kept (default .tidegate)
  --fresh         Begin with an empty state: new keys, version 1
  --no-backend    Start no demo backend
  --help          Say this
`;

const PORT_DEFAULT = "8787";

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
    if (ending !== "gateway-ended") return 0;
    console.error("The gateway's process has ended by itself; its last lines are above.");
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
        config: { type: "string" },
        state: { type: "string" },
        fresh: { type: "boolean", default: false },
        "no-backend": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return null;
    const port = Number(values.port);
    if (!/^\d{1,5}$/.test(values.port) || port > 65_535)
      throw new TypeError(`--port is ${JSON.stringify(values.port)}, expected an integer from 0 to 65535`);
    const state = values.state ?? process.env["TIDEGATE_STATE"] ?? ".tidegate";
    return { port, configFolder: values.config ?? null, stateFolder: state, isFresh: values.fresh, hasBackend: !values["no-backend"] };
  } catch (error) {
    throw new CliError(`Cannot start: ${error instanceof Error ? error.message : String(error)} (npm start -- --help says what there is)`);
  }
}

/** Ctrl-C, SIGTERM, the end of the terminal, and the end of whoever started this process. */
async function stopSignal(): Promise<"signal"> {
  const { promise, resolve } = Promise.withResolvers<"signal">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve("signal"));
  const parentPid = process.ppid;
  setInterval(() => {
    if (process.ppid !== parentPid) resolve("signal");
  }, 500).unref();
  return promise;
}
