// The shards of one service from order to end: what a plan, a provider and their own answers make of them. Pure: a shell asks the
// provider, gives in what it says, writes `takeChanges()` down, and only then makes `calls`. docs/design/lifecycle.md.
//
// Promises (checked after every event by test/simulation/fleet.test.ts):
// - nothing runs that the records do not know, one list after it began; no unit is ordered twice for one need;
// - a shard has no more slots than its unit, and none once its unit is known to have failed;
// - what is ordered fits into `costPerHourMax` at the prices told so far; a price that rises is answered by draining.
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import type { FleetStats } from "#shared/protocol/fleet-stats.ts";
import { awaitedOf, type Awaited } from "./awaited.ts";
import { observeBlock, type Answers } from "./canary.ts";
import { callsOf, takeAnswer, type FleetAnswer, type FleetCall } from "./fleet-calls.ts";
import { FleetRecords } from "./fleet-records.ts";
import { FLEET } from "./fleet-settings.ts";
import { isBilled, SERVING, slotsIn, slotsOf, priceOf, type TableShard, type FleetChanges, type FleetRows } from "./fleet-state.ts";
import { followPlan, refusingOf, servingOf, type FleetInput } from "./follow-plan.ts";
import { adoptUnits } from "./adopt-units.ts";
import { isSettled, observeUnits } from "./observe-units.ts";
import { restMsOf } from "./offer-backoff.ts";

export class Fleet {
  readonly #records: FleetRecords;

  constructor(rows?: FleetRows) {
    this.#records = new FleetRecords(rows);
  }

  /** The plan's word, until the next; whether it is another. `warmCount` null: as before. */
  want({ count, warmCount: warm }: { readonly count: number; readonly warmCount: number | null }): boolean {
    const { wanted } = this.#records.facts;
    const warmCount = warm ?? wanted?.warmCount ?? 0;
    if (wanted?.count === count && wanted.warmCount === warmCount) return false;
    this.#records.setFacts({ wanted: { count, warmCount } });
    return true;
  }

  /** Shards are of another size from here on: as many slots are wanted as before. */
  resize(slotsBefore: number, slotsNow: number): void {
    const { wanted } = this.#records.facts;
    if (wanted !== null) this.want({ ...wanted, count: Math.ceil((wanted.count * slotsBefore) / slotsNow) });
  }

  /** Whether a plan was ever told. */
  get isPlanned(): boolean {
    return this.#records.facts.wanted !== null;
  }

