// Three times what the endpoint can take, for as long as it lasts: who is served, how late, and was the endpoint ever asked for more
// than it has. The endpoint is bound by its latency, the gateway is not: what is measured is who goes first.
import type { BackendProcess } from "./backend-process.ts";
import { requestsOf } from "./callers.ts";
import type { Contender } from "./contenders/contender.ts";
import type { Tidegate } from "./contenders/tidegate.ts";
import { cpuTimeMs } from "./cpu-time.ts";
import { openLoop, type Stream } from "./load/open-loop.ts";
import type { Tally } from "./load/tally.ts";

export const OVERLOAD = {
  capacity: 30,
  latencyMs: 100,
  factor: 3,
  deadlineMs: 2_000,
  /** Shares of the offered load. Gold: 90/s of 300/s, within its reserve of 0.4. */
  shares: { gold: 0.1, silver: 0.3, bronze: 0.6 },
} as const;

export type ClassName = keyof typeof OVERLOAD.shares;

export const CAPACITY_PER_SECOND = (OVERLOAD.capacity * 1_000) / OVERLOAD.latencyMs;
const CLASS_NAMES = Object.keys(OVERLOAD.shares) as ClassName[];
const UNLOADED_MS = 4_000;
const OVERLOADED_MS = 8_000;
/** Queues are full, and credits divided, by then. */
const WARM_UP_MS = 3_000;

export interface OverloadFigure {
  readonly goldP99MsUnloaded: number;
  readonly goldP99Ms: number;
  /** Served ÷ offered. */
  readonly servedRatio: Readonly<Record<ClassName, number>>;
  readonly servedPerSecond: Readonly<Record<ClassName, number>>;
  readonly goodputPerSecond: number;
  /** At the endpoint, by its own count, of those that it answered. */
  readonly inFlightMax: number;
  /** The same with those whose connection closed before: their slots were free before the endpoint knew. */
  readonly inFlightMaxWithCut: number;
  /** Answered 504. */
  readonly cutCount: number;
  /** Of one core. */
  readonly busyRatio: number;
  readonly lateMsP99: number;
}

export async function measureOverload(
  { port, pid }: Contender,
  { backend, tokens }: { backend: BackendProcess; tokens: Pick<Tidegate, "token"> },
): Promise<OverloadFigure> {
  const streams = await Promise.all(CLASS_NAMES.map(async (className) => streamOf(className, await requestsOf(tokens, className))));
  await backend.setDelay(OVERLOAD.latencyMs);
  try {
    const gold = streams.filter(({ name }) => name === "gold");
    const unloaded = await openLoop({ port, streams: gold, durationMs: UNLOADED_MS, warmUpMs: 1_000, seed: 1 });
    await backend.stats();
    const cpuMs = cpuTimeMs(pid);
    const startedAtMs = performance.now();
    const loaded = await openLoop({ port, streams, durationMs: OVERLOADED_MS, warmUpMs: WARM_UP_MS, seed: 2 });
    const busyRatio = (cpuTimeMs(pid) - cpuMs) / (performance.now() - startedAtMs);
    const { inFlightMax, answeredInFlightMax } = await backend.stats();
    const perSecond = mapClasses((name) => ((loaded.servedInTime.get(name) ?? 0) * 1_000) / OVERLOADED_MS);
    return {
      goldP99MsUnloaded: unloaded.tallies.get("gold")?.quantileMs(0.99) ?? Number.NaN,
      goldP99Ms: loaded.tallies.get("gold")?.quantileMs(0.99) ?? Number.NaN,
      servedRatio: mapClasses((name) => served(loaded.tallies, name) / (loaded.tallies.get(name)?.total ?? 0)),
      servedPerSecond: perSecond,
      goodputPerSecond: Object.values(perSecond).reduce((sum, each) => sum + each, 0),
      inFlightMax: answeredInFlightMax,
      inFlightMaxWithCut: inFlightMax,
      cutCount: [...loaded.tallies.values()].reduce((sum, { statuses }) => sum + (statuses.get(504) ?? 0), 0),
      busyRatio,
      lateMsP99: loaded.lateMsP99,
    };
  } finally {
    await backend.setDelay(0);
  }
}

function streamOf(name: ClassName, requests: readonly Buffer[]): Stream {
  return { name, requests, ratePerSecond: CAPACITY_PER_SECOND * OVERLOAD.factor * OVERLOAD.shares[name] };
}

function served(tallies: ReadonlyMap<string, Tally>, name: ClassName): number {
  return tallies.get(name)?.count2xx ?? 0;
}

function mapClasses(of: (name: ClassName) => number): Record<ClassName, number> {
  return { gold: of("gold"), silver: of("silver"), bronze: of("bronze") };
}
