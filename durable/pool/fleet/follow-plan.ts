// What becomes of the shards, given the plan: which are ordered, put into service, proven, drained and let go. Pure; the order
// of the steps is the order of their urgency.
import type { CapacityOffer } from "#shared/protocol/capacity-provider.ts";
import { newTrial, verdictOf } from "./canary.ts";
import { FLEET } from "./fleet-settings.ts";
import { giveUpLate } from "./fleet-calls.ts";
import type { FleetRecords } from "./fleet-records.ts";
import {
  COMING,
  compareAge,
  isBilled,
  priceOf,
  SERVING,
  slotsIn,
  slotsOf,
  THERE,
  WARM,
  type FleetShard,
  type Reason,
} from "./fleet-state.ts";
import { failOffer, healOffer } from "./offer-backoff.ts";
import { endShard } from "./observe-units.ts";
import { orderMissing } from "./order-missing.ts";
import { resize } from "./sizes.ts";

export interface FleetPolicy {
  readonly service: string;
  /** Slots that the plan counts as one shard. */
  readonly shardSlots: number;
  readonly sizeMin: number;
  readonly sizeMax: number;
  readonly countMax: number;
  /** Kept while nothing is planned: before the first plan, and asleep. */
  readonly countLeast: number;
  readonly stepMax: number;
  readonly costPerHourMax: number;
  /** Learned start-up time. */
  readonly startMs: number;
  /**
   * act: as the plan says. hold: nothing new and nothing drained; what fails leaves. end: everything is drained, for the service
   * is gone.
   */
  readonly mode: "act" | "hold" | "end";
}

export interface FleetInput {
  readonly nowMs: number;
  readonly policy: FleetPolicy;
  /** Null: not asked, or without an answer: then nothing is ordered. */
  readonly offers: readonly CapacityOffer[] | null;
  /** Requests that wait for a slot. */
  readonly waitingCount: number;
  /** For how long an address has refused connections, without an answer in between; 0: it has not. */
  readonly refusingMs: (url: string) => number;
  /** Slots out at an address, by the ledger. */
  readonly slotsOut: (url: string) => number;
  /** Sockets on a shard, by the ledger. */
  readonly socketsOn: (shardId: string) => number;
  /** An id that no shard of this service ever had. */
  readonly nextShardId: () => string;
}

/** Whether more is wanted than could be ordered. */
export function followPlan(records: FleetRecords, input: FleetInput): boolean {
  const { nowMs, policy } = input;
  let isShort = false;
  giveUpLate(records, { nowMs, startMs: policy.startMs });
  endRefusing(records, input);
  judgeCanaries(records, nowMs);
  const need = needOf(records, input);
  if (policy.mode !== "hold") {
    holdCost(records, input);
    putIntoService(records, { slots: need.slots, input });
    holdCount(records, input);
    retireSurplus(records, { ...need, input });
    isShort = orderMissing(records, { ...need, input });
  }
  letGo(records, input);
  resize(records, { ...policy, slots: need.slots });
  return isShort;
}

export interface Need {
  /** In service. */
  readonly slots: number;
  /** Beside them, started ahead. */
  readonly warmCount: number;
  readonly reason: Reason;
}

function needOf(records: FleetRecords, { policy, waitingCount, nowMs }: FleetInput): Need {
  if (policy.mode === "end") return { slots: 0, warmCount: 0, reason: "demand" };
  if (policy.mode === "hold") return { slots: Infinity, warmCount: 0, reason: "demand" };
  // Before the first plan, what there is.
  const wanted = records.facts.wanted ?? { count: Math.max(1, servingOf(records).length), warmCount: 0 };
  const { warmCount } = wanted;
  const count = Math.max(wanted.count, policy.countLeast);
  // Whoever waits at a service without a shard wakes it; how many more there should be is the plan's business.
  if (count === 0 && waitingCount > 0) wake(records, nowMs);
  const isWoken = count === 0 && nowMs < records.facts.awakeUntilMs && records.facts.awakeUntilMs <= nowMs + FLEET.awakeMs;
  return { slots: (isWoken ? 1 : count) * policy.shardSlots, warmCount, reason: isWoken ? "first-request" : "demand" };
}

