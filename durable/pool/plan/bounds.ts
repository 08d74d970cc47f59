// What the operator allows, whatever demand says.
export interface Bounds {
  readonly countMin: number;
  readonly countMax: number;
  /** Shards started or drained in one plan. */
  readonly stepMax: number;
  readonly warmCount: number;
  readonly costPerHourMax: number;
  /** Of one shard; 0: free. */
  readonly pricePerHour: number;
}

export type Bound = "countMin" | "countMax" | "costPerHourMax" | "stepMax";

export interface Bounded {
  /** Shards that serve or start to. */
  readonly count: number;
  /** Beyond those: started ahead of need. */
  readonly warm: number;
  /** The bound that changed what was wanted; the last one where several did. */
  readonly limitedBy: Bound | null;
}

/** Holds what is wanted within the bounds; `count` is what there is. The cost counts warm shards too, and drops those first. */
export function withinBounds(wanted: number, count: number, bounds: Bounds): Bounded {
  let limitedBy: Bound | null = null;
  let held = wanted;
  const hold = (allowed: number, bound: Bound): void => {
    if (allowed === held) return;
    held = allowed;
    limitedBy = bound;
  };
  hold(Math.max(held, bounds.countMin), "countMin");
  hold(Math.min(held, bounds.countMax), "countMax");
  const paid = bounds.pricePerHour > 0 ? Math.floor(bounds.costPerHourMax / bounds.pricePerHour) : Infinity;
  hold(Math.min(held, paid), "costPerHourMax");
  hold(Math.min(count + bounds.stepMax, Math.max(count - bounds.stepMax, held)), "stepMax");
  const warm = Math.max(0, Math.min(bounds.warmCount, bounds.countMax - held, paid - held));
  return { count: held, warm, limitedBy };
}
