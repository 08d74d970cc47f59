// One trace at one start-up time: Tidegate at each accepted shortfall beside every setting that hindsight may choose.
import type { PolicyScore } from "#cli/simulate/simulate.ts";
import { simulationRunner } from "#cli/simulate/simulate.ts";
import { sweptPolicies } from "#cli/simulate/policies.ts";
import { SHARD_SLOTS } from "#cli/simulate/load.ts";
import { SIMULATED_POLICY, TidegateScaler } from "#cli/simulate/tidegate-scaler.ts";
import { fineForecaster } from "#cli/simulate/forecaster.ts";
import { TICK_MS } from "#cli/simulate/tick.ts";
import { PLAN_STEP_MS } from "#durable/pool/plan/settings.ts";
import { kernelsFor } from "../kernels/instance.ts";
import { record, RecordedForecast } from "./recorded-forecast.ts";
import type { TraceLoad } from "./traces.ts";

/** One forecaster, and what its calls need. */
const MEMORY_BYTES = 262_144;
const SHORTFALLS = [0.0001, 0.001, 0.01] as const;

export interface Cell {
  readonly shortfall: number;
  readonly own: PolicyScore;
  /** The cheapest HPA or KPA setting with at most the shortfall that was seen; null: there is none. */
  readonly rival: PolicyScore | null;
  /** The cheapest with at most the accepted shortfall. */
  readonly rivalAccepted: PolicyScore | null;
  /** The cheapest KPA setting with at most the shortfall that was seen. */
  readonly kpa: PolicyScore | null;
}

/** Shortfall seen ÷ accepted, at most: else it is not held. */
export const HELD_RATIO_MAX = 1.25;
const STEP_TICKS = PLAN_STEP_MS / TICK_MS;

export function scoreCells(trace: TraceLoad, { delayMs, part }: { delayMs: number; part: "early" | "late" }): Cell[] {
  const { load, startMs } = trace;
  const horizonMs = delayMs + PLAN_STEP_MS;
  const recorded = record(fineForecaster(kernelsFor(MEMORY_BYTES), delayMs), stepMeans(load), { startMs, stepMs: PLAN_STEP_MS, horizonMs });
  let shortfallRatio = 0;
  const run = simulationRunner({
    load,
    delayMs,
    window: trace[part],
    tidegate: () =>
      new TidegateScaler(load, { startMs, policy: { ...SIMULATED_POLICY, shortfallRatio }, forecaster: new RecordedForecast(recorded) }),
  });
  const rivals = sweptPolicies().map((policy) => run(policy));
  return SHORTFALLS.map((shortfall) => {
    shortfallRatio = shortfall;
    const own = run({ name: "tidegate" });
    const cheapest = (shortfallMax: number, prefix = ""): PolicyScore | null =>
      rivals
        .filter(({ name, shortfallSeen }) => name.startsWith(prefix) && shortfallSeen <= shortfallMax)
        .reduce<PolicyScore | null>((best, rival) => (best === null || rival.costToOracle < best.costToOracle ? rival : best), null);
    return {
      shortfall,
      own,
      rival: cheapest(own.shortfallSeen),
      rivalAccepted: cheapest(shortfall),
      kpa: cheapest(own.shortfallSeen, "kpa"),
    };
  });
}

/** In slots. */
function stepMeans(load: Float32Array): Float32Array {
  const means = new Float32Array(Math.floor(load.length / STEP_TICKS));
  for (let step = 0; step < means.length; step++) {
    let sum = 0;
    for (let tick = step * STEP_TICKS; tick < (step + 1) * STEP_TICKS; tick++) sum += (load[tick] ?? 0) * SHARD_SLOTS;
    means[step] = sum / STEP_TICKS;
  }
  return means;
}