/** Until the plan has seen the demand: it is measured when it has been served. */
function wake(records: FleetRecords, nowMs: number): void {
  const untilMs = nowMs + FLEET.awakeMs;
  if (Math.abs(untilMs - records.facts.awakeUntilMs) > FLEET.awakeMs / 4) records.setFacts({ awakeUntilMs: untilMs });
}

function judgeCanaries(records: FleetRecords, nowMs: number): void {
  for (const { shardId, state, sinceMs, trial, order } of records.all) {
    if (state !== "canary" || trial === null) continue;
    const verdict = verdictOf(trial, nowMs - sinceMs);
    if (verdict === null) continue;
    if (verdict === "proven" || verdict === "untried") {
      healOffer(records, order.offerId);
      records.move(shardId, "active", { reason: verdict, nowMs, part: { isProven: true } });
      continue;
    }
    failOffer(records, order.offerId, nowMs);
    const { own, siblings } = trial;
    const count = ({ failures, slow, requests }: typeof own): string => `${verdict === "errors" ? failures : slow} of ${requests}`;
    const detail = `${count(own)} answers ${verdict === "errors" ? "failed" : "were slow"}, its siblings' ${count(siblings)}`;
    records.move(shardId, "draining", { reason: verdict, detail, nowMs, part: { isFinal: true } });
  }
}

type RefusingMs = FleetInput["refusingMs"];

/** Shards at which nobody listens, though their provider does not say so. */
export function refusingOf(records: FleetRecords, refusingMs: RefusingMs): { readonly shard: FleetShard; readonly forMs: number }[] {
  return records.all.flatMap((shard) => {
    const url = shard.unit?.url ?? null;
    if (url === null || !(SERVING.has(shard.state) || shard.state === "draining")) return [];
    const forMs = refusingMs(url);
    return forMs < FLEET.refusingMsMax ? [] : [{ shard, forMs }];
  });
}

function endRefusing(records: FleetRecords, { nowMs, refusingMs }: FleetInput): void {
  for (const { shard, forMs } of refusingOf(records, refusingMs))
    endShard(records, shard, { reason: "unit-refuses", detail: `it has refused connections for ${forMs} ms, and answered none`, nowMs });
}

/** A price that rose is not paid: the most expendable go until what is left fits. What drains is paid until it is gone. */
function holdCost(records: FleetRecords, { policy, nowMs }: FleetInput): void {
  const leaving = records.all.filter((shard) => isBilled(shard) && isLeaving(shard));
  let left = records.costPerHour - leaving.reduce((sum, shard) => sum + priceOf(shard), 0);
  for (const shard of expendable(records.all.filter((one) => isBilled(one) && !isLeaving(one)))) {
    if (left <= policy.costPerHourMax * (1 + 1e-9)) return;
    left -= priceOf(shard);
    retire(records, shard, { reason: "cost", nowMs, isFinal: true });
  }
}

/** One that came back may be one too many; so may any, where fewer are allowed than before. */
function holdCount(records: FleetRecords, { policy, nowMs }: FleetInput): void {
  const there = records.in(THERE);
  for (const shard of expendable(there).slice(0, Math.max(0, there.length - policy.countMax)))
    retire(records, shard, { reason: "surplus", nowMs });
}

function isLeaving({ state, isFinal }: FleetShard): boolean {
  return state === "gone" || (state === "draining" && isFinal);
}

/** First what serves nobody yet, then canaries, then the dearest and newest. */
function expendable(shards: readonly FleetShard[]): FleetShard[] {
  const rank = ({ state }: FleetShard): number => ["draining", "planned", "starting", "warm", "canary", "active"].indexOf(state);
  return shards.toSorted((a, b) => rank(a) - rank(b) || priceOf(b) - priceOf(a) || compareAge(b, a));
}

function retire(
  records: FleetRecords,
  { shardId, state }: FleetShard,
  { reason, nowMs, isFinal = false }: { reason: Reason; nowMs: number; isFinal?: boolean },
): void {
  if (state === "draining") records.change(shardId, { isFinal });
  else records.move(shardId, SERVING.has(state) ? "draining" : "gone", { reason, nowMs, part: { isFinal } });
}

