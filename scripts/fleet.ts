// node scripts/fleet.ts: thousands of devices with the SDK before a gateway of this machine, through a rolling drain of every shard
// under traffic. Says what it took, and fails where any device lost, repeated or misordered a message or saw a wrong close.
import { parseCommandLine, describeOptions, type OptionTable } from "#cli/arguments.ts";
import { readChoice, readDurationMs, readInteger } from "#cli/option-values.ts";
import { CliError } from "#cli/output.ts";
import { LIMITS } from "#shared/limits.ts";
import { MIB_BYTES, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { echoOf, startEchoEndpoint } from "./fleet/echo-endpoint.ts";
import { Fleet, type FleetResult } from "./fleet/fleet.ts";
import { startFleetGateway } from "./fleet/fleet-gateway.ts";
import { capacityFor, filesNeeded, type FleetSize } from "./fleet/open-files.ts";
import { openFilesMax } from "./fleet/process-memory.ts";
import { ProcessWatch, type ProcessUse } from "./fleet/process-watch.ts";

const PROGRAM = "node scripts/fleet.ts";
const OPTIONS = {
  devices: { type: "string", default: "10000", placeholder: "COUNT", description: "Devices, each with a socket." },
  "shard-size": { type: "string", default: "500", placeholder: "COUNT", description: "Slots of one shard." },
  fronts: { type: "string", default: "0", placeholder: "COUNT", description: "Front processes of npm start that hold the connections." },
  mode: { type: "string", default: "http", placeholder: "http|websocket", description: "How messages reach the endpoint." },
  rate: { type: "string", default: "1000", placeholder: "COUNT", description: "Messages a second, of all devices together." },
  grace: { type: "string", default: "5s", placeholder: "DURATION", description: "How long the devices of a shard have to leave." },
  json: { type: "boolean", description: "Say the result as JSON." },
  help: { type: "boolean", description: "Say what it does." },
} as const satisfies OptionTable;
const DEVICES_MAX = 100_000;
const RATE_MAX = 100_000;
const FRONTS_MAX = 16;

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof CliError)) throw error;
  console.error(error.message);
  return error.exitCode;
});

async function main(): Promise<number> {
  const { values } = parseCommandLine(process.argv.slice(2), { program: PROGRAM, options: OPTIONS, positionals: [] });
  if (values.help) {
    console.log(`Usage: ${PROGRAM} [options]\n\n${describeOptions(OPTIONS)}`);
    return 0;
  }
  const count = readInteger(values.devices, { option: "--devices", min: 1, max: DEVICES_MAX });
  const shardSize = readInteger(values["shard-size"], { option: "--shard-size", min: 1, max: LIMITS.shardSizeMax });
  const frontCount = readInteger(values.fronts, { option: "--fronts", min: 0, max: FRONTS_MAX });
  const mode = readChoice(values.mode, { option: "--mode", choices: ["http", "websocket"] });
  const messagesPerSecond = readInteger(values.rate, { option: "--rate", min: 1, max: RATE_MAX });
  const drainGraceMs = readDurationMs(values.grace, { option: "--grace", min: 0, max: 10 * MINUTE_MS });
  checkOpenFiles({ count, mode, shardSize, frontCount });
  const endpoint = await startEchoEndpoint();
  const gateway = await startFleetGateway({ endpointUrl: endpoint.url, mode, shardSize, frontCount, capacity: capacityFor(count) });
  const watch = new ProcessWatch([...gateway.processes, { name: "devices and endpoint", pid: process.pid }]);
  const startedAtMs = performance.now();
  const { url, operatorKey, tokenOf } = gateway;
  const onProgress = (what: string): void => console.error(`${seconds(performance.now() - startedAtMs).padStart(7)}  ${what}`);
  const fleet = new Fleet({
    url,
    operatorKey,
    tokenOf,
    service: "echo",
    count,
    messagesPerSecond,
    drainGraceMs,
    answerTo: echoOf,
    onProgress,
  });
  try {
    const result = await fleet.run(() => watch.mark());
    const { handled, repeated } = endpoint;
    const told = { ...result, handled, repeated, processes: watch.stop() };
    console.log(values.json ? JSON.stringify(told) : format(told));
    return result.faultCount === 0 && handled === result.sent ? 0 : 1;
  } finally {
    watch.stop();
    await fleet.stop();
    await Promise.all([gateway.stop(), endpoint.close()]);
  }
}

/** Each process has the same limit, which it has from this one. */
function checkOpenFiles(size: FleetSize): void {
  for (const { process: name, files } of filesNeeded(size)) {
    if (openFilesMax() >= files) continue;
    throw new CliError(
      `Cannot hold ${size.count} devices: ${name} may open ${openFilesMax()} files, expected at least ${files}: say \`ulimit -n ${files}\` first ` +
        "(where that is refused, root raises the hard limit, in /etc/security/limits.conf or with LimitNOFILE=; --fronts N spreads the devices over more processes)",
    );
  }
}

type Told = FleetResult & { readonly handled: number; readonly repeated: number; readonly processes: readonly ProcessUse[] };

function format(result: Told): string {
  const closes = Object.entries(result.closes).map(([code, count]) => `${code} × ${count}`);
  return [
    `${result.devices} devices online in ${seconds(result.openMs)}`,
    `${result.shardsDrained} shards drained in ${seconds(result.drainMs)}, ${result.reconnections} reconnections, ${result.refusals} of them refused for the moment`,
    `${result.sent} messages sent, ${result.received} answered once and in order; ${result.handled} handled by the endpoint, which saw ${result.repeated} requests again`,
    `closes at the devices: ${closes.join(", ")}; all closed in ${seconds(result.closeMs)}`,
    ...result.processes.map(({ name, residentBytes, filesMax }) => {
      const [start = 0, open = 0, drained = 0, closed = 0] = residentBytes.map((bytes) => Math.round(bytes / MIB_BYTES));
      return `${name}: resident ${start} MiB empty, ${open} MiB with all devices, ${drained} MiB drained, ${closed} MiB closed; ${filesMax} files open at most`;
    }),
    result.faultCount === 0 ? "nothing was lost, repeated, out of order or closed wrongly" : `${result.faultCount} faults:`,
    ...result.faults.map((fault) => `  ${fault}`),
  ].join("\n");
}

function seconds(ms: number): string {
  return `${(ms / SECOND_MS).toFixed(1)} s`;
}
