import type { Random } from "./random.ts";
import type { TracePoint } from "./trace-point.ts";

export interface ArrivalTimesOptions {
  readonly points: AsyncIterable<TracePoint>;
  readonly stepMs: number;
  /** The part of the trace to replay, in its own time. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Times the trace's values. */
  readonly scale: number;
  readonly random: Random;
}

/** When each arrival comes, in trace time, ascending. Holds one row, however many arrivals it stands for. */
export async function* arrivalTimes({ points, stepMs, fromMs, untilMs, scale, random }: ArrivalTimesOptions): AsyncGenerator<number> {
  const within = function* ({ atMs, value }: TracePoint, nextMs: number): Generator<number> {
    const endMs = Math.min(atMs + stepMs, nextMs);
    if (endMs <= fromMs || atMs >= untilMs) return;
    for (const arrivalMs of orderedUniform({ startMs: atMs, endMs, count: wholeCount(value * scale, random), random })) {
      if (arrivalMs >= untilMs) return;
      if (arrivalMs >= fromMs) yield arrivalMs;
    }
  };
  let point: TracePoint | null = null;
  for await (const next of points) {
    if (point !== null) yield* within(point, next.atMs);
    point = next;
    if (point.atMs >= untilMs) return;
  }
  if (point !== null) yield* within(point, Infinity);
}

/**
 * `count` independent uniform times in ascending order, without holding them: the smallest of k uniform numbers is
 * distributed as 1 − U^(1/k) (Bentley and Saxe, Generating sorted lists of random numbers, 1980).
 */
export function* orderedUniform({
  startMs,
  endMs,
  count,
  random,
}: {
  startMs: number;
  endMs: number;
  count: number;
  random: Random;
}): Generator<number> {
  let atMs = startMs;
  for (let rest = count; rest > 0; rest--) {
    atMs += (endMs - atMs) * (1 - (1 - random.uniform()) ** (1 / rest));
    yield atMs;
  }
}

/** Rounds up as often as the fraction says, so that no arrivals are lost on average. */
function wholeCount(expected: number, random: Random): number {
  const whole = Math.floor(expected);
  return whole + (random.uniform() < expected - whole ? 1 : 0);
}
