// What a request costs where nothing is scarce: every contender in turn under the same closed loop, and the two proxies in
// turn under the same open one. Figures of one round are compared with each other, so a machine that drifts is fair to all.
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
const OPEN_MS = 1_500;
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
  for (let round = 0; round < rounds; round += 1) {
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
    onProgress(`open loop at ${Math.round(ratePerSecond)}/s ${round + 1}/${rounds}, p99 in ms: ${soFar.join(", ")}`);
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

async function closedRound(
  { name, port, pid }: Contender,
  { backend, requests, durationMs }: { backend: BackendProcess; requests: readonly Buffer[]; durationMs: number },
): Promise<ClosedFigure> {
  const before = await backend.stats();
  const own = process.cpuUsage();
  const cpuMs: number[] = [];
  const { tally, wallMs } = await closedLoop({ port, requests, durationMs, onEdge: () => cpuMs.push(cpuTimeMs(pid)) });
  const generator = process.cpuUsage(own);
  const after = await backend.stats();
  const usedMs = (cpuMs[1] ?? 0) - (cpuMs[0] ?? 0);
  const { total } = tally;
  if (tally.count2xx === 0) throw new Error(`Cannot measure ${name}: no request was served: ${JSON.stringify([...tally.statuses])}`);
  return {
    cpuMicros: (usedMs * 1_000) / total,
    perSecond: (tally.count2xx * 1_000) / wallMs,
    busyRatio: usedMs / wallMs,
    backendBusyRatio: (after.cpuMs - before.cpuMs) / wallMs,
    generatorBusyRatio: (generator.user + generator.system) / 1_000 / wallMs,
    failed: total - tally.count2xx,
  };
}

/** Forwards, then backwards: nobody always follows the same neighbour. */
function inTurn<T>(contenders: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? contenders : contenders.toReversed();
}
