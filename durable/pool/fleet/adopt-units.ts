// What served before there was a fleet: from here on its life is the fleet's. Pure.
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { isBilled } from "./fleet-state.ts";

/** A unit that is ready serves on, with all its slots; one that drains ends. One of an earlier fleet, which was disbanded, is this one's. */
export function adoptUnits(records: FleetRecords, units: readonly CapacityUnit[], nowMs: number): void {
  for (const { unitId: shardId, offerId, service, state, url, slots, pricePerHour } of units) {
    const known = records.get(shardId);
    if (known !== undefined && isBilled(known)) continue;
    const shard = {
      shardId,
      order: { unitId: shardId, offerId, service, slots, pricePerHourMax: pricePerHour },
      orderedAtMs: nowMs,
      unit: { state, url, slots, pricePerHour },
      size: slots,
      isFinal: state === "draining",
      isReleased: false,
      isProven: true,
      trial: null,
    };
    records.add(shard, state === "draining" ? "draining" : "active", { reason: "adopted", nowMs });
  }
}
