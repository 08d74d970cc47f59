// What a request costs where nothing is scarce: every contender in turn under the same closed loop, and the two proxies in
// turn under the same open one. Figures of one round are compared with each other, so a machine that drifts is fair to all.
import type { BackendStats } from "./backend.ts";
import type { BackendProcess } from "./backend-process.ts";
import type { Contender } from "./contenders/contender.ts";
import { cpuTimeMs } from "./cpu-time.ts";
import { closedLoop } from "./load/closed-loop.ts";
import { openLoop } from "./load/open-loop.ts";
import { median } from "./median.ts";

export interface ClosedFigure {
  readonly cpuMicros: number;
  readonly perSecond: number;
  /** Share of one core that the serving process used. */
  readonly busyRatio: number;
  readonly backendBusyRatio: number;
  readonly generatorBusyRatio: number;
  /** All connections' first requests at once, after the others' turns: until the last answer. */
  readonly burstMs: number;
  readonly failed: number;
}

export interface OpenFigure {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lateMsP99: number;
  readonly failed: number;
}

export interface SteadyOptions {
  readonly contenders: readonly Contender[];
  readonly backend: BackendProcess;
  readonly requests: readonly Buffer[];
  readonly rounds: number;
  readonly onProgress: (what: string) => void;
}

/** Contender → one figure a round. */
export type Rounds<T> = ReadonlyMap<string, readonly T[]>;

const WARM_UP_MS = 3_000;
/** Short, and many of them: what else the machine does then meets all contenders of a round alike. */
const CLOSED_MS = 500;
/** Before each round, uncounted: whoever gave back what it held while the others ran is as warm as under lasting load. */
const CLOSED_LEAD_MS = 1_000;
/** Long: a full collection of garbage comes every few seconds to every contender, and a short round would say which of them it happened to meet. */
const OPEN_MS = 10_000;
/** Few, as each is long. */
const OPEN_ROUNDS_MAX = 4;
const OPEN_WARM_UP_MS = 1_000;

export async function measureClosed({ contenders, backend, requests, rounds, onProgress }: SteadyOptions): Promise<Rounds<ClosedFigure>> {
  for (const contender of contenders) await closedRound(contender, { backend, requests, durationMs: WARM_UP_MS });
  const figures = new Map<string, ClosedFigure[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of inTurn(contenders, round)) {
      figures.get(contender.name)?.push(await closedRound(contender, { backend, requests, durationMs: CLOSED_MS }));
    }
    const soFar = [...figures].map(([name, of]) => `${name} ${Math.round(median(of.map(({ cpuMicros }) => cpuMicros)))}`);
    onProgress(`closed loop ${round + 1}/${rounds}, µs of CPU per request: ${soFar.join(", ")}`);
  }
  return figures;
}

export async function measureOpen({
  contenders,
  requests,
  rounds,
  ratePerSecond,
  onProgress,
}: Omit<SteadyOptions, "backend"> & { readonly ratePerSecond: number }): Promise<Rounds<OpenFigure>> {
  const figures = new Map<string, OpenFigure[]>(contenders.map(({ name }) => [name, []]));
  const openRounds = Math.min(rounds, OPEN_ROUNDS_MAX);
  for (let round = 0; round < openRounds; round += 1) {
    for (const { name, port } of inTurn(contenders, round)) {
      const { tallies, lateMsP99 } = await openLoop({
        port,
        streams: [{ name, ratePerSecond, requests }],
        durationMs: OPEN_MS,
        warmUpMs: OPEN_WARM_UP_MS,
        // The same arrivals for all of a round.
        seed: round + 1,
      });
      const tally = tallies.get(name);
      if (tally === undefined) continue;
      const failed = tally.total - tally.count2xx;
      figures.get(name)?.push({ p50Ms: tally.quantileMs(0.5), p99Ms: tally.quantileMs(0.99), lateMsP99, failed });
    }
    const soFar = [...figures].map(([name, of]) => `${name} ${median(of.map(({ p99Ms }) => p99Ms)).toFixed(1)}`);
    onProgress(`open loop at ${Math.round(ratePerSecond)}/s ${round + 1}/${openRounds}, p99 in ms: ${soFar.join(", ")}`);
  }
  return figures;
}

/** The median over the rounds of `of` in one contender ÷ `of` in another, each pair from one round. */
export function medianRatio<T>(figures: Rounds<T>, [own, peer]: readonly [string, string], of: (figure: T) => number): number {
  const peers = figures.get(peer) ?? [];
  return median(
    (figures.get(own) ?? []).flatMap((figure, round) => {
      const other = peers[round];
      return other === undefined ? [] : [of(figure) / of(other)];
    }),
  );
}

interface Edge {
  readonly cpuMs: number;
  readonly own: NodeJS.CpuUsage;
  readonly backend: Promise<BackendStats>;
}

async function closedRound(
  { name, port, pid }: Contender,
  { backend, requests, durationMs }: { backend: BackendProcess; requests: readonly Buffer[]; durationMs: number },
): Promise<ClosedFigure> {
  const edges: Edge[] = [];
  const onEdge = (): void => {
    edges.push({ cpuMs: cpuTimeMs(pid), own: process.cpuUsage(), backend: backend.stats() });
  };
  const { tally, wallMs, burstMs } = await closedLoop({ port, requests, leadMs: CLOSED_LEAD_MS, durationMs, onEdge });
  const [first, last] = edges;
  if (first === undefined || last === undefined) throw new Error(`Cannot measure ${name}: the loop had no end`);
  const [before, after] = [await first.backend, await last.backend];
  const usedMs = last.cpuMs - first.cpuMs;
  const { total } = tally;
  if (tally.count2xx === 0) throw new Error(`Cannot measure ${name}: no request was served: ${JSON.stringify([...tally.statuses])}`);
  return {
    cpuMicros: (usedMs * 1_000) / total,
    perSecond: (tally.count2xx * 1_000) / wallMs,
    busyRatio: usedMs / wallMs,
    backendBusyRatio: (after.cpuMs - before.cpuMs) / wallMs,
    generatorBusyRatio: (last.own.user + last.own.system - first.own.user - first.own.system) / 1_000 / wallMs,
    burstMs,
    failed: total - tally.count2xx,
  };
}

/** Another one begins each round, and every other round goes backwards: nobody always has the same place or neighbour. */
function inTurn<T>(contenders: readonly T[], round: number): readonly T[] {
  const first = round % contenders.length;
  const turned = [...contenders.slice(first), ...contenders.slice(0, first)];
  return round % 2 === 0 ? turned : turned.toReversed();
}
