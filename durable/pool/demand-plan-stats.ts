// A service's last plan as those who watch see it.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { DemandStats } from "#shared/protocol/demand-stats.ts";
import type { DemandFacts } from "./demand-store.ts";
import { seenShortfallRatio } from "./plan/control.ts";
import type { PlannerState } from "./plan/planner-state.ts";
import type { Plan, PlanPolicy } from "./planner.ts";

interface Planned {
  readonly mode: ServiceConfig["provisioning"]["mode"];
  readonly policy: PlanPolicy;
  readonly planned: Plan;
  readonly planner: PlannerState;
  readonly facts: Pick<DemandFacts, "plannedShardSeconds" | "wantedShardSeconds">;
}

export function planStatsOf({ mode, policy, planned, planner, facts }: Planned): NonNullable<DemandStats["plan"]> {
  const { count, warmCount, reason, expectedShortfallRatio, isAttainable } = planned;
  return {
    mode,
    count,
    warmCount,
    reason,
    shardSlots: policy.shardSlots,
    expectedShortfallRatio,
    seenShortfallRatio: seenShortfallRatio(planner),
    isAttainable,
    costPerHour: (count + warmCount) * policy.pricePerHour,
    plannedShardSeconds: facts.plannedShardSeconds,
    wantedShardSeconds: facts.wantedShardSeconds,
  };
}
