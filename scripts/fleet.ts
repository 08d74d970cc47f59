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
import { openFilesMax, residentBytes } from "./fleet/process-memory.ts";

const PROGRAM = "node scripts/fleet.ts";
const OPTIONS = {
  devices: { type: "string", default: "10000", placeholder: "COUNT", description: "Devices, each with a socket." },
  "shard-size": { type: "string", default: "500", placeholder: "COUNT", description: "Slots of one shard." },
  mode: { type: "string", default: "http", placeholder: "http|websocket", description: "How messages reach the endpoint." },
  rate: { type: "string", default: "1000", placeholder: "COUNT", description: "Messages a second, of all devices together." },
  grace: { type: "string", default: "5s", placeholder: "DURATION", description: "How long the devices of a shard have to leave." },
  json: { type: "boolean", description: "Say the result as JSON." },
  help: { type: "boolean", description: "Say what it does." },
} as const satisfies OptionTable;
const DEVICES_MAX = 100_000;
const RATE_MAX = 100_000;
/** What workerd opens for each TCP connection; beyond its limit it ends. */
const FILES_PER_CONNECTION = 2;
/** Databases, and the second connections of devices that move. */
const OTHER_FILES = 500;
/** durable/shard/post-permits.ts: what the sessions of a shard ask their endpoint at a time. */
const POSTS_PER_SHARD_MAX = 64;
/** Slots beyond the devices': one that moves has a slot on both shards for a moment. */
const SPARE_RATIO = 0.1;

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
  const mode = readChoice(values.mode, { option: "--mode", choices: ["http", "websocket"] });
  const messagesPerSecond = readInteger(values.rate, { option: "--rate", min: 1, max: RATE_MAX });
  const drainGraceMs = readDurationMs(values.grace, { option: "--grace", min: 0, max: 10 * MINUTE_MS });
  checkOpenFiles({ count, mode, shardSize });
  const endpoint = await startEchoEndpoint();
  const gateway = await startFleetGateway({ endpointUrl: endpoint.url, mode, shardSize, capacity: Math.ceil(count * (1 + SPARE_RATIO)) });
  const memory = [residentBytes(gateway.workerdPid)];
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
    const result = await fleet.run(() => void memory.push(residentBytes(gateway.workerdPid)));
    const { handled, repeated } = endpoint;
    const told = { ...result, handled, repeated, residentBytes: memory };
    console.log(values.json ? JSON.stringify(told) : format(told));
    return result.faultCount === 0 && handled === result.sent ? 0 : 1;
  } finally {
    await fleet.stop();
    await Promise.all([gateway.stop(), endpoint.close()]);
  }
}

interface Files {
  readonly count: number;
  readonly mode: "http" | "websocket";
  readonly shardSize: number;
}

/** The gateway has a connection for each device, and to the endpoint one for each in websocket mode, else for each request under way. */
function checkOpenFiles({ count, mode, shardSize }: Files): void {
  const shards = Math.ceil((count * (1 + SPARE_RATIO)) / shardSize);
  const toEndpoint = mode === "websocket" ? count : Math.min(count, shards * Math.min(shardSize, POSTS_PER_SHARD_MAX));
  const needed = (count + toEndpoint) * FILES_PER_CONNECTION + OTHER_FILES;
  if (openFilesMax() >= needed) return;
  throw new CliError(
    `Cannot hold ${count} devices: this process may open ${openFilesMax()} files, expected at least ${needed}: say \`ulimit -n ${needed}\` first ` +
      "(where that is refused, root raises the hard limit, in /etc/security/limits.conf or with LimitNOFILE=)",
  );
}

type Told = FleetResult & { readonly handled: number; readonly repeated: number; readonly residentBytes: readonly number[] };

function format(result: Told): string {
  const [start = 0, open = 0, drained = 0, closed = 0] = result.residentBytes.map((bytes) => Math.round(bytes / MIB_BYTES));
  const closes = Object.entries(result.closes).map(([code, count]) => `${code} × ${count}`);
  const each = ((result.residentBytes[1] ?? 0) - (result.residentBytes[0] ?? 0)) / result.devices / 1_024;
  return [
    `${result.devices} devices online in ${seconds(result.openMs)}`,
    `${result.shardsDrained} shards drained in ${seconds(result.drainMs)}, ${result.reconnections} reconnections, ${result.refusals} of them refused for the moment`,
    `${result.sent} messages sent, ${result.received} answered once and in order; ${result.handled} handled by the endpoint, which saw ${result.repeated} requests again`,
    `closes at the devices: ${closes.join(", ")}; all closed in ${seconds(result.closeMs)}`,
    `workerd's resident set: ${start} MiB empty, ${open} MiB with all devices (${each.toFixed(1)} KiB each), ${drained} MiB drained, ${closed} MiB closed`,
    result.faultCount === 0 ? "nothing was lost, repeated, out of order or closed wrongly" : `${result.faultCount} faults:`,
    ...result.faults.map((fault) => `  ${fault}`),
  ].join("\n");
}

function seconds(ms: number): string {
  return `${(ms / SECOND_MS).toFixed(1)} s`;
}
