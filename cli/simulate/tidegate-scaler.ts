// Our own planner on the virtual clock: the pool's alarm without the pool.
import { plan, type Plan, type PlanPolicy } from "#durable/pool/planner.ts";
import type { DemandForecast } from "#durable/pool/plan/demand-forecast.ts";
import { newPlannerState } from "#durable/pool/plan/planner-state.ts";
import { PLAN_STEP_MS, START_TIME } from "#durable/pool/plan/settings.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Scaler } from "./account.ts";
import type { Fleet } from "./fleet.ts";
import { SHARD_SLOTS } from "./load.ts";
import { TICK_MS, ticksOf } from "./tick.ts";

export interface Forecaster extends DemandForecast {
  /** Slots wanted, as the mean over the step that ends at `timeMs`. */
  observe(slots: number, timeMs: number): unknown;
}

export interface TidegateOptions {
  /** Of the first tick. */
  readonly startMs: number;
  readonly policy: PlanPolicy;
  readonly forecaster: Forecaster;
  readonly onPlan?: (plan: Plan, tick: number) => void;
}

/** No bound but demand's own; a service's startMsPrior of 30 s is wrong on purpose. */
export const SIMULATED_POLICY: Omit<PlanPolicy, "shortfallRatio"> = {
  drainPrice: 0,
  startMsPrior: 30 * SECOND_MS,
  shardSlots: SHARD_SLOTS,
  countMin: 1,
  countMax: 100_000,
  stepMax: 100_000,
  warmCount: 0,
  costPerHourMax: Infinity,
  pricePerHour: 0,
};

const PLAN_TICKS = ticksOf(PLAN_STEP_MS);

export class TidegateScaler implements Scaler {
  readonly #load: Float32Array;
  readonly #options: TidegateOptions;
  readonly #state;
  readonly #wantedSlots = Array.from({ length: PLAN_TICKS }, () => 0);
  #readiedCount = 0;

  constructor(load: Float32Array, options: TidegateOptions) {
    this.#load = load;
    this.#options = options;
    this.#state = newPlannerState(options.policy.startMsPrior);
  }

  decide(tick: number, fleet: Fleet): number {
    if (tick === 0 || tick % PLAN_TICKS !== 0) return fleet.count;
    const { startMs, policy, forecaster, onPlan } = this.#options;
    const nowMs = startMs + tick * TICK_MS;
    let sum = 0;
    for (let index = 0; index < PLAN_TICKS; index++) {
      const slots = (this.#load[tick - PLAN_TICKS + index] ?? 0) * SHARD_SLOTS;
      this.#wantedSlots[index] = slots;
      sum += slots;
    }
    forecaster.observe(sum / PLAN_TICKS, nowMs - 1);
    const readied = Math.min(START_TIME.countMax, fleet.readiedCount - this.#readiedCount);
    this.#readiedCount = fleet.readiedCount;
    const planned = plan(this.#state, {
      nowMs,
      policy,
      forecast: forecaster,
      wantedSlots: this.#wantedSlots,
      fleet: { count: fleet.count, readyCount: fleet.ready },
      startsMs: Array.from({ length: readied }, () => fleet.delayTicks * TICK_MS),
    });
    onPlan?.(planned, tick);
    return planned.count;
  }
}
