// The peers at some origins of a trace's second half, beside ours from the same.
import type { BenchRow } from "../report.ts";
import type { Peer } from "./peers.ts";
import type { Said } from "./trace-run.ts";
import type { Trace } from "./traces.ts";

const ORIGIN_COUNT = 72;
const DAY_MS = 86_400_000;
/** What a peer is fitted to: so many values, or two days and a little where that is more. */
const HISTORY_COUNT = 1_000;

interface Loss {
  own: number;
  peer: number;
}

/** Per peer and horizon our WAPE ÷ its own, and the milliseconds of a fit and forecast. */
export function peerRows(trace: Trace, said: readonly Said[], peers: readonly Peer[]): BenchRow[] {
  return peers.flatMap((peer) => rowsOfPeer(trace, said, peer));
}

function rowsOfPeer({ name, values, stepMs, horizonsMs }: Trace, said: readonly Said[], peer: Peer): BenchRow[] {
  const known = filled(values);
  const daySteps = Math.round(DAY_MS / stepMs);
  const stepsOf = horizonsMs.map((horizonMs) => Math.round(horizonMs / stepMs));
  const losses = stepsOf.map((): Loss => ({ own: 0, peer: 0 }));
  const [from, until] = [values.length >> 1, values.length - Math.max(...stepsOf) - 1];
  let [elapsedMs, failures] = [0, 0];
  for (let index = 0; index < ORIGIN_COUNT; index += 1) {
    const origin = Math.round(from + ((until - from) * (index + 0.5)) / ORIGIN_COUNT);
    const history = known.slice(Math.max(0, origin + 1 - Math.max(HISTORY_COUNT, 2 * daySteps + 60)), origin + 1);
    const beganMs = performance.now();
    const mean = tried(peer, history, { steps: Math.max(...stepsOf), daySteps });
    elapsedMs += performance.now() - beganMs;
    if (mean === null) {
      failures += 1;
      continue;
    }
    for (const [place, steps] of stepsOf.entries()) {
      const [value, own, loss] = [values[origin + steps], said[place]?.mean[origin + steps], losses[place]];
      if (value === undefined || own === undefined || loss === undefined || Number.isNaN(value) || Number.isNaN(own)) continue;
      loss.own += Math.abs(value - own);
      loss.peer += Math.abs(value - (mean[steps - 1] ?? Number.NaN));
    }
  }
  const rows = losses.map((loss, place): BenchRow => ({
    name: `${name}, ${(horizonsMs[place] ?? 0) / 60_000} min, ${ORIGIN_COUNT} origins: WAPE ÷ ${peer.name}'s`,
    value: loss.own / loss.peer,
    unit: "×",
    ...(failures > 0 ? { missing: { [peer.name]: `${failures} fits failed` } } : {}),
  }));
  return [...rows, { name: `${name}: one fit and forecast of ${peer.name}`, value: elapsedMs / ORIGIN_COUNT, unit: "ms" }];
}

function tried(
  peer: Peer,
  history: readonly number[],
  task: { readonly steps: number; readonly daySteps: number },
): readonly number[] | null {
  try {
    const { mean } = peer.forecast(history, task);
    // A fit that runs away would be all of its mean: held to three times what it saw, which is in its favour.
    const most = 3 * Math.max(...history);
    return mean.every(Number.isFinite) ? mean.map((value) => Math.min(most, value)) : null;
  } catch {
    return null;
  }
}

// A missing value is what the one before it was: the peers know no other.
function filled(values: Float64Array): number[] {
  let last = 0;
  return Array.from(values, (value) => (last = Number.isNaN(value) ? last : value));
}
