// Which calls the records ask for, and what their answers make of them. Pure. A call follows from what is written down and from
// nothing else: after an eviction it is made again, under the same unit's id.
import type { CapacityAnswer, CapacityOrder, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { FLEET } from "./fleet-settings.ts";
import type { FleetShard } from "./fleet-state.ts";
import { endShard, observeUnit } from "./observe-units.ts";

export type FleetCall =
  | { readonly verb: "reserve"; readonly unitId: string; readonly order: CapacityOrder }
  | { readonly verb: "start" | "drain" | "stop"; readonly unitId: string };

export type FleetAnswer = CapacityAnswer<CapacityUnit | null>;

/** Ends before beginnings: what is freed may be ordered anew. */
export function callsOf(records: FleetRecords): FleetCall[] {
  const strays = [...records.strays].map((unitId): FleetCall => ({ verb: "stop", unitId }));
  const calls = records.all.flatMap((shard) => callOf(shard) ?? []);
  const ends = calls.filter(({ verb }) => verb === "stop");
  return [...strays, ...ends, ...calls.filter(({ verb }) => verb !== "stop")];
}

function callOf({ shardId: unitId, state, unit, order, isFinal, isReleased }: FleetShard): FleetCall | null {
  if (state === "planned") return { verb: "reserve", unitId, order };
  if (state === "starting" && unit?.state === "reserved") return { verb: "start", unitId };
  if (state === "draining" && isFinal && unit?.state !== "draining") return { verb: "drain", unitId };
  return state === "gone" && !isReleased ? { verb: "stop", unitId } : null;
}

/** Takes an answer that came in time; one that did not is what the next list is for. */
export function takeAnswer(
  records: FleetRecords,
  { verb, unitId }: FleetCall,
  { answer, nowMs }: { answer: FleetAnswer; nowMs: number },
): void {
  const shard = records.get(unitId);
  if (verb === "stop") {
    if (!answer.ok) return;
    records.strays.delete(unitId);
    if (shard?.state === "gone" && !shard.isReleased) records.change(unitId, { isReleased: true });
    return;
  }
  if (shard === undefined || shard.state === "gone") return;
  if (answer.ok) {
    if (answer.value !== null) observeUnit(records, answer.value, nowMs);
    return;
  }
  // "unavailable": nobody knows whether it was done. The rest are refusals.
  if (answer.reason === "unavailable" || verb === "drain") return;
  const detail = `${answer.reason}: ${answer.detail}`;
  endShard(records, shard, { reason: "refused", detail, nowMs });
}

/** Gives up what takes too long. */
export function giveUpLate(records: FleetRecords, { nowMs, startMs }: { nowMs: number; startMs: number }): void {
  const startMsMax = Math.max(FLEET.startMsMin, FLEET.startRatioMax * startMs);
  for (const shard of records.all) {
    const forMs = nowMs - shard.sinceMs;
    if (shard.state === "planned" && forMs >= FLEET.orderMsMax)
      endShard(records, shard, { reason: "no-answer", detail: `the provider has not answered the order for ${forMs} ms`, nowMs });
    if (shard.state === "starting" && forMs >= startMsMax)
      endShard(records, shard, { reason: "start-timeout", detail: `not ready after ${forMs} ms`, nowMs });
  }
}
