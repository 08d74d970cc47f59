// What is told to those who wait at a service that has no shard yet: the waiting room's sign. Pure.
import { wholeSeconds } from "#shared/units.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { COMING, SERVING } from "./fleet-state.ts";
import { restMsOf } from "./offer-backoff.ts";

export interface Awaited {
  /** Until the first shard is expected; null: unknown. */
  readonly inMs: number | null;
  /** Ends a sentence. Shown to callers: leaks nothing. */
  readonly line: string;
}

interface AwaitedInput {
  readonly nowMs: number;
  readonly startMs: number;
  /** More was wanted than could be ordered. */
  readonly isShort: boolean;
}

/** Null: a shard serves. */
export function awaitedOf(records: FleetRecords, { nowMs, startMs, isShort }: AwaitedInput): Awaited | null {
  if (records.in(SERVING).length > 0) return null;
  const coming = records.in(COMING).map(({ orderedAtMs }) => Math.max(0, orderedAtMs + startMs - nowMs));
  if (coming.length > 0) {
    const inMs = Math.min(...coming);
    const when = inMs === 0 ? "later than usual already" : `expected in about ${wholeSeconds(inMs)} s`;
    return { inMs, line: `the service's first shard is starting, ${when}.` };
  }
  const rests = Object.values(records.facts.offers).map((backoff) => restMsOf(backoff, { nowMs, isAlone: true }));
  const restMs = rests.length === 0 ? 0 : Math.min(...rests);
  if (restMs > 0)
    return {
      inMs: restMs + startMs,
      line: `the service's first shard could not be started, and is tried again in ${wholeSeconds(restMs)} s.`,
    };
  if (isShort) return { inMs: null, line: "the service has no shard, and none can be had now." };
  return { inMs: startMs, line: "the service has no shard yet, and the first is being ordered." };
}
