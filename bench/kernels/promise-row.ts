// Who keeps the shard table's promise, as a row and as a budget.
import type { BenchRow } from "../report.ts";
import { keepsPromise, type Kept } from "./promise.ts";

export interface KeptByAll {
  readonly own: Kept;
  readonly peers: ReadonlyMap<string, Kept>;
}

/** The budget against each peer that keeps the promise. Whoever does not is printed and not judged. */
export function ratioMaxOfKeepers({ own, peers }: KeptByAll, ratioMax: number): Record<string, number> {
  return Object.fromEntries([...peers].filter(([, kept]) => keepsPromise(kept, own)).map(([name]) => [name, ratioMax]));
}

/** The worst shard's deviation, ours beside theirs, and why a peer's time is not judged. */
export function promiseRow(name: string, { own, peers }: KeptByAll): BenchRow[] {
  const entries = [...peers];
  const broken = entries.filter(([, kept]) => !keepsPromise(kept, own));
  return [
    {
      name: `${name}, worst shard off its share`,
      value: own.deviation * 100,
      unit: "%",
      versus: Object.fromEntries(entries.map(([peer, { deviation }]) => [peer, own.deviation / deviation])),
      missing: Object.fromEntries(broken.map(([peer, kept]) => [peer, `plainer question: ${faultsOf(kept).join(", ")}`])),
    },
  ];
}

function faultsOf({ deviation, needless, isRepeatable }: Kept): string[] {
  return [
    `a shard ${percent(deviation)} off its share`,
    ...(needless > 0 ? [`${percent(needless)} of the keys moved without need`] : []),
    ...(isRepeatable ? [] : ["two tables disagree"]),
  ];
}

function percent(part: number): string {
  return `${(part * 100).toPrecision(2)} %`;
}
