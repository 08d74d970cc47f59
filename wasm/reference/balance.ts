// Twins of wasm/assembly/schedule/balance/*.ts.

const PENALTY_MS = 140_737_488;
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const CREDIT_MAX = 2 ** 30;

export interface ReferenceEndpoint {
  costMs: number;
  stampMs: number;
  outstanding: number;
  isOpen: boolean;
}

export interface Moment {
  readonly nowMs: number;
  readonly decayMs: number;
}

export function peakEwmaLoadReference(endpoint: ReferenceEndpoint, { nowMs, decayMs }: Moment): number {
  const cost = endpoint.costMs * exponentialReference(Math.max(nowMs - endpoint.stampMs, 0) / decayMs);
  return cost === 0 && endpoint.outstanding > 0 ? PENALTY_MS + endpoint.outstanding : cost * (endpoint.outstanding + 1);
}

export function peakEwmaEndReference(endpoint: ReferenceEndpoint, latencyMs: number, { nowMs, decayMs }: Moment): void {
  const weight = exponentialReference(Math.max(nowMs - endpoint.stampMs, 0) / decayMs);
  endpoint.outstanding = Math.max(endpoint.outstanding - 1, 0);
  endpoint.costMs = latencyMs > endpoint.costMs ? latencyMs : endpoint.costMs * weight + latencyMs * (1 - weight);
  endpoint.stampMs = Math.max(nowMs, endpoint.stampMs);
}

/** `words`: two random words of 32 bits. */
export function peakEwmaChooseReference(endpoints: readonly ReferenceEndpoint[], words: readonly [number, number], moment: Moment): number {
  const first = Number((BigInt(words[0]) * BigInt(endpoints.length)) >> 32n);
  const drawn = Number((BigInt(words[1]) * BigInt(Math.max(endpoints.length - 1, 0))) >> 32n);
  const two = endpoints.length > 1 ? [first, drawn >= first ? drawn + 1 : drawn] : [first];
  const isOpen = (index: number): boolean => endpoints[index]?.isOpen ?? false;
  const candidates = two.some(isOpen) ? two : Array.from(endpoints, (_, index) => index);
  let [best, bestLoad] = [-1, 0];
  for (const index of candidates) {
    const endpoint = endpoints[index];
    if (endpoint?.isOpen !== true) continue;
    const load = peakEwmaLoadReference(endpoint, moment);
    if (best < 0 || load < bestLoad) [best, bestLoad] = [index, load];
  }
  return best;
}

/** 1 ÷ 13! to 1 ÷ 0!. */
const TAYLOR = [
  1.6059043836821613e-10, 2.08767569878681e-9, 2.505210838544172e-8, 2.755731922398589e-7, 2.7557319223985893e-6, 2.48015873015873e-5,
  0.0001984126984126984, 0.001388888888888889, 0.008333333333333333, 0.041666666666666664, 0.16666666666666666, 0.5, 1, 1,
];

/** e^-x for x ≥ 0, by the kernel's own steps. */
export function exponentialReference(x: number): number {
  if (!(x <= 700)) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = k * LN2_HIGH - x + k * LN2_LOW;
  let sum = 0;
  for (const coefficient of TAYLOR) sum = sum * r + coefficient;
  return sum * 2 ** -k;
}

export interface ReferenceTurn {
  weight: number;
  active: number;
  credit: number;
}

export function leastConnectionsReference(shards: readonly Readonly<ReferenceTurn>[], start: number): number {
  const ranked = shards
    .map(({ weight, active }, index) => ({
      index,
      weight: BigInt(weight),
      active: BigInt(active) + 1n,
      turn: turnOf(index, start, shards.length),
    }))
    .filter(({ weight }) => weight > 0n)
    .toSorted((a, b) => Number(a.active * b.weight - b.active * a.weight) || a.turn - b.turn);
  return ranked[0]?.index ?? -1;
}

function turnOf(index: number, start: number, count: number): number {
  return (index - (start % count) + count) % count;
}

export function smoothRoundRobinReference(shards: ReferenceTurn[]): number {
  const inTurn = shards.filter(({ weight }) => weight > 0);
  for (const shard of inTurn) shard.credit = Math.min(shard.credit + shard.weight, CREDIT_MAX);
  const [richest] = inTurn.toSorted((a, b) => b.credit - a.credit);
  if (richest === undefined) return -1;
  richest.credit = Math.max(richest.credit - inTurn.reduce((sum, { weight }) => sum + weight, 0), -CREDIT_MAX);
  return shards.indexOf(richest);
}
