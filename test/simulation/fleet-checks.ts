// What must hold of a fleet, whatever its provider does: after every event, after every list, and when the storm is over.
import type { Fleet } from "#durable/pool/fleet/fleet.ts";
import type { FleetPolicy } from "#durable/pool/fleet/follow-plan.ts";
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { FaultyProvider } from "#test/support/faulty-provider.ts";

/** How long the provider's units take to end. */
const END_MS = SECOND_MS;

/** The truth that the fleet is held against. */
export type CheckedProvider = Pick<FaultyProvider, "running" | "startsByUnit" | "answers"> & {
  /** Of the offers that may be ordered now; null: none. */
  readonly cheapestPerHour: number | null;
};

export class FleetChecks {
  readonly #provider: CheckedProvider;
  readonly #policy: FleetPolicy;
  /** Units that run and that the pool did not know at the last list, and since when. */
  #unknownAtMs = new Map<string, number>();

  constructor(provider: CheckedProvider, policy: FleetPolicy) {
    this.#provider = provider;
    this.#policy = policy;
  }

  /** `written`: every shard that was ever on disk. */
  afterEvent(fleet: Fleet, written: ReadonlySet<string>, nowMs: number): void {
    for (const [unitId, count] of this.#provider.startsByUnit) {
      hold(count <= 1, `unit ${unitId} was started ${count} times`);
      hold(written.has(unitId), `unit ${unitId} was started and never written down`);
    }
    const { shards } = fleet.stats(nowMs);
    const table = fleet.table.filter(({ state }) => state === "active");
    for (const { shardId, endpointUrl, size } of table) {
      const shard = shards.find((one) => one.shardId === shardId);
      hold(shard?.state === "canary" || shard?.state === "active", `shard ${shardId} has traffic and is ${shard?.state}`);
      hold(size >= 1 && size <= (shard?.slotsMax ?? 0), `shard ${shardId} has ${size} slots, its unit ${shard?.slotsMax}`);
      hold(endpointUrl !== "", `shard ${shardId} has no address`);
    }
    hold(new Set(table.map(({ endpointUrl }) => endpointUrl)).size === table.length, "two shards at one unit");
    hold(new Set(shards.map(({ shardId }) => shardId)).size === shards.length, "two shards of one name");
  }

  /** What was ordered was written down before. */
  orderedOnly(written: ReadonlySet<string>, units: readonly CapacityUnit[]): void {
    for (const { unitId } of units) hold(written.has(unitId), `unit ${unitId} was ordered and never written down`);
  }

  /** One reconciliation later nothing runs that the pool does not know. */
  afterList(fleet: Fleet, units: readonly CapacityUnit[], { askedAtMs, nowMs }: { askedAtMs: number; nowMs: number }): void {
    const ready = new Set(units.filter(({ state }) => state === "ready").map(({ unitId }) => unitId));
    for (const { shardId, state } of fleet.table)
      hold(state !== "active" || ready.has(shardId), `shard ${shardId} has traffic, and its unit is not ready`);
    const { shards } = fleet.stats(nowMs);
    const known = new Set([
      ...shards.filter(({ state }) => state !== "gone").map(({ shardId }) => shardId),
      ...fleet.calls.map(({ unitId }) => unitId),
    ]);
    const unknown = [...this.#provider.running.keys()].filter((unitId) => !known.has(unitId));
    const before = this.#unknownAtMs;
    this.#unknownAtMs = new Map(unknown.map((unitId) => [unitId, before.get(unitId) ?? nowMs]));
    for (const [unitId, sinceMs] of this.#unknownAtMs)
      hold(sinceMs + END_MS >= askedAtMs, `unit ${unitId} runs, and the pool has not known it for ${nowMs - sinceMs} ms`);
  }

  orderedIn(fleet: Fleet, nowMs: number): ReadonlySet<string> {
    return new Set(fleet.stats(nowMs).shards.map(({ shardId }) => shardId));
  }

  afterFollow(fleet: Fleet, before: ReadonlySet<string>, nowMs: number): void {
    const { shards, costPerHour } = fleet.stats(nowMs);
    const isNew = shards.some(({ shardId }) => !before.has(shardId));
    const { costPerHourMax, countMax } = this.#policy;
    if (isNew) hold(costPerHour <= costPerHourMax + 1e-9, `ordered up to ${costPerHour} an hour, at most ${costPerHourMax} is allowed`);
    const staying = shards.filter(({ state }) => ["planned", "starting", "warm", "canary", "active"].includes(state));
    const cost = staying.reduce((sum, { pricePerHour }) => sum + pricePerHour, 0);
    hold(cost <= costPerHourMax + 1e-9, `keeps units of ${cost} an hour, at most ${costPerHourMax} is allowed`);
    hold(staying.length <= countMax, `keeps ${staying.length} shards, at most ${countMax} are allowed`);
  }

  /** In the calm there is what was wanted, and nothing else runs. */
  settled(fleet: Fleet, { count, warmCount }: { count: number; warmCount: number }, nowMs: number): void {
    const { shards } = fleet.stats(nowMs);
    const slotsOf = (...states: string[]): number =>
      shards.filter(({ state }) => states.includes(state)).reduce((sum, { slotsMax }) => sum + slotsMax, 0);
    const states = shards.filter(({ state }) => state !== "gone").map(({ shardId, state, slotsMax }) => `${shardId} ${state} ${slotsMax}`);
    hold(fleet.isSettled, `not settled in the calm: ${states.join(", ")}`);
    for (const { shardId, endpointUrl } of fleet.table)
      hold(this.#provider.answers(endpointUrl), `shard ${shardId} serves, and answers nobody`);
    // As far as the operator and the provider allow.
    const cheapest = this.#provider.cheapestPerHour;
    const isBound =
      cheapest === null ||
      fleet.costPerHour + cheapest > this.#policy.costPerHourMax ||
      shards.filter(({ state }) => state !== "gone").length >= this.#policy.countMax;
    if (isBound) return this.#runsExactly(fleet, nowMs);
    hold(slotsOf("active") >= count * this.#policy.shardSlots, `${slotsOf("active")} slots serve in the calm: ${states.join(", ")}`);
    hold(slotsOf("active", "warm") >= (count + warmCount) * this.#policy.shardSlots, `too few are warm in the calm: ${states.join(", ")}`);
    const served = fleet.table.reduce((sum, { size }) => sum + size, 0);
    hold(served >= count * this.#policy.shardSlots, `the table has ${served} slots in the calm`);
    this.#runsExactly(fleet, nowMs);
  }

  ended(fleet: Fleet): void {
    hold(fleet.isEmpty && fleet.table.length === 0, "something is left at the end");
    hold(this.#provider.running.size === 0, `${this.#provider.running.size} units run at the end`);
  }

  #runsExactly(fleet: Fleet, nowMs: number): void {
    const known = fleet.stats(nowMs).shards.filter(({ state }) => state !== "gone");
    const ids = known.map(({ shardId }) => shardId).toSorted();
    const running = [...this.#provider.running.keys()].toSorted();
    hold(JSON.stringify(ids) === JSON.stringify(running), `known: ${ids.join(", ")}; running: ${running.join(", ")}`);
  }
}

function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
