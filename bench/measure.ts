import { do_not_optimize, measure } from "mitata";

export interface Contender {
  readonly name: string;
  /** Does `operations` of what is measured, and returns something that depends on all of them. */
  readonly run: () => unknown;
  /** Few for the slow ones, so that a round ends. */
  readonly operations: number;
}

const ROUND_COUNT = 7;
const ROUND_CPU_NS = 40_000_000;

/**
 * Nanoseconds per operation of each contender. They take turns, so that a machine whose speed drifts is unfair to none;
 * each figure is the median over the rounds of the round's median (mitata).
 */
export async function measureInTurn(contenders: readonly Contender[]): Promise<Map<string, number>> {
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= ROUND_COUNT; round += 1) {
    for (const { name, run, operations } of contenders) {
      const { p50 } = await measure(() => do_not_optimize(run()), { min_cpu_time: ROUND_CPU_NS, min_samples: 5 });
      // The first round warms up.
      if (round > 0) figures.get(name)?.push(p50 / operations);
    }
  }
  return new Map([...figures].map(([name, values]) => [name, median(values)]));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
