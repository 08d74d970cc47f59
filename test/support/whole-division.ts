// The divisions of docs/design/leases.md done whole and at once, as the ledger, which keeps them up to date, never does.
import { divide, type Claim, type ClassShare } from "#durable/lease/divide.ts";

/** Equal parts first, what is left in proportion to what is still wanted; a remainder to the largest fractions, ties in order. */
export function divideByWant(capacity: number, wants: readonly number[]): number[] {
  const claimants = wants.filter((want) => want > 0).length;
  const part = claimants === 0 ? 0 : Math.floor(capacity / claimants);
  const shares = wants.map((want) => Math.min(want, part));
  const over = wants.map((want, index) => want - at(shares, index));
  const [rest, total] = [capacity - sum(shares), sum(over)];
  if (total <= rest) return [...wants];
  const down = over.map((want) => Math.floor((rest * want) / total));
  const byFraction = over.map((want, index) => ({ index, fraction: (rest * want) % total }));
  byFraction.sort((a, b) => b.fraction - a.fraction || a.index - b.index);
  const raised = new Set(byFraction.slice(0, rest - sum(down)).map(({ index }) => index));
  return shares.map((share, index) => share + at(down, index) + (raised.has(index) ? 1 : 0));
}

export interface FlowClaim {
  readonly className: string;
  readonly weight: number;
  readonly want: number;
  /** Of the want, what cannot be taken back now: it comes first, and counts against its flow and class. */
  readonly pinned: number;
}

/** Classes by weight over their reserves, flows inside a class by weight. */
export function divideFlows(capacity: number, classes: ReadonlyMap<string, ClassShare>, flows: readonly FlowClaim[]): number[] {
  const byClass = Map.groupBy(flows.keys(), (index) => flows[index]?.className ?? "");
  const groups = [...byClass].map(([className, members]) => ({ share: classes.get(className), members }));
  const claims = groups.map(({ share, members }): Claim => {
    const pinned = sum(members.map((index) => flows[index]?.pinned ?? 0));
    return {
      want: sum(members.map((index) => flows[index]?.want ?? 0)),
      weight: share?.weight ?? 0,
      reserve: share?.reserve ?? 0,
      pinned,
    };
  });
  const perClass = divide(capacity, claims);
  const shares = flows.map(() => 0);
  for (const [place, { members }] of groups.entries()) {
    const ofFlows = members.map((index): Claim => {
      const flow = flows[index];
      return { want: flow?.want ?? 0, weight: flow?.weight ?? 0, reserve: 0, pinned: flow?.pinned ?? 0 };
    });
    for (const [nth, share] of divide(at(perClass, place), ofFlows).entries()) shares[at(members, nth)] = share;
  }
  return shares;
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
