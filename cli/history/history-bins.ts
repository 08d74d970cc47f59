// A trace of arrivals as a service's past: bins of ten seconds, with the slots that its requests hold.
import { HISTORY } from "#shared/protocol/demand-history.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { TracePoint } from "../load/trace-point.ts";

export interface HistoryBinsOptions {
  readonly points: AsyncIterable<TracePoint>;
  readonly stepMs: number;
  /** The part of the trace that is told, in its own time. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Times the trace's values. */
  readonly scale: number;
  /** How long a request holds its slot, in the mean; by the trace's own clock. */
  readonly holdMs: number;
}

export interface HistoryBin {
  readonly arrivalsPerSecond: number;
  readonly slots: number;
}

/** From `fromMs` on, as many whole bins as there are. Each row's arrivals are spread evenly over its step, as `load` sends them; where there is none nothing was wanted. */
export async function* historyBins({ points, stepMs, fromMs, untilMs, scale, holdMs }: HistoryBinsOptions): AsyncGenerator<HistoryBin> {
  const count = Math.floor((untilMs - fromMs) / HISTORY.binMs);
  let next = 0;
  /** Of bins from `next` on that are not complete yet. */
  let open: number[] = [];
  const take = function* (until: number): Generator<HistoryBin> {
    for (; next < Math.min(until, count); next += 1) {
      const arrivalsPerSecond = ((open.shift() ?? 0) * SECOND_MS) / HISTORY.binMs;
      // Little's law.
      yield { arrivalsPerSecond, slots: (arrivalsPerSecond * holdMs) / SECOND_MS };
    }
  };
  const spread = (atMs: number, endMs: number, arrivals: number): void => {
    for (let fromAt = Math.max(atMs, fromMs); fromAt < Math.min(endMs, untilMs);) {
      const index = Math.floor((fromAt - fromMs) / HISTORY.binMs);
      const toAt = Math.min(endMs, untilMs, fromMs + (index + 1) * HISTORY.binMs);
      const place = index - next;
      while (open.length <= place) open.push(0);
      open[place] = (open[place] ?? 0) + (arrivals * (toAt - fromAt)) / (endMs - atMs);
      fromAt = toAt;
    }
  };
  let point: TracePoint | null = null;
  for await (const following of points) {
    if (point !== null) spread(point.atMs, Math.min(point.atMs + stepMs, following.atMs), point.value * scale);
    point = following;
    yield* take(Math.floor((point.atMs - fromMs) / HISTORY.binMs));
    if (point.atMs >= untilMs) break;
  }
  if (point !== null) spread(point.atMs, point.atMs + stepMs, point.value * scale);
  yield* take(count);
  open = [];
}
