// What must hold of a fleet, whatever its provider does: after every event, after every list, and when the storm is over.
import { BACKOFF, FLEET } from "#durable/pool/fleet/fleet-settings.ts";
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

interface FollowedWith {
  /** Shards before. */
  readonly before: ReadonlySet<string>;
  /** As the fleet was last told; null: it was not yet. */
  readonly wanted: { readonly count: number; readonly warmCount: number } | null;
  readonly refusingMs: (url: string) => number;
  readonly nowMs: number;
}

export class FleetChecks {
  readonly #provider: CheckedProvider;
  readonly #policy: FleetPolicy;
  /** Units that run and that the pool did not know at the last list, and since when. */
  #unknownAtMs = new Map<string, number>();
  readonly #backoff = new SeenFailures();

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
    const ready = new Map(units.filter(({ state }) => state === "ready").map(({ unitId, slots }) => [unitId, slots]));
    for (const { shardId, state, size } of fleet.table.filter((shard) => shard.state === "active")) {
      const slots = ready.get(shardId);
      hold(slots !== undefined, `shard ${shardId} has traffic, and its unit is not ready`);
      hold(size <= (slots ?? 0), `shard ${shardId} is ${state} with ${size} slots, and its unit says ${slots}`);
    }
    const { shards } = fleet.stats(nowMs);
    const known = new Set([
      ...shards.filter(({ state }) => state !== "gone").map(({ shardId }) => shardId),
      ...fleet.calls.filter(({ verb }) => verb === "stop").map(({ unitId }) => unitId),
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

  afterFollow(fleet: Fleet, { before, wanted, refusingMs, nowMs }: FollowedWith): void {
    const { shards, costPerHour } = fleet.stats(nowMs);
    const isNew = shards.some(({ shardId }) => !before.has(shardId));
    this.#backoff.note(shards);
    for (const { shardId, offerId } of shards.filter((shard) => !before.has(shard.shardId)))
      hold(!this.#backoff.rests(offerId, nowMs), `shard ${shardId} was ordered of ${offerId}, which has just failed`);
    for (const { shardId, endpointUrl } of fleet.table)
      hold(refusingMs(endpointUrl) < FLEET.refusingMsMax, `shard ${shardId} has traffic, and refuses connections`);
    const { costPerHourMax, countMax, shardSlots } = this.#policy;
    if (isNew) hold(costPerHour <= costPerHourMax + 1e-9, `ordered up to ${costPerHour} an hour, at most ${costPerHourMax} is allowed`);
    const staying = shards.filter(({ state }) => ["planned", "starting", "warm", "canary", "active"].includes(state));
    const cost = staying.reduce((sum, { pricePerHour }) => sum + pricePerHour, 0);
    hold(cost <= costPerHourMax + 1e-9, `keeps units of ${cost} an hour, at most ${costPerHourMax} is allowed`);
    const news = staying.filter(({ shardId }) => !before.has(shardId)).map(({ slotsMax }) => slotsMax);
    const slots = staying.reduce((sum, { slotsMax }) => sum + slotsMax, 0);
    if (news.length > 0 && wanted !== null) {
      const most = (wanted.count + wanted.warmCount) * shardSlots;
      hold(slots - Math.min(...news) < most, `ordered up to ${slots} slots, and ${most} are wanted`);
    }
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
    const slack = FLEET.slackRatio * this.#policy.shardSlots;
    hold(
      slotsOf("active") >= count * this.#policy.shardSlots - slack,
      `${slotsOf("active")} slots serve in the calm: ${states.join(", ")}`,
    );
    hold(
      slotsOf("active", "warm") >= (count + warmCount) * this.#policy.shardSlots - slack,
      `too few are warm in the calm: ${states.join(", ")}`,
    );
    for (const { shardId, state, slotsMax } of shards) {
      if (state === "active")
        hold(
          slotsOf("active") - slotsMax < count * this.#policy.shardSlots,
          `${shardId} serves, and is one too many: ${states.join(", ")}`,
        );
      if (state === "warm")
        hold(
          slotsOf("active", "warm") - slotsMax < (count + warmCount) * this.#policy.shardSlots,
          `${shardId} is warm, and is one too many: ${states.join(", ")}`,
        );
    }
    const served = fleet.table.reduce((sum, { size }) => sum + size, 0);
    hold(served >= count * this.#policy.shardSlots - slack, `the table has ${served} slots in the calm`);
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

/** How long an offer rests at least after a failure; and after how long the longest rest is over. */
const REST_MS_MIN = BACKOFF.baseMs;
const REST_MS_MAX = BACKOFF.msMax + BACKOFF.baseMs;
const HARMLESS: ReadonlySet<string> = new Set(["drained", "surplus", "not-wanted", "cost", "no-answer", "operator"]);

/** Rollbacks of an offer that came out of the blue: no earlier failure whose rest might end now, and no shard of it that has proven itself since. */
class SeenFailures {
  readonly #seen = new Map<string, { readonly offerId: string; readonly atMs: number; readonly is: "rollback" | "failure" | "proof" }>();

  note(shards: ReturnType<Fleet["stats"]>["shards"]): void {
    for (const { shardId, offerId, history } of shards) {
      for (const { atMs, to, reason } of history) {
        const isRollback = to === "draining" && (reason === "errors" || reason === "latency");
        const isFailure = to === "gone" && !HARMLESS.has(reason);
        if (!isRollback && !isFailure && !(to === "active")) continue;
        this.#seen.set(`${shardId} ${to} ${atMs}`, { offerId, atMs, is: isRollback ? "rollback" : isFailure ? "failure" : "proof" });
      }
    }
  }

  rests(offer: string, nowMs: number): boolean {
    const of = [...this.#seen.values()].filter(({ offerId }) => offerId === offer);
    return of.some(({ is, atMs }) => {
      if (is !== "rollback" || atMs <= nowMs - REST_MS_MIN) return false;
      const isProven = of.some((other) => other.is === "proof" && other.atMs >= atMs);
      const hadFailed = of.some((other) => other.is !== "proof" && other.atMs < atMs && other.atMs > atMs - REST_MS_MAX);
      return !isProven && !hadFailed;
    });
  }
}

function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
