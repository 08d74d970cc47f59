// What a provider's list of units makes of the records: what is ready, what failed, what is gone, and what nobody knows.
// Pure. The list is asked for when no call of this pool is on its way, but a call that timed out may still be.
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { failOffer } from "./offer-backoff.ts";
import { FLEET } from "./fleet-settings.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { isBilled, SERVING, type FleetShard, type KnownUnit, type Reason } from "./fleet-state.ts";

export function observeUnits(records: FleetRecords, units: readonly CapacityUnit[], nowMs: number): void {
  const byId = new Map(units.filter(({ state }) => state !== "stopped").map((unit) => [unit.unitId, unit]));
  for (const shard of records.all) observe(records, shard, { unit: byId.get(shard.shardId), nowMs });
  noteStrays(records, [...byId.keys()]);
}

/** The answer of a call that speaks of one unit. */
export function observeUnit(records: FleetRecords, unit: CapacityUnit, nowMs: number): void {
  const shard = records.get(unit.unitId);
  if (shard !== undefined && unit.state !== "stopped") observe(records, shard, { unit, nowMs });
}

/** A unit that fails, or lies, gets no traffic any more, at once; what runs there fails as any upstream failure. */
export function endShard(records: FleetRecords, shard: FleetShard, end: { reason: Reason; detail: string; nowMs: number }): void {
  const { nowMs } = end;
  const isYoung = !shard.isProven || (SERVING.has(shard.state) && nowMs - shard.sinceMs < FLEET.youngMs);
  if (isYoung) failOffer(records, shard.order.offerId, nowMs);
  records.move(shard.shardId, "gone", end);
}

interface Seen {
  readonly unit: CapacityUnit | undefined;
  readonly nowMs: number;
}

function observe(records: FleetRecords, shard: FleetShard, { unit, nowMs }: Seen): void {
  const { shardId, state } = shard;
  if (state === "gone") {
    if (unit === undefined && !shard.isReleased) records.change(shardId, { isReleased: true });
    // Its order was on its way when it was stopped: it is stopped again.
    if (unit !== undefined && shard.isReleased) {
      records.change(shardId, { isReleased: false });
      records.setFacts({ strayCount: records.facts.strayCount + 1 });
    }
    return;
  }
  if (unit === undefined) {
    // Not ordered yet, as far as anybody knows; else it was there once.
    if (shard.unit === null) return;
    endShard(records, shard, { reason: "unit-gone", detail: "the provider does not list it any more", nowMs });
    records.change(shardId, { isReleased: true });
    return;
  }
  const fault = faultOf(unit);
  if (fault !== null) return endShard(records, shard, { reason: "unit-failed", detail: fault, nowMs });
  adopt(records, shard, { unit, nowMs });
}

function adopt(records: FleetRecords, shard: FleetShard, { unit, nowMs }: { unit: CapacityUnit; nowMs: number }): void {
  const { shardId, state } = shard;
  const known: KnownUnit = { state: unit.state, url: unit.url, slots: unit.slots, pricePerHour: unit.pricePerHour };
  const isReady = unit.state === "ready" && unit.url !== null;
  if (JSON.stringify(known) !== JSON.stringify(shard.unit)) records.change(shardId, { unit: known });
  if (state === "planned") records.move(shardId, "starting", { reason: "reserved", nowMs });
  if (state === "planned" || state === "starting") {
    if (!isReady) return;
    const startMs = Math.max(0, nowMs - shard.orderedAtMs);
    records.setFacts({ startsMs: [...records.facts.startsMs, startMs].slice(-FLEET.startCountMax) });
    records.move(shardId, "warm", { reason: "ready", nowMs });
    return;
  }
  if (isReady && unit.url === (shard.unit?.url ?? unit.url)) return;
  if (unit.state === "draining" && state === "draining") return;
  if (unit.state === "draining" && SERVING.has(state))
    return records.move(shardId, "draining", { reason: "provider-drains", nowMs, part: { isFinal: true } });
  // It was ready and is not, or answers elsewhere: what it says is not to be relied on.
  endShard(records, shard, { reason: "unit-unready", detail: `it was ready, and is ${unit.state} at ${unit.url ?? "no address"}`, nowMs });
}

function faultOf({ state, slots, pricePerHour, url, failure }: CapacityUnit): string | null {
  if (state === "failed") return failure ?? "the provider does not say why";
  if (!Number.isSafeInteger(slots) || slots < 1) return `the provider says that it has ${slots} slots`;
  if (!(pricePerHour >= 0 && pricePerHour < Infinity)) return `the provider says that it costs ${pricePerHour} an hour`;
  return url === null || isAddress(url) ? null : "the provider says no address that can be called";
}

function isAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, hash } = new URL(url);
  return (protocol === "https:" || protocol === "http:") && username === "" && password === "" && hash === "";
}

function noteStrays(records: FleetRecords, listed: readonly string[]): void {
  const unknown = listed.filter((unitId) => records.get(unitId) === undefined).slice(0, FLEET.strayCountMax);
  const fresh = unknown.filter((unitId) => !records.strays.has(unitId)).length;
  records.strays.clear();
  for (const unitId of unknown) records.strays.add(unitId);
  if (fresh > 0) records.setFacts({ strayCount: records.facts.strayCount + fresh });
}

/** Whether anything is left to be called or waited for. */
export function isSettled(records: FleetRecords): boolean {
  const isQuiet = ({ state }: FleetShard): boolean => state === "warm" || state === "active";
  return records.strays.size === 0 && records.all.every((shard) => !isBilled(shard) || isQuiet(shard));
}
