// What is believed of a regression's coefficients before the series has spoken: a mixture of Gaussians.
import { triangleSize } from "./triangle.ts";

export interface Prior {
  readonly order: number;
  readonly clusterCount: number;
  /** The features it speaks of, ascending, among those of the moments. */
  readonly features: readonly number[];
  /** Cluster after cluster: log of its share. */
  readonly logShares: Float64Array;
  /** Cluster after cluster, `order` each. */
  readonly means: Float64Array;
  /** Cluster after cluster: the packed lower triangle R of the precision R Rᵀ. */
  readonly roots: Float64Array;
  /** Tempers the likelihood: neighbouring hours do not err independently. */
  readonly kappa: number;
}

export interface PriorTerm {
  readonly feature: number;
  readonly mean: number;
  readonly deviation: number;
}

/** One Gaussian without correlations, from terms in ascending order of their features. */
export function independentPrior(terms: readonly PriorTerm[], kappa: number): Prior {
  const order = terms.length;
  const roots = new Float64Array(triangleSize(order));
  for (const [row, { deviation }] of terms.entries()) roots[triangleSize(row + 1) - 1] = 1 / deviation;
  return {
    order,
    clusterCount: 1,
    features: terms.map(({ feature }) => feature),
    logShares: new Float64Array(1),
    means: Float64Array.from(terms, ({ mean }) => mean),
    roots,
    kappa,
  };
}
