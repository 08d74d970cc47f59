// What a policy cost and what it left unserved, over a window of the run.
import { DAY_MS } from "#shared/units.ts";
import { Fleet } from "./fleet.ts";
import { TICK_MS } from "./tick.ts";

/** Decides how many shards there should be. At `tick` it may have seen load[0 … tick − 1], and nothing after. */
export interface Scaler {
  decide(tick: number, fleet: Fleet): number;
}

export interface Window {
  readonly fromTick: number;
  /** Exclusive. */
  readonly toTick: number;
}

export interface Account {
  /** Shard-ticks billed. */
  readonly billed: number;
  /** Σ max(load − ready, 0), in shard-ticks. */
  readonly shortfall: number;
  /** Σ load, in shard-ticks. */
  readonly load: number;
  readonly shortTicks: number;
  readonly ticks: number;
  readonly starts: number;
  readonly drains: number;
}

/** Shards that serve before the first decision. */
const COUNT_AT_FIRST = 1;
/** The bound on every policy's fleet. */
export const FLEET_COUNT_MAX = 100_000;

/** Runs from tick 0; only the window is accounted. `onTick` sees billed and ready after the decision. */
export function runScaler(
  load: Float32Array,
  scaler: Scaler,
  { delayTicks, window, onTick }: { delayTicks: number; window: Window; onTick?: (tick: number, fleet: Fleet) => void },
): Account {
  const fleet = new Fleet(delayTicks, COUNT_AT_FIRST);
  let billed = 0;
  let shortfall = 0;
  let total = 0;
  let shortTicks = 0;
  let startsBefore = 0;
  let drainsBefore = 0;
  for (let tick = 0; tick < window.toTick; tick++) {
    fleet.advance(tick);
    if (tick === window.fromTick) ({ startCount: startsBefore, drainCount: drainsBefore } = fleet);
    fleet.resize(Math.min(scaler.decide(tick, fleet), FLEET_COUNT_MAX), tick);
    if (delayTicks === 0) fleet.advance(tick);
    onTick?.(tick, fleet);
    if (tick < window.fromTick) continue;
    const wanted = load[tick] ?? 0;
    billed += fleet.count;
    total += wanted;
    if (wanted > fleet.ready) {
      shortfall += wanted - fleet.ready;
      shortTicks++;
    }
  }
  const ticks = window.toTick - window.fromTick;
  return {
    billed,
    shortfall,
    load: total,
    shortTicks,
    ticks,
    starts: fleet.startCount - startsBefore,
    drains: fleet.drainCount - drainsBefore,
  };
}

export interface Score {
  /** Shortfall ÷ load. */
  readonly shortfallSeen: number;
  /** Share of the time with any shortfall. */
  readonly timeShort: number;
  readonly costToOracle: number;
  /** Shards started and drained. */
  readonly operationsPerDay: number;
}

export function scoreOf(account: Account, oracleBilled: number): Score {
  return {
    shortfallSeen: account.load > 0 ? account.shortfall / account.load : 0,
    timeShort: account.shortTicks / account.ticks,
    costToOracle: account.billed / oracleBilled,
    operationsPerDay: (account.starts + account.drains) / ((account.ticks * TICK_MS) / DAY_MS),
  };
}
