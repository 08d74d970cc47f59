// The forecasters of npm on M4 Hourly's validation origins, each fitted anew to the history before an origin; a fit takes some tens of
// milliseconds, so they see every ninth series, and ours is shown on the same.
import type { BenchRow } from "../report.ts";
import { meanScores, scoresOf, type Scores } from "./measures.ts";
import type { Peer } from "./peers.ts";

const EVERY_SERIES = 9;
const DAY_HOURS = 24;

export interface ScoredOrigin {
  /** Its place among the series. */
  readonly series: number;
  readonly history: readonly number[];
  readonly actual: readonly number[];
  readonly own: Scores;
}

/** Peers say no interval here: sMAPE and MASE alone. */
export function m4PeerRows(all: readonly ScoredOrigin[], peers: readonly Peer[]): BenchRow[] {
  const origins = all.filter(({ series }) => series % EVERY_SERIES === 0);
  return peers.flatMap((peer) => {
    const [own, theirs]: [Scores[], Scores[]] = [[], []];
    let elapsedMs = 0;
    for (const origin of origins) {
      const beganMs = performance.now();
      const mean = meanOf(peer, origin);
      elapsedMs += performance.now() - beganMs;
      if (mean === null) continue;
      own.push(origin.own);
      theirs.push(scoresOf(origin.actual, { mean, lower: mean, upper: mean }, origin.history));
    }
    const [ours, its] = [meanScores(own), meanScores(theirs)];
    const failures = origins.length - own.length;
    const missing = failures > 0 ? { missing: { [peer.name]: `${failures} fits failed` } } : {};
    const title = `M4 Hourly, every ${EVERY_SERIES}th series, ${own.length} origins`;
    return [
      { name: `${title}, ${peer.name}: sMAPE`, value: its.smape, unit: "%", note: `auto ${ours.smape.toFixed(3)}`, ...missing },
      { name: `${title}, ${peer.name}: MASE`, value: its.mase, unit: "×", note: `auto ${ours.mase.toFixed(3)}`, ...missing },
      { name: `${title}, auto ÷ ${peer.name}: sMAPE`, value: ours.smape / its.smape, unit: "×", ok: ours.smape < its.smape },
      { name: `M4 Hourly: one fit and forecast of ${peer.name}`, value: elapsedMs / origins.length, unit: "ms" },
    ];
  });
}

function meanOf(peer: Peer, { history, actual }: ScoredOrigin): readonly number[] | null {
  try {
    const { mean } = peer.forecast(history, { steps: actual.length, daySteps: DAY_HOURS });
    // A fit that runs away would be all of its mean: held to three times what it saw, which is in its favour.
    const most = 3 * Math.max(...history);
    return mean.every(Number.isFinite) ? mean.map((value) => Math.min(most, value)) : null;
  } catch {
    return null;
  }
}
