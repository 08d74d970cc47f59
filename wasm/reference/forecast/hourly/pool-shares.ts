// What the services of one gateway tell a young one: which kinds of series live here. A summary is the weights of the learned
// log prior's clusters in a service's last solve, some 24 bytes.
import type { Prior } from "./prior.ts";

/** What the prior's own shares weigh beside the services, in services. */
const PRIOR_SERVICES = 5;

/**
 * The prior with its clusters' shares moved towards those of `summaries`, the cluster weights of the gateway's other services.
 * Throws RangeError where a summary is no distribution over the prior's clusters.
 */
export function withPooledShares(prior: Prior, summaries: readonly ArrayLike<number>[]): Prior {
  const { clusterCount, logShares } = prior;
  const totals = Float64Array.from(logShares, (log) => PRIOR_SERVICES * Math.exp(log));
  for (const summary of summaries) {
    let sum = 0;
    for (let cluster = 0; cluster < clusterCount; cluster += 1) {
      const weight = summary[cluster] ?? Number.NaN;
      if (!(weight >= 0)) throw new RangeError(`Cannot pool a weight of ${weight}: expected ${clusterCount} from 0 to 1`);
      totals[cluster] = totals[cluster]! + weight;
      sum += weight;
    }
    if (Math.abs(sum - 1) > 1e-3) throw new RangeError(`Cannot pool weights of sum ${sum}: expected 1`);
  }
  const all = totals.reduce((sum, total) => sum + total, 0);
  return { ...prior, logShares: totals.map((total) => Math.log(total / all)) };
}