  /** What served before there was a fleet goes on. */
  adopt(units: readonly CapacityUnit[], nowMs: number): void {
    adoptUnits(this.#records, units, nowMs);
  }

  /** What is there is not this fleet's any more, and a later one begins with what there is then. */
  disband(nowMs: number): void {
    this.#records.setFacts({ wanted: null });
    for (const { shardId, state } of this.#records.all)
      if (state !== "gone") this.#records.move(shardId, "gone", { reason: "not-wanted", nowMs, part: { isReleased: true } });
  }

  /** All units of the service that the provider lists. */
  observe(units: readonly CapacityUnit[], nowMs: number): void {
    observeUnits(this.#records, units, nowMs);
  }

  /** Whether a shard is to be ended because nobody listens there. */
  isRefusing(refusingMs: FleetInput["refusingMs"]): boolean {
    return refusingOf(this.#records, refusingMs).length > 0;
  }

  /** Whether more is wanted than could be ordered. */
  follow(input: FleetInput): boolean {
    return followPlan(this.#records, input);
  }

  /** To be made once what they follow from is written down. */
  get calls(): readonly FleetCall[] {
    return callsOf(this.#records);
  }

  takeAnswer(call: FleetCall, answer: FleetAnswer, nowMs: number): void {
    takeAnswer(this.#records, call, { answer, nowMs });
  }

  /** The operator empties a shard; false: it does not serve. */
  drain(shardId: string, nowMs: number): boolean {
    const shard = this.#records.get(shardId);
    if (shard === undefined || !SERVING.has(shard.state)) return false;
    this.#records.move(shardId, "draining", { reason: "operator", nowMs, part: { isFinal: true } });
    return true;
  }

  /** … and thinks better of it; false: its unit was told already, and is none that a word takes back. */
  restore(shardId: string, { isSlice, nowMs }: { isSlice: (offerId: string) => boolean; nowMs: number }): boolean {
    const shard = this.#records.get(shardId);
    const unit = shard?.unit ?? null;
    if (shard?.state !== "draining" || !shard.isProven || unit === null) return false;
    if (unit.state !== "ready" && !isSlice(shard.order.offerId)) return false;
    this.#records.move(shardId, "active", { reason: "operator", nowMs, part: { isFinal: false, unit: { ...unit, state: "ready" } } });
    return true;
  }

  /** What canaries and the active shards answered since the last time. */
  measure(answersOf: (shardId: string) => Answers): void {
    const canaries = this.#records.all.filter(({ state }) => state === "canary");
    if (canaries.length === 0) return;
    const siblings = this.#records.all.filter(({ state }) => state === "active").map(({ shardId }) => answersOf(shardId));
    const total = siblings.reduce(
      (sum, { requests, failures, slow }) => ({
        requests: sum.requests + requests,
        failures: sum.failures + failures,
        slow: sum.slow + slow,
      }),
      { requests: 0, failures: 0, slow: 0 },
    );
    for (const { shardId, trial } of canaries) {
      const own = answersOf(shardId);
      if (trial !== null && own.requests + total.requests > 0) this.#records.change(shardId, { trial: observeBlock(trial, own, total) });
    }
  }

  /** The shard table: who gets traffic, and in which measure. */
  get table(): TableShard[] {
    return this.#records.all.flatMap(({ shardId, state, unit, size, order }) => {
      if (unit === null || unit.url === null || (!SERVING.has(state) && state !== "draining")) return [];
      const most = Math.min(size, slotsOf({ order, unit }));
      return [{ shardId, endpointUrl: unit.url, size: most, state: state === "draining" ? ("draining" as const) : ("active" as const) }];
    });
  }

  get activeIds(): readonly string[] {
    return this.#records.all.filter(({ state }) => state === "active").map(({ shardId }) => shardId);
  }

  /** As its provider would list them, by what was heard last. */
  unitsOf(service: string): CapacityUnit[] {
    return this.#records.all.flatMap((shard) => {
      const { unit, order, shardId } = shard;
      if (unit === null || !isBilled(shard)) return [];
      return [{ ...unit, unitId: shardId, offerId: order.offerId, service, failure: null }];
    });
  }

  /** Of what is paid now; null: nothing is. */
  get pricePerSlot(): number | null {
    const slots = slotsIn(this.#records.all.filter(isBilled));
    return slots === 0 ? null : this.#records.costPerHour / slots;
  }

  /** What is told to those who wait where no shard serves. */
  awaited(input: Parameters<typeof awaitedOf>[1]): Awaited | null {
    return awaitedOf(this.#records, input);
  }

  /** As the plan counts them: in whole shards of so many slots; without warm and draining ones. */
  countsFor(shardSlots: number): { readonly count: number; readonly readyCount: number } {
    const serving = servingOf(this.#records);
    const coming = this.#records.all.filter(
      ({ state, history }) => (state === "planned" || state === "starting") && history[0]?.reason !== "warm-pool",
    );
    const whole = (slots: number): number => Math.floor(slots / shardSlots + FLEET.slackRatio);
    return {
      count: whole([...serving, ...coming].reduce((sum, shard) => sum + slotsOf(shard), 0)),
      readyCount: whole(serving.reduce((sum, { size }) => sum + size, 0)),
    };
  }

  /** Start-up times since the last call. */
  takeStarts(): readonly number[] {
    const { startsMs } = this.#records.facts;
    if (startsMs.length > 0) this.#records.setFacts({ startsMs: [] });
    return startsMs;
  }

  /** Nothing is left to be called or waited for but units that serve, or are warm. */
  get isSettled(): boolean {
    return isSettled(this.#records);
  }

  get isEmpty(): boolean {
    return this.#records.strays.size === 0 && !this.#records.all.some(isBilled);
  }

  get costPerHour(): number {
    return this.#records.costPerHour;
  }

  takeChanges(): FleetChanges {
    return this.#records.takeChanges();
  }

  stats(nowMs: number): FleetStats {
    const { transitions, strayCount, offers } = this.#records.facts;
    const isAlone = servingOf(this.#records).length === 0;
    return {
      shards: this.#records.all.map((shard) => ({
        shardId: shard.shardId,
        state: shard.state,
        sinceMs: shard.sinceMs,
        offerId: shard.order.offerId,
        url: shard.unit?.url ?? null,
        size: SERVING.has(shard.state) ? shard.size : 0,
        slotsMax: slotsOf(shard),
        pricePerHour: priceOf(shard),
        history: shard.history,
      })),
      costPerHour: this.#records.costPerHour,
      transitions,
      strayCount,
      resting: Object.entries(offers).flatMap(([offerId, backoff]) => {
        const forMs = restMsOf(backoff, { nowMs, isAlone });
        return forMs > 0 ? [{ offerId, failureCount: backoff.failureCount, forMs }] : [];
      }),
    };
  }
}
