// The fluid that whole units are compared with: the level λ at which the shares use the capacity up, by bisection.
export interface FluidClaim {
  readonly want: number;
  readonly weight: number;
  readonly reserve: number;
}

/** Shares of a capacity that can be cut anywhere. Positive weights; the reserves that are wanted fit. */
export function fluidDivision(capacity: number, claims: readonly FluidClaim[]): number[] {
  const at = (level: number): number[] =>
    claims.map(({ want, weight, reserve }) => Math.min(want, Math.max(Math.min(reserve, want), level * weight)));
  let [low, high] = [0, capacity + Math.max(0, ...claims.map(({ want }) => want))];
  for (let step = 0; step < 100; step += 1) {
    const middle = (low + high) / 2;
    if (at(middle).reduce((total, share) => total + share, 0) <= capacity) low = middle;
    else high = middle;
  }
  return at(low);
}
