// The fluid that packets are compared with: hierarchical generalised processor sharing (A. K. Parekh, R. G. Gallager
// 1993; J. C. R. Bennett, H. Zhang 1996). Every flow that has something left is served at once, each class in
// proportion to its weight among classes that have, each flow in proportion among those of its class.

export interface FluidFlow {
  readonly classIndex: number;
  readonly weight: number;
  /** Cost that waits; Infinity: always. */
  readonly backlog: number;
}

/** What each flow has got once the server has served `cost`, or all there was. */
export function fluidService(flows: readonly FluidFlow[], classWeights: readonly number[], cost: number): number[] {
  const served = flows.map(() => 0);
  let left = cost;
  for (let phase = 0; phase <= flows.length && left > 0; phase += 1) {
    const now = flows.map((flow, index) => ({ ...flow, backlog: remaining(flow.backlog, served[index] ?? 0) }));
    const shares = fluidShares(now, classWeights);
    const step = Math.min(left, ...now.map(({ backlog }, index) => backlog / (shares[index] ?? 0)).filter((time) => time > 0));
    if (sum(shares) === 0) break;
    for (const [index, share] of shares.entries()) served[index] = (served[index] ?? 0) + share * step;
    left -= step;
  }
  return served;
}

// Each flow's share of the server now.
function fluidShares(flows: readonly FluidFlow[], classWeights: readonly number[]): number[] {
  const waits = flows.filter(({ backlog }) => backlog > 0);
  const classes = new Set(waits.map(({ classIndex }) => classIndex));
  const weightOf = (classIndex: number): number => classWeights[classIndex] ?? 0;
  const allClasses = sum([...classes].map(weightOf));
  return flows.map(({ classIndex, weight, backlog }) => {
    if (backlog <= 0) return 0;
    const ofClass = sum(waits.filter((other) => other.classIndex === classIndex).map((other) => other.weight));
    return (weightOf(classIndex) / allClasses) * (weight / ofClass);
  });
}

// What a step was to finish is finished, whatever the last bit says.
function remaining(backlog: number, served: number): number {
  return backlog - served < 1e-9 ? 0 : backlog - served;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
