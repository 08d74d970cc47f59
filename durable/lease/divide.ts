// Max-min fair division of whole units. A claim's share is clamp(λ × weight, min(reserve, want), want) with the one
// λ that hands everything out: a reserve is a floor under the share, not an addition to it.
//
// Promises (test/durable/lease/divide.test.ts): nothing is left while somebody wants; nobody gets more than wanted,
// nor less than its reserve where the reserves together fit; every share is less than one unit from the fluid's.
// Remainders go to the largest fractions, ties to the claim that stands first: the same input, the same answer.
// O(n log n). Source: D. Bertsekas, R. Gallager, Data Networks, §6.5.2 (progressive filling).
import { assert } from "#shared/assert.ts";

export interface Claim {
  readonly want: number;
  /** 0: served from what the weighted leave, in proportion to want. */
  readonly weight: number;
  readonly reserve: number;
  /** Of the want, what cannot be taken back now: served before any reserve. */
  readonly pinned?: number;
}

/** Products of two stay exact in a double. */
export const UNITS_MAX = 2 ** 26;
const PRODUCT_MAX = 2 ** 52;

/** The share of each claim, in the claims' order. */
export function divide(capacity: number, claims: readonly Claim[]): number[] {
  assert(Number.isInteger(capacity) && capacity >= 0 && capacity <= UNITS_MAX, "a divided capacity is a whole number up to UNITS_MAX");
  assert(capacity * sum(claims.map(({ weight }) => weight)) <= PRODUCT_MAX, "capacity × weights is exact");
  const bounds = claims.map(({ want, weight, reserve, pinned = 0 }): Bounds => {
    assert([want, weight, reserve, pinned].every(isCount), "a claim is in whole numbers");
    const most = Math.min(want, UNITS_MAX);
    return { pinned: Math.min(pinned, most), floor: Math.min(Math.max(reserve, pinned), most), most, weight };
  });
  if (sum(bounds.map(({ most }) => most)) <= capacity) return bounds.map(({ most }) => most);
  if (sum(bounds.map(({ floor }) => floor)) > capacity) return divideFloors(capacity, bounds);
  // No share is more than the capacity: without the bound the products in `fill` would not be exact.
  const shares = fill(
    capacity,
    bounds.map((bound) => ({ ...bound, most: Math.min(bound.most, capacity) })),
  );
  const weightless = bounds.map(({ weight, most }, index) => (weight === 0 ? most - at(shares, index) : 0));
  const rest = proportional(capacity - sum(shares), weightless);
  return shares.map((share, index) => share + at(rest, index));
}

/**
 * One's part where equal parts come first and what is left goes in proportion to what is still wanted: Doorman's
 * PROPORTIONAL_SHARE. A small want is met before a large one is topped up, so no holder of a flow starves beside a busy one.
 * `wants` are (name, want, for how many: 1 if left out); one that asks for many has as many equal parts. A remainder goes to the
 * largest fractions, a tie to the lesser name.
 */
export function partByWant(capacity: number, wants: Iterable<readonly [string, number, number?]>, name: string): number {
  let [claimants, own, ownClaimants] = [0, 0, 1];
  for (const [of, want, count = 1] of wants) {
    if (want > 0) claimants += count;
    if (of === name) [own, ownClaimants] = [want, count];
  }
  const part = claimants === 0 ? 0 : Math.floor(capacity / claimants);
  if (own <= part * ownClaimants) return own;
  let [rest, over] = [capacity, 0];
  for (const [, want, count = 1] of wants) {
    rest -= Math.min(want, part * count);
    over += Math.max(0, want - part * count);
  }
  if (over <= rest) return own;
  const fractionOf = (want: number, count: number): number => (rest * Math.max(0, want - part * count)) % over;
  let [down, before] = [0, 0];
  for (const [of, want, count = 1] of wants) {
    down += Math.floor((rest * Math.max(0, want - part * count)) / over);
    const difference = fractionOf(want, count) - fractionOf(own, ownClaimants);
    if (of !== name && (difference > 0 || (difference === 0 && of < name))) before += 1;
  }
  const ownPart = part * ownClaimants;
  return ownPart + Math.floor((rest * (own - ownPart)) / over) + (before < rest - down ? 1 : 0);
}

export interface ClassShare {
  readonly weight: number;
  /** Slots. */
  readonly reserve: number;
}

interface Bounds {
  readonly pinned: number;
  readonly floor: number;
  readonly most: number;
  readonly weight: number;
}

interface Edge {
  readonly index: number;
  /** λ as a fraction: the level at which the claim leaves its floor, or is full. */
  readonly level: number;
  readonly weight: number;
  readonly isFull: boolean;
}

/** More reserved than there is: what is pinned, then the reserves in proportion. */
function divideFloors(capacity: number, bounds: readonly Bounds[]): number[] {
  const kept = proportional(
    capacity,
    bounds.map(({ pinned }) => pinned),
  );
  const rest = proportional(
    capacity - sum(kept),
    bounds.map(({ floor }, index) => floor - at(kept, index)),
  );
  return kept.map((share, index) => share + at(rest, index));
}

/** Raises λ from edge to edge until everything is handed out. The floors fit; weight 0 stays on its floor. */
function fill(capacity: number, bounds: readonly Bounds[]): number[] {
  const shares = bounds.map(({ floor }) => floor);
  const edges = bounds
    .flatMap(({ floor, most, weight }, index): Edge[] =>
      weight === 0 || floor === most
        ? []
        : [
            { index, level: floor, weight, isFull: false },
            { index, level: most, weight, isFull: true },
          ],
    )
    .toSorted((a, b) => a.level * b.weight - b.level * a.weight || Number(a.isFull) - Number(b.isFull) || a.index - b.index);
  const rising = new Set<number>();
  let [settled, weights] = [sum(shares), 0];
  for (const { index, level, weight, isFull } of edges) {
    if (settled * weight + weights * level >= capacity * weight) break;
    settled += isFull ? level : -level;
    weights += isFull ? -weight : weight;
    if (isFull) {
      rising.delete(index);
      shares[index] = level;
    } else rising.add(index);
  }
  const members = [...rising].toSorted((a, b) => a - b);
  const parts = apportion(
    capacity - settled,
    members.map((index) => bounds[index]?.weight ?? 0),
  );
  for (const [nth, index] of members.entries()) shares[index] = at(parts, nth);
  return shares;
}

/** In proportion to the wants, and all of them where they fit. */
function proportional(capacity: number, wants: readonly number[]): number[] {
  return sum(wants) <= capacity ? [...wants] : apportion(capacity, wants);
}

/** units × weight ÷ Σ weights in whole numbers: rounded down, then one more to the largest fractions. */
function apportion(units: number, weights: readonly number[]): number[] {
  const total = sum(weights);
  if (total === 0) return weights.map(() => 0);
  const products = weights.map((weight) => units * weight);
  const parts = products.map((product) => Math.floor(product / total));
  const byFraction = products.map((product, index) => ({ index, fraction: product % total }));
  byFraction.sort((a, b) => b.fraction - a.fraction || a.index - b.index);
  for (const { index } of byFraction.slice(0, units - sum(parts))) parts[index] = at(parts, index) + 1;
  return parts;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? 0;
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
