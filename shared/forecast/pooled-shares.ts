// What the services of one gateway tell each other: which kinds of series live here. A summary is a service's weights of the learned
// log prior's clusters, as its own data alone say: some 24 bytes a day (docs/decisions/0047-pooled-shares-count-half.md).

/** What the prior's own shares weigh beside few services, in services. */
const PRIOR_SERVICES = 5;
const CLUSTER_COUNT_MAX = 16;
const SUM_TOLERANCE = 1e-3;

/** Of so many services the sums of their weights, cluster by cluster. */
export interface SharesPool {
  readonly serviceCount: number;
  readonly totals: readonly number[];
}

export function isDistribution(weights: readonly number[]): boolean {
  const isEach = weights.every((weight) => typeof weight === "number" && weight >= 0);
  return isEach && weights.length <= CLUSTER_COUNT_MAX && Math.abs(sumOf(weights) - 1) <= SUM_TOLERANCE;
}

export function poolOf(summaries: readonly (readonly number[])[]): SharesPool {
  const [first = []] = summaries;
  return { serviceCount: summaries.length, totals: first.map((_, cluster) => sumOf(summaries.map((weights) => weights[cluster] ?? 0))) };
}

/**
 * The learned shares, moved towards those of the gateway's other services, but never more than half of the way: whoever is unlike them
 * loses no more than a factor of two of what speaks for its own kind. Throws RangeError where the pool is of other clusters.
 */
export function pooledShares(learned: readonly number[], { serviceCount, totals }: SharesPool): number[] {
  if (serviceCount === 0) return [...learned];
  if (totals.length !== learned.length) throw new RangeError(`Cannot pool shares of ${totals.length} clusters: expected ${learned.length}`);
  const own = Math.max(PRIOR_SERVICES, serviceCount) / sumOf(learned);
  const mixed = learned.map((share, cluster) => own * share + (totals[cluster] ?? 0));
  const all = sumOf(mixed);
  return mixed.map((share) => share / all);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
