import type { BenchRow } from "../report.ts";

export interface RowInput {
  readonly name: string;
  /** Nanoseconds per operation by contender, all of one run. */
  readonly figures: ReadonlyMap<string, number>;
  /** Which of them is the row's own. */
  readonly own: string;
  readonly budgetNs?: number;
  /** Peer → the most that own ÷ peer may be. */
  readonly ratioMax?: Readonly<Record<string, number>>;
  readonly missing?: Readonly<Record<string, string>>;
}

/** A row in nanoseconds with its ratios. A budget against a peer that is missing does not hold and does not fail: the row says so. */
export function rowOf({ name, figures, own, budgetNs, ratioMax = {}, missing = {} }: RowInput): BenchRow {
  const value = figures.get(own) ?? Number.NaN;
  const versus = Object.fromEntries([...figures].filter(([peer]) => peer !== own).map(([peer, ns]) => [peer, value / ns]));
  const checks = [
    ...(budgetNs === undefined ? [] : [value <= budgetNs]),
    ...Object.entries(ratioMax).flatMap(([peer, most]) => (versus[peer] === undefined ? [] : [versus[peer] <= most])),
  ];
  return {
    name,
    value,
    unit: "ns/op",
    ...(budgetNs === undefined ? {} : { budget: budgetNs }),
    ...(checks.length === 0 ? {} : { ok: checks.every(Boolean) }),
    versus,
    ...(Object.keys(missing).length === 0 ? {} : { missing }),
  };
}
