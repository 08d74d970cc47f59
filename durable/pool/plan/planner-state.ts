// Everything the planner remembers of one service: typed arrays over one buffer, so that it is stored as it is.
import { assert } from "#shared/assert.ts";
import { FAMILIES, RUNG_COUNT } from "./rungs.ts";
import { BUSIEST, CONTROL, QUANTILES, RING_COUNT, START_TIME } from "./settings.ts";

/** Changes whenever the layout or a rung's meaning does: what was stored before is then forgotten. */
const VERSION = 2;
const MEMORY_COUNT = CONTROL.memoriesMs.length;
export const CANDIDATE_COUNT = MEMORY_COUNT * FAMILIES.length;
/** The shadow of the plan itself, as it was said: behind those of the rungs. */
export const OWN_SHADOW = RUNG_COUNT;
export const SHADOW_COUNT = RUNG_COUNT + 1;

const FLOATS = {
  // Of the hour that runs, in shard-seconds per rung, drains in shards; then the same remembered, per memory.
  hourCost: RUNG_COUNT,
  hourShortfall: RUNG_COUNT,
  cost: MEMORY_COUNT * RUNG_COUNT,
  shortfall: MEMORY_COUNT * RUNG_COUNT,
  load: MEMORY_COUNT,
  // What following each candidate would have cost and left.
  candidateCost: CANDIDATE_COUNT,
  candidateShortfall: CANDIDATE_COUNT,
  /** Seconds that a shadow has had more than it keeps, times how much more. */
  surplus: RUNG_COUNT,
  scalars: 20,
} as const;

const INTEGERS = {
  /** Shards of every shadow, and of them ready. */
  count: SHADOW_COUNT,
  ready: SHADOW_COUNT,
  candidateRung: CANDIDATE_COUNT,
  ring: RING_COUNT * SHADOW_COUNT,
} as const;

const SINGLES = {
  /** The busiest minute of every hour, in shards. */
  busiest: BUSIEST.hourCount,
  startMs: START_TIME.countMax,
} as const;

/** Places in `scalars`. */
export const AT = {
  version: 0,
  /** Of the last plan; 0: none yet. */
  plannedMs: 1,
  hourMs: 2,
  hourLoad: 3,
  recordLoad: 4,
  /** Seen, in shard-seconds: shortfall and load over the record's memory, load over the payback's. */
  seenShortfall: 5,
  seenLoad: 6,
  paybackLoad: 7,
  hourSeen: 8,
  candidate: 9,
  ringAt: 10,
  /** Plans that the newest entry of the ring stands for already. */
  ringFilled: 11,
  hourIndex: 12,
  minuteMean: 13,
  startCount: 14,
  /** Planned with. */
  startMs: 15,
  /** For how many seconds the plan's own shards were more than it keeps. */
  plannedSurplus: 16,
  /** The first that is in `busiest`. */
  hourFirst: 17,
  /** In slots, of the last plan, less than none before the first; and the variance of its change from one to the next, ÷ itself. */
  needBefore: 18,
  changeVariance: 19,
} as const;

type Views<T, A> = { readonly [Name in keyof T]: A };
export type PlannerState = Views<typeof FLOATS, Float64Array> &
  Views<typeof INTEGERS, Int32Array> &
  Views<typeof SINGLES, Float32Array> & {
    /** All of it, as it is stored. */
    readonly bytes: Uint8Array;
  };

const floatCount = Object.values(FLOATS).reduce<number>((sum, length) => sum + length, 0);
const integerCount = Object.values(INTEGERS).reduce<number>((sum, length) => sum + length, 0);
const singleCount = Object.values(SINGLES).reduce<number>((sum, length) => sum + length, 0);
const STATE_BYTES = 8 * floatCount + 4 * (integerCount + singleCount);

export function newPlannerState(startMsPrior: number): PlannerState {
  const state = viewsOf(new ArrayBuffer(STATE_BYTES));
  state.scalars[AT.version] = VERSION;
  state.scalars[AT.startMs] = startMsPrior;
  state.scalars[AT.needBefore] = -1;
  state.scalars[AT.changeVariance] = 1;
  state.scalars[AT.ringFilled] = Number.MAX_SAFE_INTEGER; // The first plan opens an entry of its own.
  state.count.fill(1);
  state.ready.fill(1);
  state.ring.fill(1);
  for (let candidate = 0; candidate < CANDIDATE_COUNT; candidate++) {
    state.candidateRung[candidate] = FAMILIES[candidate % FAMILIES.length]!.first + QUANTILES.rungAtFirst;
  }
  return state;
}

/** What was stored; null where it is of another version or no state at all. */
export function readPlannerState(bytes: Uint8Array): PlannerState | null {
  if (bytes.length !== STATE_BYTES) return null;
  const state = viewsOf(new Uint8Array(bytes).buffer);
  if (state.scalars[AT.version] !== VERSION) return null;
  const numbers = [...state.scalars, ...state.cost, ...state.shortfall, ...state.load];
  return numbers.every((value) => Number.isFinite(value)) ? state : null;
}

function viewsOf(buffer: ArrayBuffer): PlannerState {
  let offset = 0;
  const cut = <T>(shape: Readonly<Record<string, number>>, bytesEach: number, view: (at: number, length: number) => T): [string, T][] =>
    Object.entries(shape).map(([name, length]) => {
      const at = offset;
      offset += length * bytesEach;
      return [name, view(at, length)];
    });
  const views = Object.fromEntries<Float64Array | Int32Array | Float32Array>([
    ...cut(FLOATS, 8, (at, length) => new Float64Array(buffer, at, length)),
    ...cut(INTEGERS, 4, (at, length) => new Int32Array(buffer, at, length)),
    ...cut(SINGLES, 4, (at, length) => new Float32Array(buffer, at, length)),
  ]);
  assert(offset === buffer.byteLength, "the planner's state fills its buffer");
  return { ...views, bytes: new Uint8Array(buffer) } as unknown as PlannerState; // Each name is in exactly one of the three tables.
}
