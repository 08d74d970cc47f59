// What a pool says of its service's demand and of the plan that follows from it. Plain data: it crosses RPC.
import type { DemandRow, Verdict } from "../forecast/minute-demand.ts";

/** Arrivals per second, or slots. */
export type DemandSignalName = "arrivals" | "concurrency";

export interface HorizonStats extends DemandRow, Verdict {
  readonly signal: DemandSignalName;
}

export interface PlanStats {
  readonly mode: "shadow" | "act";
  readonly count: number;
  readonly warmCount: number;
  readonly reason: string;
  /** Slots that one of them has. */
  readonly shardSlots: number;
  /** What the replays of the ruling setting left unserved, of what was wanted. */
  readonly expectedShortfallRatio: number;
  /** What the plan itself would have left, over about two weeks; NaN before anything was wanted. */
  readonly seenShortfallRatio: number;
  readonly isAttainable: boolean;
  /** What the planned shards cost per hour at the endpoints' prices. */
  readonly costPerHour: number;
  /** Since the service's first plan: shards planned, and shards' worth of slots wanted, both times seconds. */
  readonly plannedShardSeconds: number;
  readonly wantedShardSeconds: number;
}

export interface DemandStats {
  /** Ten-second bins observed since the service's first request. */
  readonly binCount: number;
  /** Of the last bin. */
  readonly arrivalsPerSecond: number;
  readonly slotsWanted: number;
  /** At 1 min, 5 min, 1 h; empty until something was observed. */
  readonly horizons: readonly HorizonStats[];
  /** Null until something was observed. */
  readonly plan: PlanStats | null;
  /** `${part} ${reason}` → how often stored state was refused and begun afresh. */
  readonly restarts: Readonly<Record<string, number>>;
  /** True: it broke, said so in the log, and rests until the object restarts. The pool serves on. */
  readonly hasFailed: boolean;
}
