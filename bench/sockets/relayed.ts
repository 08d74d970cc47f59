// What a message costs through a shard: a plain socket, and a session of `tidegate.v1`, beside a Worker that relays the same pair
// in JavaScript. All of a round in turn; figures of one round are compared with each other, so a machine that drifts is fair to all.
import { join } from "node:path";
import { startPlainWorker } from "#bench/gateway/contenders/plain-worker.ts";
import { cpuTimeMs } from "#bench/gateway/cpu-time.ts";
import { median } from "#bench/gateway/median.ts";
import type { EchoProcess } from "./echo-process.ts";
import { echoLoad, quantile } from "./load/echo-load.ts";
import { openDevices, type LoadDevice } from "./load/load-device.ts";
import { startSocketGateway } from "./tidegate.ts";

export const RELAY = "relaying Worker";
export const PLAIN = "shard, plain socket";
export const RESUMABLE = "shard, tidegate.v1";
export const DIRECT = "no gateway";

/** Devices of a shard of the largest default size, and one alone. */
export const LOADS = [
  { devices: 50, inFlight: 8 },
  { devices: 50, inFlight: 1 },
  { devices: 1, inFlight: 64 },
] as const;
export type Load = (typeof LOADS)[number];

export interface RelayedFigure {
  readonly perSecond: number;
  /** Of the relaying process. */
  readonly cpuMicros: number;
  readonly busyRatio: number;
  readonly generatorBusyRatio: number;
  readonly endpointBusyRatio: number;
}

/** Contender → one figure a round. */
export type Rounds<T> = ReadonlyMap<string, readonly T[]>;

export interface Relayed {
  readonly closed: ReadonlyMap<Load, Rounds<RelayedFigure>>;
  /** p99 of each round, milliseconds, at `perSecond` messages a second. */
  readonly p99Ms: Rounds<number>;
  readonly perSecond: number;
}

interface Contender {
  readonly name: string;
  /** Null: there is nobody between. */
  readonly pid: number | null;
  readonly devices: readonly LoadDevice[];
}

const WARM_UP_MS = 1_000;
const CLOSED_MS = 600;
const PACED_MS = 1_000;
/** Below saturation: this part of what a session can do. */
const PACED_RATIO = 0.25;
const DEVICES_MAX = 50;

export interface RelayedOptions {
  readonly folder: string;
  readonly echo: EchoProcess;
  readonly rounds: number;
  readonly onProgress: (what: string) => void;
}

export async function measureRelayed({ folder, echo, rounds, onProgress }: RelayedOptions): Promise<Relayed> {
  const relay = await startPlainWorker(
    { name: RELAY, file: "relay.ts", workersFolder: "bench/sockets/workers" },
    { folder, backendPort: echo.port },
  );
  const gateway = await startSocketGateway({
    folder: join(folder, "relayed"),
    endpointUrl: `http://127.0.0.1:${echo.port}`,
    mode: "websocket",
    // All on one shard.
    capacity: 2 * DEVICES_MAX,
    shardSize: 2 * DEVICES_MAX,
  });
  const tokens = await Promise.all(Array.from({ length: DEVICES_MAX }, (_, index) => gateway.token(`d-${index}`)));
  const open = async (port: number, { path = "/", isResumable = false } = {}): Promise<LoadDevice[]> =>
    openDevices(tokens.map((token) => ({ port, path, token: path === "/" ? null : token, isResumable })));
  const contenders: Contender[] = [
    { name: RELAY, pid: relay.pid, devices: await open(relay.port) },
    { name: PLAIN, pid: gateway.pid, devices: await open(gateway.port, { path: "/connect/echo" }) },
    { name: RESUMABLE, pid: gateway.pid, devices: await open(gateway.port, { path: "/connect/echo", isResumable: true }) },
  ];
  const direct: Contender = { name: DIRECT, pid: null, devices: await open(echo.port) };
  try {
    const closed = new Map<Load, Rounds<RelayedFigure>>();
    for (const load of LOADS) {
      // What has a budget is measured as often as was asked for, what is only printed half as often.
      const own = load === LOADS[0] ? rounds : Math.ceil(rounds / 2);
      closed.set(load, await closedRounds(contenders, { load, echo, rounds: own, onProgress }));
    }
    const most = median((closed.get(LOADS[0])?.get(RESUMABLE) ?? []).map(({ perSecond }) => perSecond));
    const perSecond = Math.max(1, Math.round(most * PACED_RATIO));
    return { closed, perSecond, p99Ms: await pacedRounds([...contenders, direct], { perSecond, rounds, onProgress }) };
  } finally {
    await Promise.all([...contenders, direct].flatMap(({ devices }) => devices.map(async (device) => device.close())));
    await Promise.all([relay.stop(), gateway.stop()]);
  }
}

interface ClosedOptions {
  readonly load: Load;
  readonly echo: EchoProcess;
  readonly rounds: number;
  readonly onProgress: (what: string) => void;
}

async function closedRounds(contenders: readonly Contender[], options: ClosedOptions): Promise<Rounds<RelayedFigure>> {
  const { load, rounds, onProgress } = options;
  for (const contender of contenders) await closedRound(contender, { ...options, durationMs: WARM_UP_MS });
  const figures = new Map<string, RelayedFigure[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of inTurn(contenders, round))
      figures.get(contender.name)?.push(await closedRound(contender, { ...options, durationMs: CLOSED_MS }));
    const soFar = [...figures].map(([name, of]) => `${name} ${Math.round(median(of.map(({ perSecond }) => perSecond)))}`);
    onProgress(`${load.devices} × ${load.inFlight} under way, ${round + 1}/${rounds}, messages/s: ${soFar.join(", ")}`);
  }
  return figures;
}

async function closedRound(
  { pid, devices }: Contender,
  { load, echo, durationMs }: ClosedOptions & { readonly durationMs: number },
): Promise<RelayedFigure> {
  const [cpuBefore, echoBefore, ownBefore] = [pid === null ? 0 : cpuTimeMs(pid), await echo.cpuMs(), process.cpuUsage()];
  const { count, wallMs, perSecond } = await echoLoad({ devices: devices.slice(0, load.devices), durationMs, inFlight: load.inFlight });
  const own = process.cpuUsage(ownBefore);
  const usedMs = pid === null ? 0 : cpuTimeMs(pid) - cpuBefore;
  return {
    perSecond,
    cpuMicros: (usedMs * 1_000) / count,
    busyRatio: usedMs / wallMs,
    generatorBusyRatio: (own.user + own.system) / 1_000 / wallMs,
    endpointBusyRatio: ((await echo.cpuMs()) - echoBefore) / wallMs,
  };
}

async function pacedRounds(
  contenders: readonly Contender[],
  { perSecond, rounds, onProgress }: { perSecond: number; rounds: number; onProgress: (what: string) => void },
): Promise<Rounds<number>> {
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, devices } of inTurn(contenders, round)) {
      const { latenciesMs } = await echoLoad({ devices, durationMs: PACED_MS, perSecond });
      figures.get(name)?.push(quantile(latenciesMs, 0.99));
    }
    const soFar = [...figures].map(([name, of]) => `${name} ${median(of).toFixed(1)}`);
    onProgress(`${perSecond} messages/s, ${round + 1}/${rounds}, p99 in ms: ${soFar.join(", ")}`);
  }
  return figures;
}

/** Forwards, then backwards: nobody always follows the same neighbour. */
function inTurn<T>(contenders: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? contenders : contenders.toReversed();
}
