import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { findGateway, GATEWAY_OPTIONS, readActiveConfiguration } from "../gateway-api.ts";
import { watchInterrupt } from "../interrupt.ts";
import { formatLoadReport, isUnreachable } from "../load/load-report.ts";
import { MIX_HELP, tenantShares, type TenantShare } from "../load/mix.ts";
import { runLoad } from "../load/run-load.ts";
import { TokenSource } from "../load/token-source.ts";
import { readTrace, summarizeTrace } from "../load/trace-file.ts";
import { readScale, TRACE_OPTIONS, windowOf } from "../load/trace-window.ts";
import { formatDuration, readDurationMs, readInteger, readNumber } from "../option-values.ts";
import { CliError, EXIT_FAILURE, EXIT_OK, type Output } from "../output.ts";
import type { State } from "../state.ts";
import type { TenantKeys } from "../tenant-keys.ts";

const SPEED = { min: 0.001, max: 1_000_000 };
const SEED_MAX = 2 ** 32 - 1;
const DEVICES_MAX = 10_000;
const IN_FLIGHT_MAX = 20_000;
const TIMEOUT_MS = { min: SECOND_MS / 10, max: 10 * MINUTE_MS };

export const loadCommand = defineCommand({
  name: "load",
  summary: "Replay a trace against a running gateway, as devices of all tenants and classes.",
  details: `Open loop: arrival times are drawn in advance from the seed, evenly within each step of the trace, and kept however slow
the answers are. Arrivals beyond --in-flight are counted as skipped. Ctrl-C ends early and still reports.

${MIX_HELP}
Tenants come from the gateway's configuration, keys from the state folder; tenants without keys there are left out.

Outcomes are the gateway's, and unreachable (no connection), answer-broken, answer-timeout, socket-refused, socket-broken;
a socket that worked counts as admitted-queued. Latency is that of admitted HTTP requests, from sending to the last byte.
Exit code 1 only where nothing could be reached.`,
  options: {
    ...TRACE_OPTIONS,
    speed: { type: "string", default: "60", placeholder: "NUMBER", description: "Seconds of trace in one second of wall time." },
    for: { type: "string", placeholder: "DURATION", description: "How much of the trace to replay, such as 6h; else to its end." },
    "sockets-share": { type: "string", default: "0.05", placeholder: "0-1", description: "Part of the arrivals that open a WebSocket." },
    devices: { type: "string", default: "50", placeholder: "COUNT", description: "Devices of each tenant." },
    seed: { type: "string", default: "1", placeholder: "INTEGER", description: "The same seed gives the same arrivals." },
    "in-flight": { type: "string", default: "5000", placeholder: "COUNT", description: "Most requests and sockets at once." },
    timeout: { type: "string", default: "30s", placeholder: "DURATION", description: "Patience with one request or socket." },
    audience: { type: "string", default: "tidegate", placeholder: "NAME", description: "The gateway's name, for the tokens." },
    ...GATEWAY_OPTIONS,
  },
  async run({ values, output, environment }) {
    const numbers = {
      speed: readNumber(values.speed, { option: "--speed", ...SPEED }),
      scale: readScale(values.scale),
      seed: readInteger(values.seed, { option: "--seed", min: 0, max: SEED_MAX }),
      inFlightMax: readInteger(values["in-flight"], { option: "--in-flight", min: 1, max: IN_FLIGHT_MAX }),
      timeoutMs: readDurationMs(values.timeout, { option: "--timeout", ...TIMEOUT_MS }),
    };
    const socketsShare = readNumber(values["sockets-share"], { option: "--sockets-share", min: 0, max: 1 });
    const devicesPerTenant = readInteger(values.devices, { option: "--devices", min: 1, max: DEVICES_MAX });
    const trace = await summarizeTrace(values.trace);
    const { fromMs, untilMs } = windowOf(trace, values);

    const { url, state } = await findGateway(values, environment);
    const { configuration } = await readActiveConfiguration({ url, operatorKey: await state.operatorKey() });
    const { shares, missing } = tenantShares(configuration, await state.tenantsWithKeys());
    if (missing.length > 0) output.notice(`left out, because ${state.folder} holds no keys of them: ${missing.join(", ")}`);
    if (shares.length === 0)
      throw new CliError(`Cannot drive load: ${state.folder} holds keys of no tenant that ${url} serves, expected at least one`);
    const tokens = new TokenSource({ keys: await keysOf(shares, state), tenants: shares, audience: values.audience });
    output.notice(
      `replaying ${formatDuration(untilMs - fromMs)} of trace in ${formatDuration((untilMs - fromMs) / numbers.speed)} against ${url}`,
    );

    const mix = { tenants: shares, devicesPerTenant, socketsShare };
    const load = {
      ...numbers,
      url,
      points: readTrace(values.trace),
      stepMs: trace.stepMs,
      fromMs,
      untilMs,
      mix,
      classOrder: Object.keys(configuration.classes),
      tokens,
    };
    return runAndReport(load, output);
  },
});

async function runAndReport(load: Omit<Parameters<typeof runLoad>[0], "signal" | "progress">, output: Output): Promise<number> {
  const interrupt = watchInterrupt();
  const progress = output.progress("load");
  const startedAtMs = performance.now();
  try {
    const report = await runLoad({ ...load, signal: interrupt.signal, progress: (ratio, text) => progress.update(ratio, text) });
    progress.end();
    output.result({ json: report, text: formatLoadReport(report, performance.now() - startedAtMs) });
    return isUnreachable(report) ? EXIT_FAILURE : EXIT_OK;
  } finally {
    progress.end();
    interrupt.stop();
  }
}

async function keysOf(shares: readonly TenantShare[], state: State): Promise<Map<string, TenantKeys>> {
  const keys = new Map<string, TenantKeys>();
  for (const { tenant } of shares) {
    const found = await state.tenantKeys(tenant);
    if (found !== null) keys.set(tenant, found);
  }
  return keys;
}
