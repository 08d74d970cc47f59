// A server of `workerCount` workers behind a first-come queue, with exponential service times, in virtual time. Arrivals
// are Poisson; whoever would exceed the limit is refused at once. After every answer the limit may change.
import { seededRandom } from "../seeded-random.ts";

export interface Observation {
  readonly nowMs: number;
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly dropped: boolean;
}

export interface Load {
  readonly untilMs: number;
  readonly arrivalsPerSecond: number;
  readonly serviceMs: number;
}

export interface Simulation {
  readonly seed: number;
  readonly workerCount: number;
  readonly limitInitial: number;
  /** One after the other. */
  readonly loads: readonly Load[];
  readonly observe: (observation: Observation) => number;
  /** Every second of virtual time. */
  readonly everySecond?: (second: Second) => void;
  /** An answer that takes longer is a drop, after this long. */
  readonly timeoutMs?: number;
}

export interface Second {
  readonly atMs: number;
  readonly limit: number;
  readonly served: number;
  readonly refused: number;
  readonly latencyMsMean: number;
}

interface Request {
  readonly arrivedMs: number;
  endsMs: number;
}

export function simulate({ seed, workerCount, limitInitial, loads, observe, everySecond, timeoutMs = Infinity }: Simulation): void {
  const random = seededRandom(seed);
  const running: Request[] = []; // Sorted by end, latest first: the next to end is popped.
  const waiting: Request[] = [];
  let [limit, nextSecondMs, served, refused, latencySumMs, arrivalMs] = [limitInitial, 1_000, 0, 0, 0, 0];
  const start = (request: Request, nowMs: number, serviceMs: number): void => {
    request.endsMs = nowMs + serviceMs * random.exponential();
    let at = running.length;
    while (at > 0 && (running[at - 1]?.endsMs ?? 0) < request.endsMs) at -= 1;
    running.splice(at, 0, request);
  };
  const tick = (nowMs: number): void => {
    for (; nextSecondMs <= nowMs; nextSecondMs += 1_000) {
      everySecond?.({ atMs: nextSecondMs, limit, served, refused, latencyMsMean: latencySumMs / Math.max(1, served) });
      [served, refused, latencySumMs] = [0, 0, 0];
    }
  };
  const complete = (serviceMs: number): void => {
    const request = running.pop();
    if (request === undefined) return;
    const { endsMs: nowMs, arrivedMs } = request;
    tick(nowMs);
    const latencyMs = Math.min(timeoutMs, nowMs - arrivedMs);
    const dropped = latencyMs === timeoutMs;
    if (!dropped) {
      served += 1;
      latencySumMs += latencyMs;
    }
    const next = waiting.shift();
    if (next !== undefined) start(next, nowMs, serviceMs);
    limit = observe({ nowMs, latencyMs, inFlight: running.length + waiting.length + 1, dropped });
  };
  for (const { untilMs, arrivalsPerSecond, serviceMs } of loads) {
    for (;;) {
      arrivalMs += (1_000 / arrivalsPerSecond) * random.exponential();
      while ((running.at(-1)?.endsMs ?? Infinity) <= arrivalMs) complete(serviceMs);
      tick(arrivalMs);
      if (arrivalMs > untilMs) break;
      const request = { arrivedMs: arrivalMs, endsMs: 0 };
      if (running.length + waiting.length >= limit) refused += 1;
      else if (running.length < workerCount) start(request, arrivalMs, serviceMs);
      else waiting.push(request);
    }
  }
}