/** A shard that drains comes back before a warm one begins: it is proven, and what runs there stays. */
function putIntoService(records: FleetRecords, { slots, input: { nowMs, policy } }: { slots: number; input: FleetInput }): void {
  let have = slotsIn(servingOf(records));
  const enough = slots - FLEET.slackRatio * policy.shardSlots;
  const back = records.all.filter((shard) => shard.state === "draining" && !shard.isFinal).toReversed();
  for (const shard of [...back, ...records.in(WARM)]) {
    if (have >= enough || servingOf(records).length >= policy.countMax) return;
    const isAlone = servingOf(records).every(({ state }) => state !== "active");
    const reason: Reason = shard.state === "draining" ? "came-back" : "demand";
    if (shard.isProven) records.move(shard.shardId, "active", { reason, nowMs });
    else records.move(shard.shardId, "canary", { reason, nowMs, part: { trial: newTrial(isAlone) } });
    have += slotsOf(shard);
  }
}

function retireSurplus(records: FleetRecords, { slots, warmCount, input }: Need & { readonly input: FleetInput }): void {
  const { nowMs, policy } = input;
  const serving = servingOf(records);
  let have = slotsIn(serving);
  for (const shard of byDrainCost(serving, input)) {
    if (have - slotsOf(shard) < slots) continue;
    have -= slotsOf(shard);
    retire(records, shard, { reason: policy.mode === "end" ? "not-wanted" : "surplus", nowMs });
  }
  const spare = expendable([...records.in(COMING), ...records.in(WARM)]);
  let there = have + slotsIn(spare);
  for (const shard of spare) {
    if (there - slotsOf(shard) < slots + warmCount * policy.shardSlots) continue;
    there -= slotsOf(shard);
    retire(records, shard, { reason: "surplus", nowMs });
  }
}

/** Newest first as the plan counts on it, but one that moves fewer connections before one that moves more. */
function byDrainCost(serving: readonly FleetShard[], { socketsOn }: FleetInput): FleetShard[] {
  const rank = ({ state }: FleetShard): number => (state === "canary" ? 0 : 1);
  const cost = new Map(serving.map((shard) => [shard.shardId, socketsOn(shard.shardId)]));
  const costOf = ({ shardId }: FleetShard): number => cost.get(shardId) ?? 0;
  return serving.toSorted((a, b) => rank(a) - rank(b) || priceOf(b) - priceOf(a) || costOf(a) - costOf(b) || compareAge(b, a));
}

/** A shard that drains ends with what runs on it; it joins the warm ones where one is missing. */
function letGo(records: FleetRecords, { nowMs, policy, slotsOut, socketsOn }: FleetInput): void {
  const wantsWarm = policy.mode === "act" ? (records.facts.wanted?.warmCount ?? 0) : 0;
  for (const shard of records.all) {
    const { shardId, state, unit, sinceMs, isFinal } = shard;
    if (state !== "draining") continue;
    if (!isDrained(records, shard, { slotsOut, socketsOn })) {
      if (!isFinal && nowMs - sinceMs >= FLEET.comeBackMs) records.change(shardId, { isFinal: true });
      continue;
    }
    const isWanted = records.in(WARM).length < wantsWarm && records.in(THERE).length < policy.countMax;
    const isWarm = isWanted && !isFinal && unit?.state === "ready";
    records.move(shardId, isWarm ? "warm" : "gone", { reason: "drained", nowMs });
  }
}

/** Shards of one address share its lane: then it is drained as far as the others' slots hold what is out. */
function isDrained(
  records: FleetRecords,
  { shardId, unit }: FleetShard,
  { slotsOut, socketsOn }: Pick<FleetInput, "slotsOut" | "socketsOn">,
): boolean {
  const url = unit?.url ?? null;
  if (url === null) return true;
  const beside = servingOf(records).filter((other) => other.unit?.url === url);
  return socketsOn(shardId) === 0 && slotsOut(url) <= beside.reduce((sum, { size }) => sum + size, 0);
}

export function servingOf(records: FleetRecords): FleetShard[] {
  return records.in(SERVING);
}
