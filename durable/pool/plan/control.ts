// Once an hour: which rung holds the accepted shortfall at the least cost, judged by the replays.
//
// A candidate is a family of rungs and a memory. It takes the boldest rung whose replayed shortfall, over that memory, is
// within the target. Between candidates decides what following each of them would have cost, with its own choices made
// before each hour was seen: no candidate is judged by hours that it has learned from.
import { assert } from "#shared/assert.ts";
import { AT, CANDIDATE_COUNT, type PlannerState } from "./planner-state.ts";
import { EXCEEDANCES, FAMILIES, RUNG_COUNT } from "./rungs.ts";
import { CONTROL } from "./settings.ts";

export interface Control {
  readonly rung: number;
  /** Of the load: what the chosen rung's replay left, over its candidate's memory. */
  readonly expectedRatio: number;
  /** No rung holds the accepted shortfall at a price that shortfall is worth. */
  readonly isAttainable: boolean;
}

const MEMORY_COUNT = CONTROL.memoriesMs.length;
const MEMORY_DECAYS = CONTROL.memoriesMs.map(decayOf);
const RECORD_DECAY = decayOf(CONTROL.recordMs);
const SEEN_DECAY = decayOf(CONTROL.seenMs);
const PAYBACK_DECAY = decayOf(CONTROL.paybackMs);

/** Folds the hour that ends into the memories, and chooses for the next. `shortfallRatio` is what the operator accepts. */
export function closeHour(state: PlannerState, shortfallRatio: number): void {
  const { scalars } = state;
  const load = scalars[AT.hourLoad]!;
  judgeCandidates(state, load);
  for (let memory = 0; memory < MEMORY_COUNT; memory++) remember(state, memory, load);
  scalars[AT.seenShortfall] = scalars[AT.seenShortfall]! * SEEN_DECAY + scalars[AT.hourSeen]!;
  scalars[AT.seenLoad] = scalars[AT.seenLoad]! * SEEN_DECAY + load;
  scalars[AT.paybackLoad] = scalars[AT.paybackLoad]! * PAYBACK_DECAY + load;
  state.hourCost.fill(0);
  state.hourShortfall.fill(0);
  scalars[AT.hourLoad] = 0;
  scalars[AT.hourSeen] = 0;
  scalars[AT.hourMs] = 0;
  chooseRungs(state, Math.max(shortfallRatio, CONTROL.shortfallRatioMin));
}

/** What was chosen last. */
export function controlOf(state: PlannerState, shortfallRatio: number): Control {
  const candidate = state.scalars[AT.candidate]!;
  const rung = state.candidateRung[candidate]!;
  const memory = Math.floor(candidate / FAMILIES.length);
  const load = state.load[memory]!;
  const expectedRatio = load > 0 ? state.shortfall[memory * RUNG_COUNT + rung]! / load : 0;
  const accepted = Math.max(shortfallRatio, CONTROL.shortfallRatioMin);
  return { rung, expectedRatio, isAttainable: expectedRatio <= CONTROL.attainableRatioMax * accepted };
}

/** What was left unserved, of what was wanted, remembered for about two weeks; NaN before anything was wanted. */
export function seenShortfallRatio({ scalars }: PlannerState): number {
  return (scalars[AT.seenShortfall]! + scalars[AT.hourSeen]!) / (scalars[AT.seenLoad]! + scalars[AT.hourLoad]!);
}

/**
 * The shortfall that the replays should have shown: what is accepted, less what was seen beyond it, to be paid back over
 * about a week's load, within bounds.
 */
function targetOf(state: PlannerState, accepted: number): number {
  const { scalars } = state;
  const aim = CONTROL.aim * accepted;
  const load = scalars[AT.paybackLoad]!;
  const owed = load > 0 ? (scalars[AT.seenShortfall]! - aim * scalars[AT.seenLoad]!) / load : 0;
  return Math.min(CONTROL.targetRatioMax * accepted, Math.max(CONTROL.targetRatioMin * accepted, aim - owed));
}

