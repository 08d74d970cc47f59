// What is ordered: the cheapest offers per slot, within what is allowed, written down before anybody is asked.
import type { CapacityOffer, CapacityOrder } from "#shared/protocol/capacity-provider.ts";
import type { FleetInput, Need } from "./follow-plan.ts";
import { FLEET } from "./fleet-settings.ts";
import type { FleetRecords } from "./fleet-records.ts";
import { SERVING, slotsIn, THERE, type FleetShard } from "./fleet-state.ts";
import { restMsOf } from "./offer-backoff.ts";

interface Room {
  readonly offer: CapacityOffer;
  readonly slots: number;
  left: number;
}

/** Whether something is missing still. */
export function orderMissing(records: FleetRecords, { slots, warmCount, reason, input }: Need & { readonly input: FleetInput }): boolean {
  const { offers, policy, nowMs } = input;
  const there = records.in(THERE);
  // What drains and is not told yet joins the warm ones when it has ended.
  const back = records.all.filter(({ state, isFinal }) => state === "draining" && !isFinal);
  let demanded = slots - slotsIn(there);
  let missing = demanded + warmCount * policy.shardSlots - slotsIn(back);
  let room = Math.min(policy.stepMax, policy.countMax - there.length);
  const isAlone = !there.some(({ state }) => SERVING.has(state));
  const open = openOffers(records, offers ?? [], { input, isAlone });
  const slack = FLEET.slackRatio * policy.shardSlots;
  while (missing > slack && room > 0) {
    const choice = open.find(({ left, offer }) => left > 0 && records.costPerHour + offer.pricePerHour <= policy.costPerHourMax);
    if (choice === undefined) return true;
    const { offerId, pricePerHour } = choice.offer;
    const shardId = input.nextShardId();
    const order: CapacityOrder = { unitId: shardId, offerId, service: policy.service, slots: choice.slots, pricePerHourMax: pricePerHour };
    records.add(planned(order, nowMs), "planned", { reason: demanded > 0 ? reason : "warm-pool", nowMs });
    choice.left -= 1;
    room -= 1;
    missing -= choice.slots;
    demanded -= choice.slots;
  }
  return missing > slack;
}

function openOffers(
  records: FleetRecords,
  offers: readonly CapacityOffer[],
  { input: { nowMs, policy }, isAlone }: { input: FleetInput; isAlone: boolean },
): Room[] {
  return offers
    .filter(({ offerId, slotsMax, pricePerHour }) => {
      const isSound = Number.isSafeInteger(slotsMax) && slotsMax >= 1 && pricePerHour >= 0 && pricePerHour < Infinity;
      const backoff = Object.hasOwn(records.facts.offers, offerId) ? records.facts.offers[offerId] : undefined;
      return isSound && restMsOf(backoff, { nowMs, isAlone }) === 0;
    })
    .map((offer) => ({ offer, slots: Math.min(policy.sizeMax, offer.slotsMax), left: offer.availableCount ?? Infinity }))
    .toSorted((a, b) => a.offer.pricePerHour / a.slots - b.offer.pricePerHour / b.slots || b.slots - a.slots);
}

function planned(order: CapacityOrder, nowMs: number): Omit<FleetShard, "state" | "sinceMs" | "history"> {
  return {
    shardId: order.unitId,
    order,
    orderedAtMs: nowMs,
    unit: null,
    size: 0,
    isFinal: false,
    isReleased: false,
    isProven: false,
    trial: null,
  };
}
