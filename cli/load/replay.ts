// The open loop: every arrival is sent at its time, however slow the answers are.
import { setImmediate, setTimeout } from "node:timers/promises";

export interface Due {
  /** After the start. */
  readonly dueMs: number;
}

export interface ReplayOptions<T extends Due> {
  /** Ascending. */
  readonly arrivals: AsyncIterable<T>;
  /** `dueAtMs` on the clock of performance.now(). Never rejects. */
  readonly send: (arrival: T, dueAtMs: number) => Promise<void>;
  /** Beyond it an arrival is not sent but given to `skip`: what an open loop piles up must end somewhere. */
  readonly inFlightMax: number;
  readonly skip: (arrival: T) => void;
  readonly tick: (progress: { readonly elapsedMs: number; readonly inFlight: number }) => void;
  /** Ends the replay early. */
  readonly signal: AbortSignal;
}

/** So many sends in a row, then the answers get their turn. */
const BURST_COUNT_MAX = 64;
const DRAIN_TICK_MS = 100;

/** Resolves once every arrival was sent or skipped and every send has ended. */
export async function replay<T extends Due>({ arrivals, send, inFlightMax, skip, tick, signal }: ReplayOptions<T>): Promise<void> {
  const startedAtMs = performance.now();
  const inFlight = new Set<Promise<void>>();
  const report = (): void => tick({ elapsedMs: performance.now() - startedAtMs, inFlight: inFlight.size });
  let sentInRow = 0;
  for await (const arrival of arrivals) {
    if (signal.aborted) break;
    const dueAtMs = startedAtMs + arrival.dueMs;
    if (performance.now() < dueAtMs) {
      await sleepUntil(dueAtMs, { signal, tick: report });
      sentInRow = 0;
    } else if (++sentInRow % BURST_COUNT_MAX === 0) await setImmediate();
    if (signal.aborted) break;
    if (inFlight.size >= inFlightMax) skip(arrival);
    else {
      const sending = send(arrival, dueAtMs).finally(() => inFlight.delete(sending));
      inFlight.add(sending);
    }
    report();
  }
  while (inFlight.size > 0) {
    await Promise.race([Promise.all(inFlight), setTimeout(DRAIN_TICK_MS)]);
    report();
  }
}

/** Wakes now and then on the way, so that the progress of a quiet night still moves. */
async function sleepUntil(atMs: number, { signal, tick }: { signal: AbortSignal; tick: () => void }): Promise<void> {
  for (let restMs = atMs - performance.now(); restMs > 0 && !signal.aborted; restMs = atMs - performance.now()) {
    tick();
    // Aborting rejects: that it happened is read from the signal.
    await setTimeout(Math.min(restMs, 1_000), undefined, { signal }).catch(() => {});
  }
}
