// Runs one demo backend until nobody wants it any more.
import { parseCommandLine, describeOptions, type OptionTable } from "#cli/arguments.ts";
import { readChoice, readInteger } from "#cli/option-values.ts";
import { CliError } from "#cli/output.ts";
import { untilUnwanted } from "#cli/until-unwanted.ts";
import { LIMITS } from "#shared/limits.ts";
import { MINUTE_MS } from "#shared/units.ts";
import { DEMO_SERVICES, startDemoBackend } from "./demo-backend.ts";

const OPTIONS = {
  service: { type: "string", default: "echo", placeholder: DEMO_SERVICES.join("|"), description: "What to serve." },
  host: { type: "string", default: "127.0.0.1", placeholder: "ADDRESS", description: "Where to listen." },
  port: { type: "string", default: "9101", placeholder: "PORT", description: "Where to listen; 0 takes any that is free." },
  capacity: { type: "string", default: "200", placeholder: "COUNT", description: "Requests and sockets in flight before it answers 503." },
  delay: { type: "string", default: "0", placeholder: "MILLISECONDS", description: "Before every answer." },
  json: { type: "boolean", description: "Say that it is ready as JSON." },
  help: { type: "boolean", description: "Say what it does." },
} as const satisfies OptionTable;

const PROGRAM = "node scripts/demo-backend/main.ts";

try {
  const { values } = parseCommandLine(process.argv.slice(2), { program: PROGRAM, options: OPTIONS, positionals: [] });
  if (values.help) process.stdout.write(`Usage: ${PROGRAM} [options]\n\n${describeOptions(OPTIONS)}\n`);
  else await run(values);
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

async function run(
  values: Readonly<Record<"service" | "host" | "port" | "capacity" | "delay", string>> & { readonly json: boolean },
): Promise<void> {
  const backend = await startDemoBackend({
    service: readChoice(values.service, { option: "--service", choices: DEMO_SERVICES }),
    host: values.host,
    port: readInteger(values.port, { option: "--port", min: 0, max: 65_535 }),
    capacity: readInteger(values.capacity, { option: "--capacity", min: 1, max: LIMITS.capacityMax }),
    delayMs: readInteger(values.delay, { option: "--delay", min: 0, max: 10 * MINUTE_MS }),
  }).catch((error: unknown) => {
    throw new CliError(
      `Cannot listen on ${values.host}:${values.port}: ${error instanceof Error ? error.message : String(error)}, expected a free port`,
    );
  });
  process.stdout.write(values.json ? `${JSON.stringify({ ready: backend.url })}\n` : `ready ${backend.url}\n`);
  await untilUnwanted();
  await backend.close();
  // The timers of delayed answers would keep the process for minutes.
  process.exit(0);
}