function judgeCandidates(state: PlannerState, load: number): void {
  const { scalars, candidateCost, candidateShortfall, candidateRung, hourCost, hourShortfall } = state;
  scalars[AT.recordLoad] = scalars[AT.recordLoad]! * RECORD_DECAY + load;
  for (let candidate = 0; candidate < CANDIDATE_COUNT; candidate++) {
    const rung = candidateRung[candidate]!;
    candidateCost[candidate] = candidateCost[candidate]! * RECORD_DECAY + hourCost[rung]!;
    candidateShortfall[candidate] = candidateShortfall[candidate]! * RECORD_DECAY + hourShortfall[rung]!;
  }
}

function remember(state: PlannerState, memory: number, hourLoad: number): void {
  const { cost, shortfall, load, hourCost, hourShortfall } = state;
  const decay = MEMORY_DECAYS[memory]!;
  const first = memory * RUNG_COUNT;
  if (load[memory] === 0 && hourLoad > 0) {
    load[memory] = hourLoad * (CONTROL.priorMs / CONTROL.periodMs);
    for (let rung = 0; rung < RUNG_COUNT; rung++) shortfall[first + rung]! += CONTROL.priorRatio * EXCEEDANCES[rung]! * load[memory];
  }
  load[memory] = load[memory]! * decay + hourLoad;
  for (let rung = 0; rung < RUNG_COUNT; rung++) {
    cost[first + rung] = cost[first + rung]! * decay + hourCost[rung]!;
    shortfall[first + rung] = shortfall[first + rung]! * decay + hourShortfall[rung]!;
  }
}

function chooseRungs(state: PlannerState, accepted: number): void {
  const { scalars, candidateRung, candidateCost, candidateShortfall } = state;
  const target = targetOf(state, accepted);
  // The whole of what is accepted, above any target: a candidate that does what it was asked is not fined for it.
  const allowed = accepted * scalars[AT.recordLoad]!;
  let best = scalars[AT.candidate]!;
  let bestLoss = Infinity;
  for (let candidate = 0; candidate < CANDIDATE_COUNT; candidate++) {
    const family = FAMILIES[candidate % FAMILIES.length];
    assert(family !== undefined, "a candidate has a family");
    candidateRung[candidate] = boldest(state, { family, memory: Math.floor(candidate / FAMILIES.length), target, accepted });
    const loss = candidateCost[candidate]! + Math.max(0, candidateShortfall[candidate]! - allowed) / accepted;
    const favoured = candidate === scalars[AT.candidate] ? loss * (1 - CONTROL.hysteresis) : loss;
    if (favoured >= bestLoss) continue;
    bestLoss = favoured;
    best = candidate;
  }
  scalars[AT.candidate] = best;
}

interface Search {
  readonly family: { readonly first: number; readonly end: number };
  readonly memory: number;
  /** Of the load. */
  readonly target: number;
  readonly accepted: number;
}

/** The first rung within the target; but no step is taken that costs more than a shard-second saved is worth. */
function boldest(state: PlannerState, { family, memory, target, accepted }: Search): number {
  const allowed = target * state.load[memory]!;
  const first = memory * RUNG_COUNT;
  const price = priceOf(accepted);
  const isWorth = (from: number, to: number): boolean =>
    state.cost[first + to]! - state.cost[first + from]! <= (state.shortfall[first + from]! - state.shortfall[first + to]!) * price;
  let rung = family.first;
  while (rung < family.end - 1 && state.shortfall[first + rung]! > allowed) {
    let next = rung + 1;
    while (next < family.end && !isWorth(rung, next)) next++;
    if (next === family.end) break;
    rung++;
  }
  return rung;
}

/** Shard-seconds paid for a shard-second of shortfall saved, at most. */
function priceOf(accepted: number): number {
  const least = CONTROL.priceShortfallRatio;
  return accepted >= least ? 1 / accepted : (least / accepted) ** CONTROL.priceExponent / least;
}

function decayOf(memoryMs: number): number {
  return Math.exp(-CONTROL.periodMs / memoryMs);
}
