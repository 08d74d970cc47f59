// How many slots each shard in service has: resized in place, between the smallest size and what its unit has. Pure.
import { triedPartOf } from "./canary.ts";
import { CANARY } from "./fleet-settings.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { slotsOf, type FleetShard } from "./fleet-state.ts";

interface SizePolicy {
  /** Of all together, as the plan wants them. */
  readonly slots: number;
  readonly sizeMin: number;
  readonly sizeMax: number;
}

/** Shards in service share what the plan wants evenly; a canary has a small share, which grows with what it has answered. */
export function resize(records: FleetRecords, policy: SizePolicy): void {
  const canaries = records.all.filter(({ state }) => state === "canary");
  const active = records.all.filter(({ state }) => state === "active");
  const shares = canarySizes(canaries, active);
  const wanted = policy.slots - sum([...shares.values()]);
  const sizes = new Map([...shares, ...evenSizes(active, { wanted, policy })]);
  for (const { shardId, size } of records.all) {
    const next = sizes.get(shardId);
    if (next !== undefined && next !== size) records.change(shardId, { size: next });
  }
}

function canarySizes(canaries: readonly FleetShard[], active: readonly FleetShard[]): Map<string, number> {
  const room = CANARY.shareOfActiveMax * sum(active.map(slotsOf));
  const each = Math.max(1, Math.floor(room / Math.max(1, canaries.length)));
  return new Map(
    canaries.map((shard) => {
      const most = slotsOf(shard);
      if (shard.trial?.isAlone === true) return [shard.shardId, most];
      // What it has shown is as good as an active shard's: it is no part of what is at stake.
      const tried = shard.trial === null ? 0 : triedPartOf(shard.trial);
      const untried = Math.min(each, Math.ceil(CANARY.share * most));
      return [shard.shardId, Math.min(most, untried + Math.floor(tried * most))];
    }),
  );
}

/** The least level at which all together have what is wanted. */
function evenSizes(active: readonly FleetShard[], { wanted, policy }: { wanted: number; policy: SizePolicy }): Map<string, number> {
  const bounds = active.map((shard) => {
    const most = slotsOf(shard);
    return { shardId: shard.shardId, least: Math.min(policy.sizeMin, most), most };
  });
  const at = (level: number): number[] => bounds.map(({ least, most }) => Math.min(most, Math.max(least, level)));
  // What is there may be larger than what is ordered now: it has room for what is wanted all the same.
  let [low, high] = bounds.reduce(([from, to], { most }) => [from, Math.max(to, most)], [policy.sizeMin, policy.sizeMax]);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (sum(at(middle)) >= wanted) high = middle;
    else low = middle + 1;
  }
  const sizes = at(low);
  return new Map(bounds.map(({ shardId }, index) => [shardId, sizes[index] ?? 0]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
