// What a shard table promises, measured of anything that chooses: who keeps it is timed against the budget, who does
// not answers a plainer question (docs/decisions/0005-peers-of-a-bench.md).

export interface PromiseShard {
  readonly shardId: string;
  readonly weight: number;
}

export interface PromiseTable {
  /** The shard's index among those that the table was made of. */
  readonly choose: (key: string) => number;
  readonly remove: (index: number) => void;
}

/** Makes a table anew at each call. */
export type MakeTable = (shards: readonly PromiseShard[]) => PromiseTable;

export interface Kept {
  /** The worst shard's |keys ÷ its share of them - 1|. */
  readonly deviation: number;
  /** Part of the keys that leave a shard that stays, when another goes. */
  readonly needless: number;
  /** Whether two tables of the same shards answer alike, as two isolates must. */
  readonly isRepeatable: boolean;
}

/** Generous to peers: where ours is the noise of the sample, theirs may be that and as much again. */
const DEVIATION_RATIO_MAX = 2;

export function measurePromise(make: MakeTable, shards: readonly PromiseShard[], keys: readonly string[]): Kept {
  const table = make(shards);
  const answers = keys.map(table.choose);
  const again = keys.map(make(shards).choose);
  const gone = shards.length >> 1;
  table.remove(gone);
  const moved = keys.filter((key, at) => answers[at] !== gone && table.choose(key) !== answers[at]);
  const isRepeatable = answers.every((answer, at) => answer === again[at]);
  return { deviation: deviationOf(answers, shards), needless: moved.length / keys.length, isRepeatable };
}

export function keepsPromise(peer: Kept, own: Kept): boolean {
  return peer.isRepeatable && peer.needless <= own.needless && peer.deviation <= DEVIATION_RATIO_MAX * own.deviation;
}

function deviationOf(answers: readonly number[], shards: readonly PromiseShard[]): number {
  const counts = shards.map(() => 0);
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1;
  const total = shards.reduce((sum, { weight }) => sum + weight, 0);
  return Math.max(...shards.map(({ weight }, index) => Math.abs(((counts[index] ?? 0) * total) / (weight * answers.length) - 1)));
}
