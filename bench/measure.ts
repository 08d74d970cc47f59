import { do_not_optimize, measure } from "mitata";

export type Contender = Loop | Program;

interface Loop {
  readonly name: string;
  /** Does `operations` of what is measured, and returns something that depends on all of them. */
  readonly run: () => unknown;
  /** Few for the slow ones, so that a round ends. */
  readonly operations: number;
}

/** Something that takes its own time. */
interface Program {
  readonly name: string;
  readonly nsPerOperation: () => number;
}

const ROUND_COUNT = 7;
const ROUND_CPU_NS = 30_000_000;
const OPTIONS = {
  min_cpu_time: ROUND_CPU_NS,
  min_samples: 3,
  // A run is many operations already: mitata would repeat one of less than 65 µs 4,096 times over.
  batch_threshold: 1_000,
};

/**
 * Nanoseconds per operation of each contender. They take turns, so that a machine whose speed drifts is unfair to none;
 * each figure is the median over the rounds of the round's median (mitata).
 */
export async function measureInTurn(contenders: readonly Contender[]): Promise<Map<string, number>> {
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= ROUND_COUNT; round += 1) {
    for (const contender of contenders) {
      const ns = await nsPerOperation(contender);
      // The first round warms up.
      if (round > 0) figures.get(contender.name)?.push(ns);
    }
  }
  return new Map([...figures].map(([name, values]) => [name, median(values)]));
}

async function nsPerOperation(contender: Contender): Promise<number> {
  if ("nsPerOperation" in contender) return contender.nsPerOperation();
  const { run, operations } = contender;
  const { p50 } = await measure(() => do_not_optimize(run()), OPTIONS);
  return p50 / operations;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
