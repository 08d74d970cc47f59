// Policies on one load under a virtual clock, beside the oracle.
import { runScaler, scoreOf, type Scaler, type Score, type Window } from "./account.ts";
import type { Fleet } from "./fleet.ts";
import { formatPolicy, rivalScaler, type Policy } from "./policies.ts";
import { oracleCounts } from "./rivals/oracle.ts";
import { ticksOf } from "./tick.ts";

export interface Simulation {
  /** In shards, per tick. */
  readonly load: Float32Array;
  readonly delayMs: number;
  readonly window: Window;
  /** What stands for the policy "tidegate". */
  tidegate(): Scaler;
}

export interface PolicyScore extends Score {
  /** "hpa:0.71" */
  readonly name: string;
}

/** A service has one shard at least, whoever decides. */
const SERVICE_COUNT_MIN = 1;

/** Prepares the oracle once; scores one policy after another. */
export function simulationRunner(simulation: Simulation): (policy: Policy, onTick?: (tick: number, fleet: Fleet) => void) => PolicyScore {
  const { load, window } = simulation;
  const delayTicks = ticksOf(simulation.delayMs);
  const oracle = oracleCounts(load, { delayTicks, countMin: SERVICE_COUNT_MIN });
  let oracleBilled = 0;
  for (let tick = window.fromTick; tick < window.toTick; tick++) oracleBilled += oracle[tick] ?? 0;
  return (policy, onTick) => {
    const { name } = policy;
    const scaler =
      name === "tidegate" ? simulation.tidegate() : rivalScaler({ ...policy, name }, { load, oracle, fromTick: window.fromTick });
    const account = runScaler(load, scaler, { delayTicks, window, ...(onTick === undefined ? {} : { onTick }) });
    return { name: formatPolicy(policy), ...scoreOf(account, oracleBilled) };
  };
}
