// Requests at the times a schedule says, however the server answers, each on a connection of its own while it lasts.
// A latency begins when the request was due, not when a busy generator got round to it: no coordinated omission.
import { Random } from "#cli/load/random.ts";
import { Connection, STATUS_LOST } from "./connection.ts";
import { isServed, Tally } from "./tally.ts";

export interface Stream {
  readonly name: string;
  readonly ratePerSecond: number;
  /** Taken in turn. */
  readonly requests: readonly Buffer[];
}

export interface OpenLoop {
  readonly port: number;
  readonly streams: readonly Stream[];
  readonly durationMs: number;
  readonly seed: number;
  /** Arrivals before it are sent and not counted. */
  readonly warmUpMs?: number;
}

export interface OpenLoopResult {
  /** By when a request was due. */
  readonly tallies: ReadonlyMap<string, Tally>;
  /** 2xx answers that came in the time in which arrivals were counted: what queues hold at its end is no part of a rate. */
  readonly servedInTime: ReadonlyMap<string, number>;
  /** How late the generator itself was, 99th percentile: the part of every latency that is not the server's. */
  readonly lateMsP99: number;
  /** Time in which arrivals were counted. */
  readonly countedMs: number;
}

interface Arrival {
  readonly atMs: number;
  readonly stream: Stream;
  readonly index: number;
}

/** Beyond it an arrival is counted as lost instead of sent. */
const IN_FLIGHT_MAX = 4_096;
/** Nothing is waited for longer after the last arrival. */
const DRAIN_MS_MAX = 10_000;

export async function openLoop({ port, streams, durationMs, seed, warmUpMs = 0 }: OpenLoop): Promise<OpenLoopResult> {
  const arrivals = scheduleOf(streams, warmUpMs + durationMs, seed);
  const tallies = new Map(streams.map(({ name }) => [name, new Tally()]));
  const servedInTime = new Map(streams.map(({ name }) => [name, 0]));
  const late = new Tally();
  const idle: Connection[] = [];
  const open = new Set<Connection>();
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let answered = 0;
  let sent = 0;
  const startedAtMs = performance.now();
  const answer = ({ atMs, stream }: Arrival, status: number): void => {
    const nowMs = performance.now() - startedAtMs;
    if (atMs >= warmUpMs) tallies.get(stream.name)?.count(status, nowMs - atMs);
    const isInTime = nowMs >= warmUpMs && nowMs < warmUpMs + durationMs;
    if (isInTime && isServed(status)) servedInTime.set(stream.name, (servedInTime.get(stream.name) ?? 0) + 1);
    if (++answered === arrivals.length) resolve();
  };
  const send = (arrival: Arrival): void => {
    if (arrival.atMs >= warmUpMs) late.count(200, performance.now() - startedAtMs - arrival.atMs);
    if (open.size - idle.length >= IN_FLIGHT_MAX) return answer(arrival, STATUS_LOST);
    const connection = takeOpen(idle, open) ?? new Connection(port);
    open.add(connection);
    connection.send(requestOf(arrival), (status) => {
      if (connection.isOpen) idle.push(connection);
      else open.delete(connection);
      answer(arrival, status);
    });
  };
  const run = (): void => {
    const nowMs = performance.now() - startedAtMs;
    for (let next = arrivals[sent]; next !== undefined && next.atMs <= nowMs; next = arrivals[sent]) {
      sent += 1;
      send(next);
    }
    const next = arrivals[sent];
    if (next !== undefined) setTimeout(run, next.atMs - nowMs);
    else setTimeout(resolve, DRAIN_MS_MAX).unref();
  };
  if (arrivals.length > 0) run();
  else resolve();
  await done;
  for (const connection of open) connection.close();
  return { tallies, servedInTime, lateMsP99: late.quantileMs(0.99), countedMs: durationMs };
}

/** Poisson arrivals of every stream, merged: the gaps are exponential, and the same for the same seed. */
export function scheduleOf(streams: readonly Stream[], durationMs: number, seed: number): Arrival[] {
  return streams
    .flatMap((stream, place) => {
      const random = new Random(seed, place);
      const arrivals: Arrival[] = [];
      for (let atMs = 0, index = 0; stream.ratePerSecond > 0; index += 1) {
        atMs += (-Math.log(1 - random.uniform()) * 1_000) / stream.ratePerSecond;
        if (atMs >= durationMs) break;
        arrivals.push({ atMs, stream, index });
      }
      return arrivals;
    })
    .toSorted((a, b) => a.atMs - b.atMs);
}

function takeOpen(idle: Connection[], open: Set<Connection>): Connection | undefined {
  for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
    if (connection.isOpen) return connection;
    open.delete(connection);
  }
  return undefined;
}

function requestOf({ stream: { requests }, index }: Arrival): Buffer {
  return requests[index % requests.length] ?? Buffer.alloc(0);
}
