// What a service's shards are to be: the policy that the configuration makes, the last plan under it, and what it costs against what is
// wanted. Pure.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { DemandHistory } from "#shared/protocol/demand-history.ts";
import type { DemandStats } from "#shared/protocol/demand-stats.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import { planPolicyOf, type PlannedFleet } from "./demand-configuration.ts";
import { tellHistory } from "./demand-history.ts";
import { BIN_MS } from "./demand-meter.ts";
import { planStatsOf } from "./demand-plan-stats.ts";
import type { DemandFacts } from "./demand-store.ts";
import type { PoolShard } from "./layout.ts";
import type { PlannerState } from "./plan/planner-state.ts";
import { plan, type Plan, type PlanPolicy } from "./planner.ts";

export interface DemandSetting {
  readonly service: ServiceConfig | null;
  readonly shards: readonly PoolShard[];
}

interface PlanShell {
  /** Null: the plan is shown and not done. */
  readonly fleet: () => PlannedFleet | null;
  /** Null: nothing was ever planned. */
  readonly planner: () => PlannerState | null;
}

/** Of all plans so far, and of what was then wanted. */
type ShardSeconds = Pick<DemandFacts, "plannedShardSeconds" | "wantedShardSeconds">;

export class DemandPlan {
  readonly #shell: PlanShell;
  #setting: DemandSetting = { service: null, shards: [] };
  #policy: PlanPolicy | null = null;
  #last: Plan | null = null;

  constructor(shell: PlanShell) {
    this.#shell = shell;
  }

  configure(setting: DemandSetting): void {
    const slotsBefore = this.#policy?.shardSlots;
    this.#setting = setting;
    this.#policy = setting.service === null ? null : this.policyFor(setting.service);
    const slotsNow = this.#policy?.shardSlots;
    // Shards of another size: until the next plan as many slots are wanted as before.
    if (this.#last !== null && slotsBefore !== undefined && slotsNow !== undefined)
      this.#last = { ...this.#last, count: Math.ceil((this.#last.count * slotsBefore) / slotsNow) };
  }

  /** Null: none since the object started. */
  get last(): Plan | null {
    return this.#last;
  }

  policyFor(service: ServiceConfig): PlanPolicy {
    return planPolicyOf(service, { current: this.#setting.shards, fleet: this.#shell.fleet() });
  }

  /** What was wanted before this pool saw any of it. */
  learn(history: DemandHistory, forecaster: DemandForecaster): void {
    const [policy, planner] = [this.#policy, this.#shell.planner()];
    if (planner !== null && policy !== null) this.#last = tellHistory(history, { forecaster, planner, policy });
  }

  /** A plan for each bin that has closed, of which so many slots were wanted. In shadow no fleet is told, and the plan is held against its own shadow. */
  follow(
    forecaster: DemandForecaster,
    wantedSlots: readonly number[],
    { before, nowMs }: { before: ShardSeconds; nowMs: number },
  ): ShardSeconds {
    const { service } = this.#setting;
    const fleet = this.#shell.fleet();
    if (fleet !== null && service !== null) this.#policy = this.policyFor(service);
    const [policy, planner] = [this.#policy, this.#shell.planner()];
    const { plannedShardSeconds, wantedShardSeconds } = before;
    if (policy === null || planner === null) return { plannedShardSeconds, wantedShardSeconds };
    const startsMs = fleet?.takeStarts() ?? [];
    this.#last = plan(planner, { nowMs, policy, forecast: forecaster, wantedSlots, fleet: fleet?.counts() ?? null, startsMs });
    const { count, warmCount } = this.#last;
    const secondsEach = BIN_MS / SECOND_MS;
    const wantedShards = wantedSlots.reduce((sum, slots) => sum + slots, 0) / policy.shardSlots;
    return {
      plannedShardSeconds: plannedShardSeconds + (count + warmCount) * secondsEach * wantedSlots.length,
      wantedShardSeconds: wantedShardSeconds + wantedShards * secondsEach,
    };
  }

  /** Null: there is no plan. */
  stats(facts: ShardSeconds): DemandStats["plan"] {
    const [policy, planned, planner] = [this.#policy, this.#last, this.#shell.planner()];
    if (policy === null || planned === null || planner === null) return null;
    return planStatsOf({ mode: this.#setting.service?.provisioning.mode ?? "shadow", policy, planned, planner, facts });
  }
}
