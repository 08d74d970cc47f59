// Which kinds of series a service believes there are: shares of the first regression's clusters. They begin as they were learned; what the
// gateway's other services have shown moves them. Part of the state, so that a blob goes on as it was begun.
import { CLUSTER_COUNT, hourOf, lagMax, open, regressions, SHARES, week } from "./model";
import { beginRegressions, openRegression, solveRegression } from "./regression";
import { CLUSTER_WEIGHTS, openScratch } from "./scratch";

/** Where the logs of the shares stand in the state, f64. */
export function seasonalShares(table: usize, state: usize): usize {
  open(table, state);
  return SHARES;
}

/** Believes the shares whose logs stand at `from`, f64, one per cluster. */
export function seasonalSetShares(table: usize, state: usize, from: usize): void {
  open(table, state);
  memory.copy(SHARES, from, (<usize>load<f64>(regressions, CLUSTER_COUNT)) << 3);
}

/**
 * Where, until the next call, the clusters' weights stand, f64, as this service's data alone say under the shares that were learned: nobody hears its
 * own echo. 0 before a week was learned from. Changes nothing.
 */
export function seasonalClusterWeights(table: usize, state: usize, scratch: usize): usize {
  open(table, state);
  openScratch(scratch);
  if (hourOf() < lagMax + week) return 0;
  beginRegressions(false);
  openRegression(regressions, false);
  solveRegression(false);
  return CLUSTER_WEIGHTS;
}
